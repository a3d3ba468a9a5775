"""Runs that go on: after a kill, a stop in good order, by hand, and with another plan."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, EndRun, SetTimer
from penstock.engine.ends import Commands
from penstock.engine.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
    Event,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    TasksRerun,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.plans import Graph, make_plan
from tests.simulation.simulator import labels, snapshot

ERROR = ErrorText("ValueError", "no such table")
VOLATILE = ValueRef("volatile", 0)
KEPT = ValueRef("json", 1, None, "1")
CHAIN: Graph = [[], [0], [1]]


def engine_of(graph: Graph, *events: Event, retries: int = 0, inputs: Graph | None = None) -> RunEngine:
    plan = make_plan(graph, policies=[TaskPolicy(retries=retries)] * len(graph), inputs=inputs)
    engine = RunEngine(plan, run_id="run")
    feed(engine, RunStarted(1.0), *events)
    return engine


def feed(engine: RunEngine, *events: Event) -> Commands:
    commands: Commands = ()
    for event in events:
        commands = engine.handle(event)
        check(engine)
    return list(commands)


def done(task: int, at: float = 3.0, attempt: int = 1, value: ValueRef | None = None) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptSucceeded(task, attempt, at, value)


def failed(task: int, at: float = 3.0, attempt: int = 1, *, retryable: bool = True) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptFailed(task, attempt, at, ERROR, retryable)


# --- After a kill


def test_what_ran_runs_again_and_what_succeeded_does_not() -> None:
    engine = engine_of([[], [0], [0], []], *done(0), AttemptStarted(1, 1, 4.0))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1, 2, 3])]
    assert labels(engine) == ["success", "ready", "ready", "ready"]
    feed(engine, AttemptStarted(1, 2, 10.0))


def test_a_late_outcome_of_the_attempt_that_was_lost_changes_nothing() -> None:
    engine = engine_of(CHAIN, AttemptStarted(0, 1, 2.0), RunResumed(9.0))
    before = snapshot(engine)
    assert feed(engine, AttemptSucceeded(0, 1, 10.0)) == []
    assert snapshot(engine) == before
    feed(engine, AttemptStarted(0, 2, 11.0))
    before = snapshot(engine)
    assert feed(engine, AttemptSucceeded(0, 1, 12.0)) == []
    assert snapshot(engine) == before


def test_what_failed_or_was_held_up_is_tried_again_with_a_fresh_budget() -> None:
    engine = engine_of(CHAIN, *failed(0), RetryDue(0, 4.0), *failed(0, attempt=2), retries=1)
    assert engine.state == "failed"
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]
    assert labels(engine) == ["ready", "pending", "pending"]
    assert engine.state is RunState.RUNNING
    assert (engine.ended_at, engine.error) == (None, None)
    assert feed(engine, *failed(0, attempt=3)) == [SetTimer(0, 3.0)]


def test_what_was_cancelled_is_tried_again() -> None:
    engine = engine_of(CHAIN, CancelRequested(2.0, "ann"))
    assert engine.state == "cancelled"
    feed(engine, RunResumed(9.0), *done(0), *done(1), *done(2))
    assert engine.state is RunState.SUCCESS


def test_a_pause_before_a_retry_is_kept() -> None:
    engine = engine_of(CHAIN, *failed(0, at=3.0), retries=1)
    assert feed(engine, RunResumed(9.0)) == [SetTimer(0, 3.0)]
    assert labels(engine)[0] == "retrying"
    assert engine.failures == {0: 1}


def test_a_run_that_was_about_to_end_ends() -> None:
    engine = engine_of([[]], *done(0))
    assert feed(engine, RunResumed(9.0)) == [EndRun(RunState.SUCCESS, None)]


def adopted(at: float) -> RunResumed:
    """A driver took the run over by itself, nobody having asked for it."""
    return RunResumed(at, by_hand=False)


def test_a_driver_that_adopts_a_run_leaves_alone_what_has_ended() -> None:
    engine = engine_of([[], [0], [], []], *failed(0), AttemptStarted(2, 1, 4.0))
    assert feed(engine, adopted(9.0)) == [DispatchTasks([2, 3])]
    assert labels(engine) == ["failed", "upstream_failed", "ready", "ready"]
    assert engine.lost == {2: 1}


def test_a_run_that_was_being_cancelled_when_its_driver_stopped_is_not_gone_on_with_unasked() -> None:
    engine = engine_of([[], [0]], AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"))
    engine.handle(DriverStopped(4.0, "SIGINT"))
    commands = engine.handle(adopted(9.0))
    check(engine)
    assert not any(isinstance(command, DispatchTasks) for command in commands)
    assert engine.state is RunState.CANCELLED


@pytest.mark.parametrize("last", [CancelRequested(5.0, "ann"), None], ids=["cancelled", "failed"])
def test_a_driver_that_adopts_a_run_which_has_ended_leaves_it_ended(last: Event | None) -> None:
    """Its last driver died after the last event and before the end was told."""
    engine = engine_of([[], [0]], last or DriverStopped(2.0, "SIGINT"), *([] if last else failed(0)))
    before = snapshot(engine)
    assert feed(engine, adopted(9.0)) == [EndRun(engine.state, engine.error)]
    assert {**snapshot(engine), "ended_at": 0} == {**before, "ended_at": 0}


def test_a_task_that_kills_its_driver_three_times_fails_with_that_story() -> None:
    engine = engine_of([[], [0], []], *done(2), AttemptStarted(0, 1, 2.0))
    for event in (adopted(10.0), AttemptStarted(0, 2, 11.0), adopted(20.0), AttemptStarted(0, 3, 21.0), adopted(30.0)):
        engine.handle(event)
    assert labels(engine) == ["failed", "upstream_failed", "success"]
    assert engine.state is RunState.FAILED
    assert "died 3 times" in engine.errors[0].message


def test_a_task_that_fails_by_an_adoption_has_a_time_at_which_it_ended() -> None:
    engine = engine_of([[], [0]], AttemptStarted(0, 1, 2.0))
    feed(engine, adopted(10.0), AttemptStarted(0, 2, 11.0), adopted(20.0), AttemptStarted(0, 3, 21.0))
    engine.handle(adopted(30.0))
    assert list(engine.ended) == [30.0, 30.0]
    check(engine)


def test_who_resumes_by_hand_forgives_lost_attempts() -> None:
    engine = engine_of([[]])
    for attempt, by_hand in enumerate([True, True, True, False, False, True, False, False], 1):
        feed(engine, AttemptStarted(0, attempt, 2.0), RunResumed(3.0, by_hand))
        assert labels(engine) == ["ready"]
    assert engine.lost == {0: 2}


def test_a_run_that_was_being_cancelled_when_its_driver_died_is_not_gone_on_with_unasked() -> None:
    engine = engine_of([[], [0]], AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"))
    commands = feed(engine, adopted(9.0))
    assert not any(isinstance(command, DispatchTasks) for command in commands)
    assert labels(engine) == ["cancelled", "cancelled"]
    assert engine.state is RunState.CANCELLED


# --- After a stop in good order


def test_a_driver_that_stops_leaves_what_ran_ready_and_counts_nothing_lost() -> None:
    engine = engine_of([[], [0], []], AttemptStarted(0, 1, 2.0))
    assert feed(engine, DriverStopped(5.0, "SIGINT")) == []
    assert labels(engine) == ["ready", "pending", "ready"]
    assert engine.state is RunState.RUNNING
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0, 2])]
    assert engine.lost == {}


# --- Values that died with their process


def test_a_volatile_value_that_is_still_needed_is_made_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), AttemptStarted(1, 1, 4.0))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]
    assert labels(engine) == ["ready", "pending", "pending"]
    assert feed(engine, *done(0, attempt=2, value=VOLATILE)) == [DispatchTasks([1])]


def test_a_volatile_value_that_was_used_up_is_not_made_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), *done(1, value=KEPT), AttemptStarted(2, 1, 5.0))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([2])]
    assert labels(engine) == ["success", "success", "ready"]


def test_a_volatile_value_is_made_again_for_a_value_that_is_made_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), *done(1, value=VOLATILE), AttemptStarted(2, 1, 5.0))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]
    assert labels(engine) == ["ready", "pending", "pending"]


def test_a_value_that_was_made_again_as_none_is_not_taken_for_the_one_that_died() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), RunResumed(9.0))
    assert engine.values == {}
    feed(engine, *done(0, at=11.0, attempt=2))
    assert engine.values == {}
    assert feed(engine, RunResumed(19.0)) == [DispatchTasks([1])]


def test_a_volatile_value_is_not_made_again_for_what_is_held_up_anyway() -> None:
    engine = engine_of([[], [], [0, 1]], *done(0, value=VOLATILE), *failed(1))
    assert feed(engine, adopted(9.0)) == [EndRun(RunState.FAILED, "task 't1' failed")]
    assert feed(engine, TasksRerun(10.0, (2,))) == [EndRun(RunState.FAILED, "task 't1' failed")]
    assert labels(engine) == ["success", "failed", "upstream_failed"]
    assert feed(engine, RunResumed(11.0)) == [DispatchTasks([0, 1])]


def test_what_needs_a_value_that_cannot_be_made_again_is_held_up() -> None:
    engine = engine_of(CHAIN, *done(0), *done(1, value=VOLATILE), *done(2), TasksRerun(9.0, (0,)), *failed(0, at=11.0))
    assert labels(engine) == ["failed", "success", "success"]
    assert feed(engine, TasksRerun(19.0, (2,))) == [EndRun(RunState.FAILED, "task 't0' failed")]
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed"]
    assert list(engine.ended)[1:] == [19.0, 19.0]


def test_an_order_without_data_makes_nothing_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), AttemptStarted(1, 1, 4.0), inputs=[[], [], [1]])
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1])]


def test_a_kept_value_is_not_made_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=KEPT), AttemptStarted(1, 1, 4.0))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1])]


def test_a_task_that_waits_for_its_retry_waits_for_its_volatile_input_too() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), *failed(1, at=5.0), retries=3)
    assert feed(engine, RunResumed(9.0))[0] == DispatchTasks([0])
    assert labels(engine)[0] == "ready"
    feed(engine, RetryDue(1, 9.5))  # if the timer rings at all, it must not start a task without its input
    assert labels(engine)[1] not in ("ready", "running")
    assert DispatchTasks([1]) in feed(engine, *done(0, at=11.0, attempt=2, value=VOLATILE))


# --- By hand


def test_a_rerun_begins_a_new_generation_of_attempts() -> None:
    engine = engine_of(CHAIN, *done(0), *done(1), *done(2))
    assert feed(engine, TasksRerun(9.0, (1,))) == [DispatchTasks([1])]
    assert labels(engine) == ["success", "ready", "success"]
    assert engine.generation(1) == 1
    assert engine.generation(0) == 0
    assert feed(engine, *done(1)) == [EndRun(RunState.SUCCESS, None)]


def test_a_rerun_of_a_task_and_all_that_follow_runs_them_in_order() -> None:
    engine = engine_of(CHAIN, *done(0), *done(1), *done(2))
    assert feed(engine, TasksRerun(9.0, (1, 2))) == [DispatchTasks([1])]
    assert feed(engine, *done(1)) == [DispatchTasks([2])]


def test_a_rerun_drops_the_values_of_what_runs_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=KEPT), *done(1, value=KEPT), *done(2))
    feed(engine, TasksRerun(9.0, (1,)))
    assert engine.values == {0: KEPT}


def test_a_rerun_makes_a_volatile_input_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), *done(1), *done(2))
    assert feed(engine, TasksRerun(9.0, (1,))) == [DispatchTasks([0])]
    assert engine.generation(0) == 0


def test_nothing_is_rerun_while_something_runs() -> None:
    engine = engine_of([[], []], *done(0), AttemptStarted(1, 1, 2.0))
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="TasksRerun"):
        engine.handle(TasksRerun(9.0, (0,)))
    assert snapshot(engine) == before


def test_a_rerun_whose_own_upstreams_have_succeeded_is_not_held_up_by_what_lies_further_above() -> None:
    engine = engine_of(CHAIN, *done(0), *done(1), *done(2), TasksRerun(9.0, (0,)), *failed(0, at=11.0))
    assert feed(engine, TasksRerun(19.0, (2,))) == [DispatchTasks([2])]
    assert feed(engine, *done(2, at=21.0)) == [EndRun(RunState.FAILED, "task 't0' failed")]
    assert labels(engine) == ["failed", "success", "success"]


def test_a_rerun_below_a_failure_is_held_up_again() -> None:
    engine = engine_of(CHAIN, *failed(0))
    feed(engine, TasksRerun(9.0, (1,)))
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed"]
    assert engine.state is RunState.FAILED


def test_a_run_that_has_not_begun_is_not_rerun() -> None:
    engine = RunEngine(make_plan(CHAIN), run_id="run")
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(TasksRerun(9.0, (1,)))
    assert snapshot(engine) == before


def test_a_rerun_below_a_cancelled_task_does_not_hang() -> None:
    engine = engine_of([[], [0]], CancelRequested(2.0, "ann"))
    feed(engine, TasksRerun(9.0, (1,)))
    assert engine.state is not RunState.RUNNING or "ready" in labels(engine)


def test_a_rerun_below_a_task_that_was_held_up_does_not_hang() -> None:
    engine = engine_of(CHAIN, *failed(0))
    engine.handle(TasksRerun(9.0, (0,)))
    for event in done(0):
        engine.handle(event)
    engine.handle(TasksRerun(20.0, (2,)))
    assert engine.state is not RunState.RUNNING or "ready" in labels(engine)


def test_a_run_is_no_success_while_tasks_are_held_up() -> None:
    engine = engine_of(CHAIN, *failed(0))
    for event in (TasksRerun(9.0, (0,)), *done(0)):
        engine.handle(event)
    assert engine.state is not RunState.SUCCESS or set(labels(engine)) == {"success"}


def test_a_run_is_no_success_while_tasks_are_cancelled() -> None:
    engine = engine_of(CHAIN, *done(0), CancelRequested(4.0, "ann"))
    for event in (TasksRerun(9.0, (0,)), *done(0)):
        engine.handle(event)
    assert engine.state is not RunState.SUCCESS or set(labels(engine)) == {"success"}


# --- With another plan


def adopt(engine: RunEngine, plan: Plan) -> Commands:
    """Hand a changed plan to the run, as a driver does that takes it over."""
    plans = {"new": plan}
    again = RunEngine(engine.plan, run_id="run", plans=plans.__getitem__)
    for name, value in vars(engine).items():
        if name not in ("_handlers", "_plans"):
            setattr(again, name, value)
    again.handle(PlanAdopted(9.0, "new"))
    commands = list(again.handle(RunResumed(9.0)))
    check(again)
    engine.__dict__ = again.__dict__
    return commands


def test_a_changed_plan_keeps_what_is_done_by_name() -> None:
    engine = engine_of(CHAIN, *done(0, value=KEPT), *done(1, value=KEPT), *failed(2))
    plan = make_plan([[2], [0, 3], [], []], names=["t1", "t2", "t0", "new"])
    assert adopt(engine, plan) == [DispatchTasks([3])]
    assert labels(engine) == ["success", "pending", "success", "ready"]
    assert engine.values == {0: KEPT, 2: KEPT}
    assert list(engine.attempts) == [1, 1, 1, 0]
    assert engine.plan is plan


def test_a_task_that_is_gone_is_forgotten() -> None:
    engine = engine_of([[], [0], []], *done(0), *failed(1), *done(2))
    assert adopt(engine, make_plan([[], []], names=["t0", "t2"])) == [EndRun(RunState.SUCCESS, None)]
    assert engine.errors == {}


def test_a_new_task_above_what_is_not_done_holds_it_up() -> None:
    engine = engine_of(CHAIN, *done(0), AttemptStarted(1, 1, 4.0), DriverStopped(5.0, "SIGINT"))
    plan = make_plan([[], [0, 3], [1], []], names=["t0", "t1", "t2", "check"])
    assert adopt(engine, plan) == [DispatchTasks([3])]


def test_what_runs_when_a_plan_is_adopted_runs_again() -> None:
    engine = RunEngine(make_plan(CHAIN), run_id="run", plans={"new": make_plan(CHAIN)}.__getitem__)
    feed(engine, RunStarted(1.0), AttemptStarted(0, 1, 2.0))
    assert engine.handle(PlanAdopted(9.0, "new")) == []
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]
    assert engine.attempts[0] == 1


def test_a_run_whose_last_task_is_lost_with_its_driver_does_not_end_before_another_plan_has_its_say() -> None:
    once = TaskPolicy(at_most_once=True)
    plans = {"new": make_plan([[], [], []], policies=[once, TaskPolicy(), TaskPolicy()])}
    engine = RunEngine(make_plan([[], []], policies=[once, TaskPolicy()]), run_id="run", plans=plans.__getitem__)
    feed(engine, RunStarted(1.0), *done(1), AttemptStarted(0, 1, 4.0))
    assert engine.handle(PlanAdopted(9.0, "new")) == []
    assert engine.ends == 0
    assert feed(engine, RunResumed(9.0, by_hand=False)) == [DispatchTasks([2])]
    assert labels(engine) == ["failed", "success", "ready"]


def test_a_run_without_other_plans_adopts_none() -> None:
    engine = RunEngine(make_plan(CHAIN), run_id="run")
    with pytest.raises(InvalidEvent, match="PlanAdopted"):
        engine.handle(PlanAdopted(9.0, "new"))


def test_a_clock_that_was_set_back_does_not_hold_up_a_retry_for_longer_than_its_pause():
    plan = make_plan([[]], policies=[TaskPolicy(retries=1, retry_delay=10.0)])
    engine = RunEngine(plan, run_id="run")
    for event in (RunStarted(5_000.0), AttemptStarted(0, 1, 5_000.0), AttemptFailed(0, 1, 5_000.0, ERROR)):
        engine.handle(event)
    assert engine.retries_due == {0: 5_010.0}
    assert SetTimer(0, 110.0) in engine.handle(RunResumed(100.0, by_hand=False))
    assert SetTimer(0, 104.0) not in engine.handle(RunResumed(106.0, by_hand=False))
    assert engine.retries_due == {0: 110.0}

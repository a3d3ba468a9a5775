"""Tasks that begin at most one attempt: whatever becomes of it, only a rerun by hand begins another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from penstock.engine.columns import UNMAPPED
from penstock.engine.commands import CancelAttempts, DispatchTasks, EndRun, TasksSettled
from penstock.engine.ends import Commands
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
    Event,
    PlanAdopted,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksRerun,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.plans import Graph, make_plan
from tests.simulation.simulator import labels, snapshot

ERROR = ErrorText("WorkerLost", "signal 9")
VOLATILE = ValueRef("volatile", 0)
CHAIN: Graph = [[], [0], [1]]
SAYS = "the worker or driver died while this task ran, and at_most_once forbids another attempt"


def plan_of(graph: Graph, once: Sequence[int], **fields: Any) -> Plan:
    policies = [TaskPolicy(at_most_once=task in once) for task in range(len(graph))]
    return make_plan(graph, policies=policies, timeout=60.0, **fields)


def engine_of(graph: Graph, *events: Event, once: Sequence[int] = (0,)) -> RunEngine:
    engine = RunEngine(plan_of(graph, once), run_id="run")
    feed(engine, RunStarted(1.0), *events)
    return engine


def feed(engine: RunEngine, *events: Event) -> Commands:
    """Hand in events, checking after each; the commands of the last."""
    commands: Commands = ()
    for event in events:
        commands = engine.handle(event)
        check(engine)
    return list(commands)


def started(task: int = 0, attempt: int = 1, at: float = 2.0) -> AttemptStarted:
    return AttemptStarted(task, attempt, at)


def done(task: int, at: float = 3.0, attempt: int = 1, value: ValueRef | None = None) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptSucceeded(task, attempt, at, value)


def failed(task: int, at: float = 3.0, attempt: int = 1) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptFailed(task, attempt, at, ERROR)


ENDINGS: dict[str, Callable[[float], Event]] = {
    "its worker dies": lambda at: AttemptLost(0, 1, at, ERROR),
    "its driver dies and somebody resumes the run": RunResumed,
    "its driver dies and another adopts the run": lambda at: RunResumed(at, by_hand=False),
    "its driver stops in good order": lambda at: DriverStopped(at, "SIGTERM"),
    "its body raises": lambda at: AttemptFailed(0, 1, at, ERROR),
}
"""What may become of an attempt under way, short of success."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_attempt_that_did_not_succeed_is_the_last(ending: str) -> None:
    engine = engine_of(CHAIN, started())
    assert feed(engine, ENDINGS[ending](5.0))[-1] == EndRun(RunState.FAILED, "task 't0' failed")
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed"]
    assert (engine.state, engine.ended_at, list(engine.ended)) == (RunState.FAILED, 5.0, [5.0] * 3)
    assert engine.errors[0].message


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_does_not_depend_on_it_goes_on(ending: str) -> None:
    engine = engine_of([[], [0], []], started())
    assert EndRun(RunState.FAILED, "task 't0' failed") not in feed(engine, ENDINGS[ending](5.0))
    assert labels(engine) == ["failed", "upstream_failed", "ready"]
    assert engine.state is RunState.RUNNING
    assert feed(engine, *done(2, at=8.0)) == [EndRun(RunState.FAILED, "task 't0' failed")]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("again", [True, False], ids=["resumed by hand", "adopted"])
def test_no_resumption_tries_it_again(ending: str, again: bool) -> None:
    engine = engine_of([[], [0], []], started(), ENDINGS[ending](5.0))
    assert feed(engine, RunResumed(9.0, by_hand=again)) == [DispatchTasks([2])]
    assert labels(engine) == ["failed", "upstream_failed", "ready"]
    assert feed(engine, *done(2, at=12.0)) == [EndRun(RunState.FAILED, "task 't0' failed")]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_rerun_by_hand_tries_it_once_more(ending: str) -> None:
    engine = engine_of(CHAIN, started(), ENDINGS[ending](5.0))
    assert feed(engine, TasksRerun(9.0, (0, 1, 2))) == [DispatchTasks([0])]
    assert (engine.generation(0), engine.attempts[0]) == (1, 0)
    feed(engine, started(attempt=1, at=10.0), RunResumed(11.0))
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_late_outcome_of_the_attempt_changes_nothing(ending: str) -> None:
    engine = engine_of(CHAIN, started(), ENDINGS[ending](5.0))
    before = snapshot(engine)
    assert feed(engine, AttemptSucceeded(0, 1, 6.0)) == []
    assert feed(engine, AttemptLost(0, 1, 6.0, ERROR)) == []
    assert snapshot(engine) == before


def test_one_that_has_not_begun_may_begin_after_any_of_these() -> None:
    for event in (RunResumed(5.0), RunResumed(5.0, by_hand=False), DriverStopped(5.0, "SIGTERM")):
        engine = engine_of([[]], event)
        assert labels(engine) == ["ready"]
        assert feed(engine, *done(0, at=9.0)) == [EndRun(RunState.SUCCESS, None)]


def test_one_below_it_that_may_be_tried_again_is() -> None:
    engine = engine_of([[], [0]], *done(0), started(1))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1])]
    assert labels(engine) == ["success", "ready"]


# --- The story


def test_a_lost_worker_is_the_story() -> None:
    engine = engine_of([[]], started(), AttemptLost(0, 1, 3.0, ERROR))
    assert engine.errors == {0: ErrorText("WorkerLost", f"{SAYS}. Last: signal 9")}
    assert engine.lost == {0: 1}


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_lost_driver_is_the_story(by_hand: bool) -> None:
    engine = engine_of([[]], started(), RunResumed(3.0, by_hand))
    assert engine.errors == {0: ErrorText("WorkerLost", SAYS)}
    assert engine.lost == {0: 1}


def test_a_driver_that_stopped_is_the_story() -> None:
    engine = engine_of([[]], started(), DriverStopped(3.0, "SIGTERM"))
    story = "its driver stopped while it ran (SIGTERM), and at_most_once forbids another attempt"
    assert engine.errors == {0: ErrorText("TaskCancelled", story)}
    assert engine.lost == {}


def test_what_it_held_up_is_settled_with_it() -> None:
    engine = engine_of([[], [0], []], started())
    assert feed(engine, DriverStopped(5.0, "SIGTERM")) == [TasksSettled([1], TaskState.UPSTREAM_FAILED)]
    engine = engine_of([[], [0], []], started())
    assert feed(engine, RunResumed(5.0)) == [TasksSettled([1], TaskState.UPSTREAM_FAILED), DispatchTasks([2])]


def test_several_that_ran_fail_together() -> None:
    engine = engine_of([[], [], [0, 1], []], started(0), started(1), started(3), once=(0, 1))
    assert feed(engine, DriverStopped(5.0, "SIGTERM")) == [TasksSettled([2], TaskState.UPSTREAM_FAILED)]
    assert labels(engine) == ["failed", "failed", "upstream_failed", "ready"]
    assert feed(engine, *done(3, at=9.0, attempt=2)) == [EndRun(RunState.FAILED, "2 tasks failed: 't0', 't1'")]


# --- While a run is ended


@pytest.mark.parametrize("cause", [CancelRequested(3.0, "ann"), RunTimedOut(3.0)], ids=["cancelled", "timed out"])
@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if "somebody" not in ending])
def test_one_that_is_lost_while_its_run_is_ended_has_failed(ending: str, cause: Event) -> None:
    """Whatever it had done, it has done; nobody can say that it was only kept from running."""
    # (Somebody who resumes the run takes the request back.)
    engine = engine_of([[], [], []], started(), started(1), cause)
    assert labels(engine) == ["running", "running", "cancelled"]
    feed(engine, ENDINGS[ending](5.0))
    assert labels(engine)[0] == "failed"
    assert labels(engine)[1] == ("running" if ending in ("its worker dies", "its body raises") else "cancelled")
    if labels(engine)[1] == "running":
        feed(engine, AttemptCancelled(1, 1, 6.0))
    assert engine.state is (RunState.CANCELLED if isinstance(cause, CancelRequested) else RunState.FAILED)


def test_if_it_was_the_only_one_the_run_ends_with_its_failure() -> None:
    for ending in (AttemptLost(0, 1, 4.0, ERROR), RunResumed(4.0, by_hand=False), DriverStopped(4.0, "SIGTERM")):
        engine = engine_of([[]], started(), CancelRequested(3.0, "ann"))
        assert feed(engine, ending) == [EndRun(RunState.FAILED, "task 't0' failed")]


def test_one_that_ended_because_it_was_asked_to_was_cancelled_and_is_not_tried_again() -> None:
    engine = engine_of([[], [0], []], started(), CancelRequested(3.0, "ann"), AttemptCancelled(0, 1, 4.0))
    assert labels(engine) == ["cancelled"] * 3
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([2])]
    assert labels(engine) == ["cancelled", "cancelled", "ready"]
    assert feed(engine, *done(2, at=11.0)) == [EndRun(RunState.CANCELLED, "2 tasks did not run again: 't0', 't1'")]
    feed(engine, TasksRerun(12.0, (0, 1)), *done(0), *done(1))
    assert engine.state is RunState.SUCCESS


def test_one_that_was_cancelled_before_it_began_is_tried_when_the_run_is_resumed() -> None:
    engine = engine_of([[], [0]], CancelRequested(3.0, "ann"), once=(0, 1))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]
    feed(engine, *done(0, at=11.0), *done(1, at=12.0))
    assert engine.state is RunState.SUCCESS


def test_a_success_that_comes_though_it_was_asked_to_end_counts() -> None:
    engine = engine_of([[], []], started(), CancelRequested(3.0, "ann"), AttemptSucceeded(0, 1, 4.0))
    assert labels(engine) == ["success", "cancelled"]
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1])]


# --- Runs in which nothing is left


def test_a_resumed_run_with_nothing_but_what_may_not_be_tried_stays_as_it_ended() -> None:
    engine = engine_of(CHAIN, started(), AttemptLost(0, 1, 3.0, ERROR))
    before = snapshot(engine)
    for event in (RunResumed(9.0), RunResumed(10.0, by_hand=False), DriverStopped(11.0, "SIGTERM")):
        commands = feed(engine, event)
        assert commands == ([EndRun(RunState.FAILED, "task 't0' failed")] if isinstance(event, RunResumed) else [])
        assert snapshot(engine) == before


def test_so_does_one_that_was_cancelled() -> None:
    engine = engine_of([[], [0]], started(), CancelRequested(3.0, "ann"), AttemptCancelled(0, 1, 4.0))
    before = snapshot(engine)
    assert feed(engine, RunResumed(9.0)) == [EndRun(RunState.CANCELLED, "cancelled by ann")]
    assert snapshot(engine) == before


def test_a_run_goes_on_where_something_else_may_be_tried() -> None:
    engine = engine_of([[], [], [0, 1], [1]], started(), AttemptLost(0, 1, 3.0, ERROR), *failed(1, at=4.0))
    assert engine.ends == 1
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([1])]
    assert labels(engine) == ["failed", "ready", "upstream_failed", "pending"]
    feed(engine, *done(1, at=10.0, attempt=2), *done(3, at=11.0))
    assert labels(engine) == ["failed", "success", "upstream_failed", "success"]
    assert (engine.state, engine.ends) == (RunState.FAILED, 2)


def test_a_rerun_of_what_it_held_up_alone_is_held_up_again() -> None:
    engine = engine_of(CHAIN, started(), AttemptLost(0, 1, 3.0, ERROR))
    assert feed(engine, TasksRerun(9.0, (1,))) == [EndRun(RunState.FAILED, "task 't0' failed")]


def test_what_is_below_it_but_waits_for_what_has_succeeded_may_be_tried_again() -> None:
    engine = engine_of(CHAIN, *done(0), *done(1), *done(2), TasksRerun(9.0, (0, 2)), started(2, at=10.0))
    feed(engine, started(0, at=10.0), AttemptLost(0, 1, 11.0, ERROR), AttemptFailed(2, 1, 12.0, ERROR))
    assert labels(engine) == ["failed", "success", "failed"]
    assert feed(engine, RunResumed(19.0)) == [DispatchTasks([2])]


# --- Its value


def test_a_value_that_died_with_its_process_is_not_made_again() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), started(1))
    for resumption in (RunResumed(9.0), RunResumed(10.0, by_hand=False)):
        assert feed(engine, resumption) == [DispatchTasks([1])]
        assert labels(engine) == ["success", "ready", "pending"]
        assert engine.attempts[0] == 1


def test_what_it_was_made_from_is_not_made_again_for_its_sake() -> None:
    engine = engine_of(CHAIN, *done(0, value=VOLATILE), *done(1, value=VOLATILE), started(2), once=(1,))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([2])]
    assert labels(engine) == ["success", "success", "ready"]


def test_a_rerun_of_what_needs_it_does_not_make_it_again_either() -> None:
    engine = engine_of([[], [0]], *done(0, value=VOLATILE), *done(1))
    assert feed(engine, TasksRerun(9.0, (1,))) == [DispatchTasks([1])]


def test_a_rerun_of_both_makes_it_again() -> None:
    engine = engine_of([[], [0]], *done(0, value=VOLATILE), *done(1))
    assert feed(engine, TasksRerun(9.0, (0, 1))) == [DispatchTasks([0])]


# --- Other plans


def engine_with_plans(*plans: Plan) -> RunEngine:
    by_name = {str(number): plan for number, plan in enumerate(plans)}
    engine = RunEngine(plans[0], run_id="run", plans=by_name.__getitem__)
    engine.handle(RunStarted(1.0))
    return engine


def adopt(engine: RunEngine, number: int, then: Event, at: float = 9.0) -> Commands:
    """Follow another plan, as a driver does that takes the run over."""
    engine.handle(PlanAdopted(at, str(number)))
    commands = list(engine.handle(then))
    check(engine)
    return commands


def test_another_plan_does_not_have_it_tried_again() -> None:
    engine = engine_with_plans(plan_of([[], []], (0,)), plan_of([[], [], []], (1,), names=["new", "t0", "t1"]))
    feed(engine, started(0))
    assert adopt(engine, 1, RunResumed(9.0)) == [DispatchTasks([0, 2])]
    assert labels(engine) == ["ready", "failed", "ready"]


def test_one_that_was_cancelled_stays_so_under_another_plan() -> None:
    engine = engine_with_plans(plan_of([[], []], (0,)), plan_of([[], [], [0]], (0,)))
    feed(engine, started(0), CancelRequested(3.0, "ann"), AttemptCancelled(0, 1, 4.0))
    assert adopt(engine, 1, RunResumed(9.0)) == [DispatchTasks([1])]
    assert labels(engine) == ["cancelled", "ready", "cancelled"]  # what it would have come to, nobody knows
    assert (engine.ended[0], engine.ended[2], engine.errors) == (4.0, 9.0, {})


@pytest.mark.parametrize("state", ["ready", "retrying"])
def test_one_that_had_begun_when_it_was_forbidden_to_begin_again_is_cancelled(state: str) -> None:
    retries = make_plan([[], [0], []], policies=[TaskPolicy(retries=3)] * 3)
    engine = engine_with_plans(retries, plan_of([[], [0], []], (0, 2)))
    feed(engine, started(0), AttemptLost(0, 1, 3.0, ERROR) if state == "ready" else AttemptFailed(0, 1, 3.0, ERROR))
    assert labels(engine)[0] == state
    assert adopt(engine, 1, RunResumed(9.0, by_hand=False)) == [DispatchTasks([2])]
    assert labels(engine) == ["cancelled", "cancelled", "ready"]
    assert engine.errors == {0: ERROR}
    assert (list(engine.ended)[:2], engine.retries_due) == ([9.0, 9.0], {})
    assert feed(engine, *done(2, at=11.0)) == [EndRun(RunState.CANCELLED, "2 tasks did not run again: 't0', 't1'")]
    feed(engine, TasksRerun(12.0, (0, 1)), *done(0), *done(1))
    assert engine.state is RunState.SUCCESS


def test_one_whose_driver_had_died_is_cancelled_with_a_story_of_its_own() -> None:
    engine = engine_with_plans(make_plan([[]]), plan_of([[]], (0,)))
    feed(engine, started(0))
    assert adopt(engine, 1, RunResumed(9.0)) == [EndRun(RunState.CANCELLED, "task 't0' did not run again")]
    assert engine.errors == {0: ErrorText("TaskCancelled", "it had begun, and at_most_once forbids more")}


def test_one_that_had_succeeded_keeps_its_success() -> None:
    engine = engine_with_plans(make_plan([[], [0]]), plan_of([[], [0]], (0, 1)))
    feed(engine, *done(0))
    assert adopt(engine, 1, RunResumed(9.0)) == [DispatchTasks([1])]
    assert labels(engine) == ["success", "ready"]


def test_one_that_is_allowed_to_begin_again_is_tried_again_by_hand() -> None:
    engine = engine_with_plans(plan_of([[]], (0,)), make_plan([[]]))
    feed(engine, started(0), AttemptLost(0, 1, 3.0, ERROR))
    assert adopt(engine, 1, RunResumed(9.0)) == [DispatchTasks([0])]
    feed(engine, *done(0, at=11.0, attempt=2))
    assert engine.state is RunState.SUCCESS


@pytest.mark.parametrize("outcome", ["success", "failed", "running"])
def test_one_that_was_out_of_the_plan_for_a_while_does_not_begin_again(outcome: str) -> None:
    both, one = plan_of([[], []], (0,)), plan_of([[]], (), names=["t1"])
    engine = engine_with_plans(both, one)
    feed(engine, started(0))
    if outcome != "running":
        feed(engine, AttemptSucceeded(0, 1, 3.0) if outcome == "success" else AttemptFailed(0, 1, 3.0, ERROR))
    assert adopt(engine, 1, RunResumed(9.0)) == [DispatchTasks([0])]
    assert engine.retired == {("t0", UNMAPPED): (1, 0)}
    assert adopt(engine, 0, RunResumed(19.0), at=19.0) == [DispatchTasks([1])]
    assert labels(engine) == ["cancelled", "ready"]
    assert engine.retired == {}
    with pytest.raises(InvalidEvent):
        engine.handle(started(0, attempt=2))
    feed(engine, *done(1, at=21.0), TasksRerun(22.0, (0,)), *done(0, at=23.0))
    assert (engine.state, engine.generation(0)) == (RunState.SUCCESS, 1)


def test_one_that_was_run_again_before_it_went_keeps_its_generation() -> None:
    both, one = plan_of([[], []], (0,)), plan_of([[]], (), names=["t1"])
    engine = engine_with_plans(both, one)
    feed(engine, *done(0), *done(1), TasksRerun(8.0, (0,)))
    adopt(engine, 1, RunResumed(9.0))
    assert engine.retired == {("t0", UNMAPPED): (0, 1)}
    adopt(engine, 0, RunResumed(19.0), at=19.0)
    assert (labels(engine), engine.generation(0)) == (["ready", "success"], 1)


def test_a_task_without_that_restriction_goes_on_counting_when_it_comes_back() -> None:
    engine = engine_with_plans(make_plan([[], []]), make_plan([[]], names=["t1"]), make_plan([[]], names=["t2"]))
    feed(engine, *done(0), *done(1))
    assert adopt(engine, 1, RunResumed(9.0)) == [EndRun(RunState.SUCCESS, None)]
    assert adopt(engine, 2, RunResumed(10.0), at=10.0) == [DispatchTasks([0])]
    assert engine.retired == {("t0", UNMAPPED): (1, 0), ("t1", UNMAPPED): (1, 0)}
    assert adopt(engine, 0, RunResumed(19.0), at=19.0) == [DispatchTasks([0, 1])]
    assert (list(engine.attempts), engine.retired) == ([1, 1], {})
    feed(engine, *done(0, at=21.0, attempt=2), *done(1, at=22.0, attempt=2))
    assert engine.state is RunState.SUCCESS


def test_a_run_that_was_to_end_and_whose_plan_changed_is_not_gone_on_with_unasked() -> None:
    engine = engine_with_plans(make_plan([[], [0]]), make_plan([[], [0], []]))
    feed(engine, started(0), CancelRequested(3.0, "ann"))
    commands = adopt(engine, 1, RunResumed(9.0, by_hand=False))
    assert commands == [EndRun(RunState.CANCELLED, "cancelled by ann")]
    assert labels(engine) == ["cancelled"] * 3
    assert list(engine.ended) == [9.0] * 3


# --- Two kinds side by side


def test_only_those_that_run_are_asked_to_end() -> None:
    engine = engine_of([[], []], started())
    assert CancelAttempts([0]) in feed(engine, CancelRequested(3.0, "ann"))


def test_what_may_be_tried_again_is_lost_three_times_as_ever() -> None:
    engine = engine_of([[], []], once=(1,))
    for attempt in (1, 2):
        feed(engine, started(0, attempt), AttemptLost(0, attempt, 3.0, ERROR))
        assert labels(engine) == ["ready", "ready"]
    feed(engine, started(0, 3), AttemptLost(0, 3, 3.0, ERROR))
    assert labels(engine) == ["failed", "ready"]


def test_a_task_knows_whether_it_is_spent() -> None:
    engine = engine_of([[], []], started(0), started(1))
    assert (engine.is_spent(0), engine.is_spent(1)) == (True, False)
    engine = engine_of([[], []])
    assert not engine.is_spent(0)

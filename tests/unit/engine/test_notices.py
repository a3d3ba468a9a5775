"""What is told of a run, to whom, and until when: the outbox as events make and empty it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from penstock.engine.commands import Command, DispatchTasks, EndRun, SendNotices, SetTimer, TasksSettled
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
    ExpansionFailed,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
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
from penstock.policy import Notice, TaskPolicy
from tests.simulation.plans import Graph, make_plan
from tests.simulation.simulator import labels, snapshot

ERROR = ErrorText("ValueError", "no such table", "Traceback ...")
ALL = ("success", "failed", "retry")
ENDS = ("success", "failed", "cancelled")


def plan_of(graph: Graph, *, notices: Sequence[str] = ALL, retries: int = 0, **fields: Any) -> Plan:
    policies = [TaskPolicy(retries=retries, notices=tuple(notices))] * len(graph)
    return make_plan(graph, **{"policies": policies, "notices": ENDS, "timeout": 60.0, **fields})


def engine_of(plan: Plan, *events: Event) -> RunEngine:
    engine = RunEngine(plan, run_id="run")
    feed(engine, RunStarted(1.0), *events)
    return engine


def feed(engine: RunEngine, *events: Event) -> list[Command]:
    """Hand in events, checking after each; the commands of the last."""
    commands: list[Command] = []
    for event in events:
        commands = list(engine.handle(event))
        check(engine)
    return commands


def told(commands: Sequence[Command]) -> list[str]:
    """The ids of the notices to be sent, in order."""
    return [notice.id for command in commands if isinstance(command, SendNotices) for notice in command.notices]


def done(task: int = 0, at: float = 3.0, attempt: int = 1) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptSucceeded(task, attempt, at)


def failed(task: int = 0, at: float = 3.0, attempt: int = 1) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptFailed(task, attempt, at, ERROR)


def lost(task: int = 0, at: float = 3.0, attempt: int = 1) -> tuple[Event, Event]:
    return AttemptStarted(task, attempt, at - 1.0), AttemptLost(task, attempt, at, ERROR)


# --- What is told


def test_a_success_is_told_before_the_end_that_it_brings() -> None:
    engine = engine_of(plan_of([[]]))
    assert feed(engine, *done()) == [
        SendNotices([Notice("run/t0/0/1/task_success", "task_success", "run", "flow", "t0", 0, 1, 3.0, None, "")]),
        SendNotices([Notice("run/0/run_success", "run_success", "run", "flow", None, 0, 0, 3.0, None, "")]),
        EndRun(RunState.SUCCESS, None),
    ]
    assert list(engine.notices) == ["run/t0/0/1/task_success", "run/0/run_success"]


def test_a_success_that_makes_others_ready_is_told_and_they_are_dispatched() -> None:
    engine = engine_of(plan_of([[], [0]]))
    sent, dispatched = feed(engine, *done())
    assert told([sent]) == ["run/t0/0/1/task_success"]
    assert dispatched == DispatchTasks([1])


def test_a_failed_attempt_that_another_follows_is_told_as_such() -> None:
    engine = engine_of(plan_of([[]], retries=1))
    commands = feed(engine, *failed())
    assert commands == [
        SendNotices([Notice("run/t0/0/1/task_retry", "task_retry", "run", "flow", "t0", 0, 1, 3.0, ERROR, "")]),
        SetTimer(0, 3.0),
    ]
    assert told(feed(engine, RetryDue(0, 4.0), *done(attempt=2, at=6.0))) == [
        "run/t0/0/2/task_success",
        "run/0/run_success",
    ]


def test_a_success_after_a_failure_is_told_without_an_error() -> None:
    engine = engine_of(plan_of([[]], retries=1), *failed(), RetryDue(0, 4.0), *done(attempt=2, at=6.0))
    assert engine.notices["run/t0/0/2/task_success"].error is None


def test_a_final_failure_is_told_before_what_it_holds_up_and_ends() -> None:
    engine = engine_of(plan_of([[], [0]]))
    error = ErrorText("RunFailed", "task 't0' failed")
    assert feed(engine, *failed()) == [
        SendNotices([Notice("run/t0/0/1/task_failed", "task_failed", "run", "flow", "t0", 0, 1, 3.0, ERROR, "")]),
        TasksSettled([1], TaskState.UPSTREAM_FAILED),
        SendNotices([Notice("run/0/run_failed", "run_failed", "run", "flow", None, 0, 0, 3.0, error, "")]),
        EndRun(RunState.FAILED, "task 't0' failed"),
    ]


def test_what_was_held_up_or_cancelled_is_not_told_of() -> None:
    engine = engine_of(plan_of([[], [0], []]), *failed(), AttemptStarted(2, 1, 4.0), CancelRequested(5.0, "ann"))
    feed(engine, AttemptCancelled(2, 1, 6.0))
    assert labels(engine) == ["failed", "upstream_failed", "cancelled"]
    assert list(engine.notices) == ["run/t0/0/1/task_failed", "run/0/run_cancelled"]
    assert engine.notices["run/0/run_cancelled"].error == ErrorText("RunFailed", "cancelled by ann")


def test_a_run_that_times_out_has_failed() -> None:
    engine = engine_of(plan_of([[]], notices=()))
    assert told(feed(engine, RunTimedOut(61.0))) == ["run/0/run_failed"]
    assert engine.notices["run/0/run_failed"].error == ErrorText("RunFailed", "timed out after 60 s")


def test_lost_attempts_are_told_of_only_when_there_were_too_many() -> None:
    engine = engine_of(plan_of([[], []]), *lost(), *lost(attempt=2))
    assert engine.notices == {}
    assert told(feed(engine, *lost(attempt=3))) == ["run/t0/0/3/task_failed"]
    assert "died 3 times" in (engine.notices["run/t0/0/3/task_failed"].error or ERROR).message


def test_an_attempt_that_may_be_the_only_one_is_told_of_when_it_is_lost() -> None:
    policy = TaskPolicy(at_most_once=True, notices=ALL)
    for ending in (AttemptLost(0, 1, 4.0, ERROR), RunResumed(4.0), DriverStopped(4.0, "SIGTERM")):
        engine = engine_of(plan_of([[], []], policies=[policy] * 2), AttemptStarted(0, 1, 2.0))
        assert told(feed(engine, ending)) == ["run/t0/0/1/task_failed"]
        assert engine.notices["run/t0/0/1/task_failed"].at == 4.0


def test_a_map_that_cannot_be_expanded_again_is_told_of_again_under_another_id() -> None:
    plan = make_plan([[]], policies=[TaskPolicy(notices=ALL)], maps={0: "task"})
    engine = engine_of(plan)
    assert told(feed(engine, ExpansionFailed(0, 2.0, ERROR))) == ["run/t0/0/1/task_failed"]
    engine.handle(RunResumed(3.0))
    assert told(feed(engine, ExpansionFailed(0, 4.0, ERROR)))[-1] == "run/t0/0/2/task_failed"


def test_several_that_fail_at_once_are_told_of_together_before_the_run() -> None:
    policy = TaskPolicy(at_most_once=True, notices=ALL)
    plan = plan_of([[], []], policies=[policy] * 2)
    for ending in (RunResumed(4.0), DriverStopped(4.0, "SIGTERM")):
        engine = engine_of(plan, AttemptStarted(0, 1, 2.0), AttemptStarted(1, 1, 2.0))
        commands = feed(engine, ending)
        assert told(commands) == ["run/t0/0/1/task_failed", "run/t1/0/1/task_failed", "run/0/run_failed"]
        assert isinstance(commands[-1], EndRun)


@pytest.mark.parametrize("what", ALL)
def test_only_what_the_task_names_is_told_of_it(what: str) -> None:
    plan = make_plan([[], [], []], policies=[TaskPolicy(retries=1, notices=(what,))] * 3)
    engine = engine_of(plan, *done(0), *failed(1), RetryDue(1, 4.0), *failed(1, attempt=2))
    feed(engine, *failed(2), RetryDue(2, 4.0), *done(2, attempt=2))
    expected = {
        "success": ["run/t0/0/1/task_success", "run/t2/0/2/task_success"],
        "failed": ["run/t1/0/2/task_failed"],
        "retry": ["run/t1/0/1/task_retry", "run/t2/0/1/task_retry"],
    }
    assert list(engine.notices) == expected[what]


@pytest.mark.parametrize("what", ENDS)
def test_only_what_the_plan_names_is_told_of_the_run(what: str) -> None:
    ends: dict[str, list[Event]] = {
        "success": [*done()],
        "failed": [*failed()],
        "cancelled": [CancelRequested(3.0, "ann")],
    }
    for end, events in ends.items():
        engine = engine_of(make_plan([[]], notices=(what,)), *events)
        assert engine.state == end
        assert list(engine.notices) == ([f"run/0/run_{what}"] if what == end else [])


def test_where_nobody_wants_to_know_nothing_is_told() -> None:
    engine = engine_of(make_plan([[], []], policies=[TaskPolicy(retries=1)] * 2), *done(0), *failed(1))
    assert feed(engine, RetryDue(1, 4.0), *failed(1, attempt=2)) == [EndRun(RunState.FAILED, "task 't1' failed")]
    assert engine.notices == {}


def test_a_late_outcome_is_not_told_of() -> None:
    engine = engine_of(plan_of([[], []]), *done())
    before = snapshot(engine)
    for event in (AttemptSucceeded(0, 1, 9.0), AttemptFailed(0, 1, 9.0, ERROR), AttemptLost(0, 1, 9.0, ERROR)):
        assert feed(engine, event) == []
    assert snapshot(engine) == before


def test_an_outcome_that_cannot_be_is_refused_and_not_told_of() -> None:
    engine = engine_of(plan_of([[], []]))
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(AttemptSucceeded(0, 1, 9.0))
    assert snapshot(engine) == before


def test_a_task_that_is_made_again_is_told_of_again_under_another_id() -> None:
    volatile = ValueRef("volatile", 0)
    engine = engine_of(plan_of([[], [0]]), AttemptStarted(0, 1, 2.0), AttemptSucceeded(0, 1, 3.0, volatile))
    feed(engine, RunResumed(9.0), *done(0, attempt=2, at=11.0))
    assert list(engine.notices) == ["run/t0/0/1/task_success", "run/t0/0/2/task_success"]


def test_a_rerun_is_told_of_under_another_id() -> None:
    engine = engine_of(plan_of([[]]), *done(), TasksRerun(9.0, (0,)), *done(at=11.0))
    assert list(engine.notices) == [
        "run/t0/0/1/task_success",
        "run/0/run_success",
        "run/t0/1/1/task_success",
        "run/1/run_success",
    ]
    assert [notice.generation for notice in engine.notices.values()] == [0, 0, 1, 1]


def test_a_run_that_ends_again_is_told_of_again_under_another_id() -> None:
    engine = engine_of(plan_of([[]], notices=()), *failed(), RunResumed(9.0), *failed(attempt=2, at=11.0))
    assert list(engine.notices) == ["run/0/run_failed", "run/1/run_failed"]
    assert engine.ends == 2


def test_a_run_that_was_taken_over_when_it_had_ended_is_not_told_of_again() -> None:
    engine = engine_of(plan_of([[], []]), *done(0), *done(1))
    assert len(engine.notices) == 3
    before = snapshot(engine)
    for by_hand in (True, False):
        assert told(feed(engine, RunResumed(9.0, by_hand))) == list(engine.notices)
        assert snapshot(engine) == before


def test_an_empty_run_is_told_of() -> None:
    engine = RunEngine(plan_of([]), run_id="run")
    assert told(feed(engine, RunStarted(1.0))) == ["run/0/run_success"]


# --- Who is told


def test_notifiers_are_told_of_final_failures_and_of_ends() -> None:
    plan = make_plan([[], []], policies=[TaskPolicy(retries=1)] * 2)
    engine = engine_of(plan, NotifiersSet(1.5, ("slack", "mail")), *done(0), *failed(1))
    assert [*engine.notifiers] == ["slack", "mail"]
    assert engine.notices == {}
    commands = feed(engine, RetryDue(1, 4.0), *failed(1, attempt=2, at=6.0))
    assert told(commands) == [
        "run/t1/0/2/task_failed/slack",
        "run/t1/0/2/task_failed/mail",
        "run/0/run_failed/slack",
        "run/0/run_failed/mail",
    ]
    assert [notice.receiver for notice in engine.notices.values()] == ["slack", "mail", "slack", "mail"]
    error = engine.notices["run/0/run_failed/mail"].error
    assert error == ErrorText("RunFailed", "task 't1' failed")


@pytest.mark.parametrize("events", [[*done()], [CancelRequested(3.0, "ann")]], ids=["success", "cancelled"])
def test_notifiers_are_told_of_every_end(events: list[Event]) -> None:
    engine = engine_of(make_plan([[]]), NotifiersSet(1.5, ("slack",)), *events)
    assert list(engine.notices) == [f"run/0/run_{engine.state}/slack"]


def test_callbacks_are_told_before_notifiers() -> None:
    engine = engine_of(plan_of([[]]), NotifiersSet(1.5, ("slack",)), *failed())
    assert list(engine.notices) == [
        "run/t0/0/1/task_failed",
        "run/t0/0/1/task_failed/slack",
        "run/0/run_failed",
        "run/0/run_failed/slack",
    ]


def test_notifiers_count_from_when_they_are_set() -> None:
    engine = engine_of(make_plan([[], []]), *failed(0), NotifiersSet(4.0, ("slack",)))
    assert engine.notices == {}
    feed(engine, *failed(1, at=6.0), NotifiersSet(7.0, ()), TasksRerun(8.0, (0, 1)), *done(0), *done(1))
    assert list(engine.notices) == ["run/t1/0/1/task_failed/slack", "run/0/run_failed/slack"]
    assert engine.notifiers == {}


def test_notifiers_may_be_set_before_the_run_begins_and_after_it_has_ended() -> None:
    engine = RunEngine(make_plan([[]]), run_id="run")
    assert feed(engine, NotifiersSet(0.5, ("slack",))) == []
    assert engine.state is RunState.QUEUED
    feed(engine, RunStarted(1.0), *done(), NotifiersSet(9.0, ("mail",)))
    assert ([*engine.notifiers], engine.state) == (["mail"], RunState.SUCCESS)


def test_a_notifier_that_is_named_twice_is_told_once() -> None:
    engine = engine_of(make_plan([[]]), NotifiersSet(1.5, ("slack", "mail", "slack")), *done())
    assert [*engine.notifiers] == ["slack", "mail"]
    assert list(engine.notices) == ["run/0/run_success/slack", "run/0/run_success/mail"]


def test_a_notifier_without_a_name_is_refused() -> None:
    engine = engine_of(make_plan([[]]), NotifiersSet(1.5, ("slack",)))
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="NotifiersSet"):
        engine.handle(NotifiersSet(2.0, ("mail", "")))
    assert snapshot(engine) == before


# --- Until when


def test_a_notice_that_was_delivered_is_gone() -> None:
    engine = engine_of(plan_of([[]]), *done())
    assert feed(engine, NoticeDelivered(4.0, "run/t0/0/1/task_success")) == []
    assert list(engine.notices) == ["run/0/run_success"]
    assert engine.dropped == {}
    assert (engine.state, engine.ended_at) == (RunState.SUCCESS, 3.0)


def test_a_notice_that_was_given_up_is_gone_and_remembered() -> None:
    engine = engine_of(plan_of([[]]), *done())
    assert feed(engine, NoticeDropped(4.0, "run/0/run_success", "OSError: no network")) == []
    assert list(engine.notices) == ["run/t0/0/1/task_success"]
    assert engine.dropped == {"run/0/run_success": "OSError: no network"}


@pytest.mark.parametrize(
    "first", [NoticeDelivered(4.0, "run/0/run_success"), NoticeDropped(4.0, "run/0/run_success", "a")]
)
def test_a_notice_that_is_gone_cannot_be_delivered_or_given_up_again(first: Event) -> None:
    engine = engine_of(plan_of([[]]), *done(), first)
    before = snapshot(engine)
    assert feed(engine, NoticeDelivered(5.0, "run/0/run_success")) == []
    assert feed(engine, NoticeDropped(5.0, "run/0/run_success", "b")) == []
    assert snapshot(engine) == before


def test_a_notice_that_never_was_is_stale() -> None:
    engine = engine_of(plan_of([[]]))
    before = snapshot(engine)
    assert feed(engine, NoticeDelivered(5.0, "nonsense"), NoticeDropped(5.0, "nonsense", "b")) == []
    assert snapshot(engine) == before


def test_who_takes_a_run_over_is_given_what_nobody_has_taken_in_the_order_made() -> None:
    engine = engine_of(plan_of([[], [], []]), *done(0), *failed(1), NoticeDelivered(4.0, "run/t0/0/1/task_success"))
    assert feed(engine, AttemptStarted(2, 1, 5.0)) == []
    for resumption in (RunResumed(9.0), RunResumed(10.0, by_hand=False)):
        sent, dispatched = feed(engine, resumption)
        assert told([sent]) == ["run/t1/0/1/task_failed"]
        assert isinstance(dispatched, DispatchTasks)
    feed(engine, *done(1, at=11.0, attempt=2), *done(2, at=12.0, attempt=2))
    first, *others = feed(engine, TasksRerun(20.0, (0,)))
    assert told([first]) == list(engine.notices)
    assert len(engine.notices) == 4
    assert others == [DispatchTasks([0])]


def test_it_is_given_each_but_once_though_the_takeover_ends_the_run() -> None:
    policy = TaskPolicy(at_most_once=True, notices=ALL)
    plan = plan_of([[], []], policies=[policy] * 2)
    engine = engine_of(plan, *done(0), AttemptStarted(1, 1, 5.0))
    commands = feed(engine, RunResumed(9.0))
    assert [type(command) for command in commands] == [SendNotices, EndRun]
    assert told(commands) == ["run/t0/0/1/task_success", "run/t1/0/1/task_failed", "run/0/run_failed"]


def test_it_is_given_nothing_where_all_has_been_taken() -> None:
    engine = engine_of(plan_of([[]], notices=()), *failed(), NoticeDelivered(4.0, "run/0/run_failed"))
    assert feed(engine, RunResumed(9.0)) == [DispatchTasks([0])]


def test_a_run_that_is_cancelled_with_nobody_driving_it_keeps_its_notices() -> None:
    engine = engine_of(plan_of([[]]), AttemptStarted(0, 1, 2.0), DriverStopped(5.0, "lost"))
    feed(engine, CancelRequested(5.0, "ann"))
    assert list(engine.notices) == ["run/0/run_cancelled"]
    assert told(feed(engine, RunResumed(9.0, by_hand=False))) == ["run/0/run_cancelled"]


# --- Their ids


def ids_of(plan: Plan, run_id: str = "run", notifiers: tuple[str, ...] = ()) -> list[str]:
    """The ids of all notices of a run in which every task succeeds, is run again and fails."""
    engine = RunEngine(plan, run_id=run_id)
    events: list[Event] = [RunStarted(1.0), NotifiersSet(1.0, notifiers)]
    events += [event for task in range(len(plan)) for event in done(task)]
    events.append(TasksRerun(5.0, tuple(range(len(plan)))))
    events += [event for task in range(len(plan)) for event in failed(task, at=7.0)]
    feed(engine, *events)
    assert all(key == notice.id for key, notice in engine.notices.items())
    return list(engine.notices)


def test_names_with_slashes_do_not_make_one_id_of_two() -> None:
    names = ["a", "a/0", "a/0/1", "a%2F0", "/", "%", "0", "run"]
    found = ids_of(plan_of([[]] * 8, names=names), notifiers=("slack", "a/slack", "a", "0", "task_failed", "%2F"))
    assert len(found) == len(set(found)) == 8 + 8 * 7 + 2 * 7
    assert "run/a%2F0%2F1/0/1/task_success" in found
    assert "run/a%252F0/1/1/task_failed/a%2Fslack" in found


def test_runs_have_ids_of_their_own() -> None:
    plan = plan_of([[]])
    assert not set(ids_of(plan, "one")) & set(ids_of(plan, "two"))


def test_a_replay_makes_the_same_notices() -> None:
    plan = plan_of([[], [0]], retries=1)
    journal: list[Event] = [
        NotifiersSet(0.5, ("slack",)), RunStarted(1.0), *failed(0), RetryDue(0, 4.0), *done(0, attempt=2, at=6.0),
        *failed(1, at=8.0), NoticeDelivered(8.5, "run/t0/0/2/task_success"), RetryDue(1, 9.0),
        *failed(1, at=11.0, attempt=2), NoticeDropped(12.0, "run/t1/0/2/task_failed/slack", "gone"),
    ]  # fmt: skip
    one, other = (RunEngine(plan, run_id="run") for _ in range(2))
    feed(one, *journal)
    feed(other, *journal)
    assert one.notices == other.notices
    assert list(one.notices) == [
        "run/t0/0/1/task_retry", "run/t1/0/1/task_retry", "run/t1/0/2/task_failed", "run/0/run_failed",
        "run/0/run_failed/slack",
    ]  # fmt: skip
    assert snapshot(one) == snapshot(other)


# --- Other plans


def engine_with_plans(*plans: Plan) -> RunEngine:
    by_name = {str(number): plan for number, plan in enumerate(plans)}
    engine = RunEngine(plans[0], run_id="run", plans=by_name.__getitem__)
    engine.handle(RunStarted(1.0))
    return engine


def adopt(engine: RunEngine, number: int, at: float = 9.0) -> list[Command]:
    engine.handle(PlanAdopted(at, str(number)))
    return feed(engine, RunResumed(at))


def test_from_another_plan_on_its_callbacks_are_told() -> None:
    silent, loud = make_plan([[], []]), plan_of([[], []])
    engine = engine_with_plans(silent, loud)
    feed(engine, *done(0))
    assert adopt(engine, 1) == [DispatchTasks([1])]
    assert told(feed(engine, *done(1, at=11.0))) == ["run/t1/0/1/task_success", "run/0/run_success"]
    adopt(engine, 0, at=20.0)
    feed(engine, TasksRerun(21.0, (0,)))
    assert told(feed(engine, *done(0, at=23.0))) == []


def test_notices_outlive_the_plan_and_the_task_they_are_of() -> None:
    engine = engine_with_plans(plan_of([[], []]), make_plan([[]], names=["t1"]))
    feed(engine, *failed(0))
    sent, _ = adopt(engine, 1)
    assert told([sent]) == ["run/t0/0/1/task_failed"]


def test_a_task_that_comes_back_is_not_told_of_under_an_old_id() -> None:
    both, one = plan_of([[], []]), plan_of([[]], names=["t1"])
    engine = engine_with_plans(both, one)
    feed(engine, *failed(0))
    adopt(engine, 1)
    adopt(engine, 0, at=19.0)
    feed(engine, *failed(0, at=22.0, attempt=2))
    assert list(engine.notices) == ["run/t0/0/1/task_failed", "run/t0/0/2/task_failed"]


def test_a_task_that_is_cancelled_since_it_may_not_begin_again_is_not_told_of() -> None:
    """Its attempt may have been told of already."""
    before, after = (
        plan_of([[], []], retries=1),
        plan_of([[], []], policies=[TaskPolicy(at_most_once=True, notices=ALL)] * 2),
    )
    engine = engine_with_plans(before, after)
    feed(engine, *failed(0))
    adopt(engine, 1)
    assert labels(engine) == ["cancelled", "ready"]
    assert list(engine.notices) == ["run/t0/0/1/task_retry"]

"""Messages to a run: who gets them, and when."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, SetTimer
from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ErrorText,
    Event,
    MessageReceived,
    PlanAdopted,
    RunResumed,
    RunStarted,
    TasksRerun,
    TaskWoken,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import TaskState
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan

YES = ValueRef("json", 4, None, "true")
HELLO = MessageReceived(9.0, "go", YES, "ann")


def engine_of(*events: Event, tasks: int = 2, policy: TaskPolicy | None = None) -> RunEngine:
    """A run of tasks that have nothing to do with each other, after these events."""
    plan = make_plan([()] * tasks, policies=[policy or TaskPolicy()] * tasks)
    engine = RunEngine(plan, run_id="run", plans=lambda name: plan)
    for event in (RunStarted(1.0), *events):
        engine.handle(event)
        check(engine)
    return engine


def waits(task: int, at: float, *, attempt: int = 1, until: float | None = None, topic: str = "go") -> list[Event]:
    return [AttemptStarted(task, attempt, at), AttemptDeferred(task, attempt, at, until, topic)]


def test_a_message_wakes_the_task_that_waits_for_it() -> None:
    engine = engine_of(*waits(0, 2.0), *waits(1, 3.0, topic="other"))
    assert engine.handle(HELLO) == (DispatchTasks([0]),)
    check(engine)
    assert engine.letters == {0: {"go": HELLO}}
    assert engine.task_state(1) is TaskState.DEFERRED


def test_a_message_that_nobody_waits_for_is_kept_for_the_next_who_does() -> None:
    later = MessageReceived(9.5, "go", None, "bob")
    engine = engine_of(HELLO, later, AttemptStarted(0, 1, 10.0))
    assert engine.handle(AttemptDeferred(0, 1, 11.0, None, "go")) == (DispatchTasks([0]),)
    assert engine.letters == {0: {"go": HELLO}}
    assert engine.mailbox == {"go": [later]}
    engine.handle(AttemptStarted(1, 1, 12.0))
    engine.handle(AttemptDeferred(1, 1, 12.0, None, "go"))
    assert engine.letters[1] == {"go": later}
    assert engine.mailbox == {}


def test_who_has_waited_longest_gets_it() -> None:
    engine = engine_of(*waits(1, 2.0), *waits(0, 3.0), HELLO)
    assert [engine.task_state(task) for task in (0, 1)] == [TaskState.DEFERRED, TaskState.READY]
    engine.handle(HELLO)
    assert engine.task_state(0) is TaskState.READY


def test_it_waits_since_it_first_asked_for_this_topic() -> None:
    """Whatever it waited for before."""
    first: list[Event] = [*waits(0, 2.0, topic="other"), *waits(1, 3.0), MessageReceived(4.0, "other", None, "ann")]
    engine = engine_of(*first, *waits(0, 5.0, attempt=2), HELLO)
    assert engine.task_state(1) is TaskState.READY


def test_without_a_time_only_a_message_wakes_it() -> None:
    engine = engine_of(AttemptStarted(0, 1, 2.0))
    assert engine.handle(AttemptDeferred(0, 1, 2.0, None, "go")) == ()
    assert engine.handle(AttemptStarted(1, 1, 2.0)) == ()
    assert engine.handle(AttemptDeferred(1, 1, 2.0, 60.0, "go")) == (SetTimer(1, 60.0),)
    engine.handle(TaskWoken(1, 60.0))
    check(engine)
    assert engine.task_state(1) is TaskState.READY
    assert 1 not in engine.topics


def test_a_clock_that_was_set_back_does_not_hold_up_a_deferred_task_for_longer_than_its_pause() -> None:
    engine = engine_of(AttemptStarted(0, 1, 5_000.0), AttemptDeferred(0, 1, 5_000.0, 5_010.0))
    assert SetTimer(0, 110.0) in engine.handle(RunResumed(100.0, by_hand=False))


def test_who_waits_for_ever_is_given_no_timer_when_the_run_goes_on() -> None:
    engine = engine_of(*waits(0, 2.0), *waits(1, 2.0, until=60.0))
    assert engine.handle(RunResumed(9.0, by_hand=False)) == (SetTimer(1, 60.0),)


def test_a_message_outlives_a_failure_and_a_resumption_but_not_a_rerun() -> None:
    failed = AttemptFailed(0, 2, 12.0, ErrorText("ValueError", "no"))
    succeeded: list[Event] = [AttemptStarted(1, 1, 12.0), AttemptSucceeded(1, 1, 12.0)]
    engine = engine_of(*waits(0, 2.0), HELLO, AttemptStarted(0, 2, 11.0), failed, *succeeded)
    engine.handle(RunResumed(20.0))
    check(engine)
    assert engine.letters == {0: {"go": HELLO}}
    engine.handle(AttemptStarted(0, 3, 21.0))
    engine.handle(AttemptSucceeded(0, 3, 22.0))
    engine.handle(TasksRerun(30.0, (0,)))
    check(engine)
    assert engine.letters == {}


def test_who_asks_again_waits_for_the_next_one() -> None:
    engine = engine_of(*waits(0, 2.0), HELLO, *waits(0, 10.0, attempt=2))
    assert engine.task_state(0) is TaskState.DEFERRED
    assert not engine.letters[0]
    later = MessageReceived(12.0, "go", None, "bob")
    engine.handle(later)
    assert engine.letters == {0: {"go": later}}


def test_who_is_to_end_takes_none() -> None:
    late = AttemptDeferred(0, 1, 4.0, None, "go")
    engine = engine_of(HELLO, AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"), late)
    assert engine.task_state(0) is TaskState.CANCELLED
    assert engine.mailbox == {"go": [HELLO]}


def test_who_was_cancelled_while_it_waited_is_not_woken() -> None:
    engine = engine_of(*waits(0, 2.0), CancelRequested(3.0, "ann"))
    assert engine.handle(HELLO) == ()
    check(engine)


def test_messages_are_there_under_another_plan() -> None:
    other = MessageReceived(9.0, "other", None, "ann")
    events: list[Event] = [*waits(0, 2.0), HELLO, other, PlanAdopted(10.0, "x"), RunResumed(10.0, by_hand=False)]
    engine = engine_of(*events)
    assert engine.letters == {0: {"go": HELLO}}
    assert engine.mailbox == {"other": [other]}


def test_neither_a_time_nor_a_topic_is_refused() -> None:
    engine = engine_of(AttemptStarted(0, 1, 2.0))
    with pytest.raises(InvalidEvent):
        engine.handle(AttemptDeferred(0, 1, 3.0))

"""The table of transitions, and that an engine follows it: what it does not list is refused or stale, never done."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ErrorText,
    Event,
    RetryDue,
    RunStarted,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import ENDED, NEXT_STATE, TRANSITIONS, Cause, TaskState
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.simulation.simulator import snapshot

ERROR = ErrorText("ValueError", "no")
UPSTREAM, TASK, DOWNSTREAM, BYSTANDER = range(4)
PLAN = make_plan([[], [UPSTREAM], [TASK], []], policies=[TaskPolicy(retries=5)] * 4)

READIED: list[Event] = [
    RunStarted(1.0),
    AttemptStarted(BYSTANDER, 1, 2.0),  # keeps the run from ending
    AttemptStarted(UPSTREAM, 1, 3.0),
    AttemptSucceeded(UPSTREAM, 1, 4.0),
]
STARTED = [*READIED, AttemptStarted(TASK, 1, 5.0)]
WAYS: dict[TaskState, list[Event]] = {
    TaskState.PENDING: READIED[:2],
    TaskState.READY: READIED,
    TaskState.RUNNING: STARTED,
    TaskState.RETRYING: [*STARTED, AttemptFailed(TASK, 1, 6.0, ERROR)],
    TaskState.SUCCESS: [*STARTED, AttemptSucceeded(TASK, 1, 6.0)],
    TaskState.FAILED: [*STARTED, AttemptFailed(TASK, 1, 6.0, ERROR, retryable=False)],
    TaskState.UPSTREAM_FAILED: [*READIED[:3], AttemptFailed(UPSTREAM, 1, 4.0, ERROR, retryable=False)],
    TaskState.CANCELLED: [*READIED, CancelRequested(5.0, "ann")],
}

EVENTS: dict[Cause, Callable[[int], Event]] = {
    Cause.STARTED: lambda number: AttemptStarted(TASK, number + 1, 9.0),
    Cause.SUCCEEDED: lambda number: AttemptSucceeded(TASK, number, 9.0),
    Cause.FAILED: lambda number: AttemptFailed(TASK, number, 9.0, ERROR, retryable=False),
    Cause.FAILED_WITH_RETRY: lambda number: AttemptFailed(TASK, number, 9.0, ERROR),
    Cause.RETRY_DUE: lambda number: RetryDue(TASK, 9.0),
    Cause.LOST: lambda number: AttemptLost(TASK, number, 9.0, ERROR),
}
"""The event that moves a task for each cause that comes as an event of its own, given the task's latest attempt."""


def engine_with(state: TaskState) -> RunEngine:
    """An engine whose TASK is in this state, come there by events."""
    engine = RunEngine(PLAN, run_id="run")
    for event in WAYS[state]:
        engine.handle(event)
    assert engine.task_state(TASK) is state
    check(engine)
    return engine


@pytest.mark.parametrize(("state", "cause"), [pair for pair in product(TaskState, EVENTS) if pair in TRANSITIONS])
def test_a_pair_of_the_table_moves_the_task_as_the_table_says(state: TaskState, cause: Cause) -> None:
    engine = engine_with(state)
    engine.handle(EVENTS[cause](engine.attempts[TASK]))
    assert engine.task_state(TASK) is TRANSITIONS[state, cause]
    check(engine)


@pytest.mark.parametrize(("state", "cause"), [pair for pair in product(TaskState, EVENTS) if pair not in TRANSITIONS])
def test_a_pair_that_is_missing_changes_nothing(state: TaskState, cause: Cause) -> None:
    engine = engine_with(state)
    before = snapshot(engine)
    event = EVENTS[cause](engine.attempts[TASK])
    if cause is Cause.STARTED:
        with pytest.raises(InvalidEvent, match="'t1'"):
            engine.handle(event)
    else:  # an outcome that comes late, or a timer that nobody stopped
        assert list(engine.handle(event)) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("cause", [Cause.SUCCEEDED, Cause.FAILED, Cause.FAILED_WITH_RETRY, Cause.LOST])
def test_the_outcome_of_an_attempt_that_never_began_is_refused(state: TaskState, cause: Cause) -> None:
    engine = engine_with(state)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="'t1'"):
        engine.handle(EVENTS[cause](engine.attempts[TASK] + 1))
    assert snapshot(engine) == before


@pytest.mark.parametrize("cause", [Cause.SUCCEEDED, Cause.FAILED, Cause.FAILED_WITH_RETRY, Cause.LOST])
def test_the_outcome_of_an_earlier_attempt_is_stale(cause: Cause) -> None:
    engine = engine_with(TaskState.RETRYING)
    engine.handle(RetryDue(TASK, 8.0))
    engine.handle(AttemptStarted(TASK, 2, 8.0))
    before = snapshot(engine)
    assert list(engine.handle(EVENTS[cause](1))) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.READY])
def test_a_task_is_started_only_when_it_is_ready(state: TaskState) -> None:
    assert (state, Cause.STARTED) not in TRANSITIONS
    with pytest.raises(InvalidEvent):
        engine_with(state).handle(AttemptStarted(TASK, 1, 9.0))


@pytest.mark.parametrize("number", [0, 2, 7])
def test_attempts_are_counted_without_gaps(number: int) -> None:
    engine = engine_with(TaskState.READY)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(AttemptStarted(TASK, number, 9.0))
    assert snapshot(engine) == before


def test_an_attempt_that_nobody_asked_to_end_cannot_be_cancelled() -> None:
    engine = engine_with(TaskState.RUNNING)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="'t1' is running"):
        engine.handle(AttemptCancelled(TASK, 1, 9.0))
    assert snapshot(engine) == before


def test_the_table_leaves_ended_states_only_by_a_reset() -> None:
    for (state, cause), _ in TRANSITIONS.items():
        assert state not in ENDED or cause is Cause.RESET
    assert TaskState.SUCCESS in ENDED


def test_every_state_can_be_reached_from_pending() -> None:
    reached = {TaskState.PENDING}
    while more := {to for (state, _), to in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == set(TaskState)


def test_the_inner_loops_table_is_the_table() -> None:
    for state, cause in product(TaskState, Cause):
        assert NEXT_STATE[state][cause] == TRANSITIONS.get((state, cause), -1)


def test_states_are_called_as_users_know_them() -> None:
    assert [state.label for state in TaskState] == [
        "pending", "ready", "running", "retrying", "success", "failed", "upstream_failed", "cancelled",
    ]  # fmt: skip

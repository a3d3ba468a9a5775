"""The table of transitions, and that an engine follows it: what it does not list is refused or stale, never done."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ErrorText,
    Event,
    ExpansionFailed,
    MapExpanded,
    RetryDue,
    RunStarted,
    TasksRerun,
    TaskWoken,
)
from penstock.engine.invariants import check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import ENDED, NEXT_STATE, TRANSITIONS, Cause, TaskState
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.simulation.simulator import snapshot

ERROR = ErrorText("ValueError", "no")
UPSTREAM, TASK, DOWNSTREAM, BYSTANDER = range(4)
GRAPH, POLICIES = [[], [UPSTREAM], [TASK], []], [TaskPolicy(retries=5)] * 4
PLAN = make_plan(GRAPH, policies=POLICIES)
MAPPED = make_plan(GRAPH, policies=POLICIES, maps={TASK: "task"}, guards={TASK: (UPSTREAM,)})
FIRST, SECOND = 4, 5
"""The instances of TASK, where it is mapped."""

READIED: list[Event] = [
    RunStarted(1.0),
    AttemptStarted(BYSTANDER, 1, 2.0),  # keeps the run from ending
    AttemptStarted(UPSTREAM, 1, 3.0),
    AttemptSucceeded(UPSTREAM, 1, 4.0),
]
STARTED = [*READIED, AttemptStarted(TASK, 1, 5.0)]
EXPANDED = [*READIED, MapExpanded(TASK, 5.0, 2)]
WAYS: dict[TaskState, list[Event]] = {
    TaskState.PENDING: READIED[:2],
    TaskState.READY: READIED,
    TaskState.RUNNING: STARTED,
    TaskState.RETRYING: [*STARTED, AttemptFailed(TASK, 1, 6.0, ERROR)],
    TaskState.DEFERRED: [*STARTED, AttemptDeferred(TASK, 1, 6.0, 60.0)],
    TaskState.EXPANDED: EXPANDED,
    TaskState.SUCCESS: [*STARTED, AttemptSucceeded(TASK, 1, 6.0)],
    TaskState.FAILED: [*STARTED, AttemptFailed(TASK, 1, 6.0, ERROR, retryable=False)],
    TaskState.SKIPPED: [*STARTED, AttemptSkipped(TASK, 1, 6.0, "nothing to do")],
    TaskState.UPSTREAM_FAILED: [*READIED[:3], AttemptFailed(UPSTREAM, 1, 4.0, ERROR, retryable=False)],
    TaskState.CANCELLED: [*READIED, CancelRequested(5.0, "ann")],
    TaskState.REMOVED: [
        *EXPANDED,
        *(AttemptStarted(slot, 1, 6.0) for slot in (BYSTANDER + 1, SECOND)),
        *(AttemptSucceeded(slot, 1, 6.0) for slot in (FIRST, SECOND, BYSTANDER)),
        TasksRerun(7.0, (TASK, BYSTANDER)),
        AttemptStarted(BYSTANDER, 1, 8.0),
        MapExpanded(TASK, 8.0, 1),
    ],
}

EVENTS: dict[Cause, Callable[[int, int], Event]] = {
    Cause.STARTED: lambda task, number: AttemptStarted(task, number + 1, 9.0),
    Cause.SUCCEEDED: lambda task, number: AttemptSucceeded(task, number, 9.0),
    Cause.FAILED: lambda task, number: AttemptFailed(task, number, 9.0, ERROR, retryable=False),
    Cause.FAILED_WITH_RETRY: lambda task, number: AttemptFailed(task, number, 9.0, ERROR),
    Cause.SKIPPED: lambda task, number: AttemptSkipped(task, number, 9.0, "nothing to do"),
    Cause.RETRY_DUE: lambda task, number: RetryDue(task, 9.0),
    Cause.LOST: lambda task, number: AttemptLost(task, number, 9.0, ERROR),
    Cause.DEFERRED: lambda task, number: AttemptDeferred(task, number, 9.0, 60.0),
    Cause.WOKEN: lambda task, number: TaskWoken(task, 9.0),
}
"""The event that moves a task for each cause that comes as an event of its own, given the task's latest attempt."""

OUTCOMES = [cause for cause in EVENTS if cause not in (Cause.STARTED, Cause.RETRY_DUE, Cause.WOKEN)]
MOVED = [
    (TaskState.READY, Cause.STARTED),
    (TaskState.RETRYING, Cause.RETRY_DUE),
    (TaskState.DEFERRED, Cause.WOKEN),
    *((TaskState.RUNNING, cause) for cause in OUTCOMES),
]
"""What these events do. Where the table has more for their causes, that is the law's doing, or a map's."""


def engine_with(state: TaskState) -> tuple[RunEngine, int]:
    """An engine that has a task in this state, come there by events; and which."""
    is_map = state in (TaskState.EXPANDED, TaskState.REMOVED)
    task = SECOND if state is TaskState.REMOVED else TASK
    engine = RunEngine(MAPPED if is_map else PLAN, run_id="run")
    for event in WAYS[state]:
        engine.handle(event)
    assert engine.task_state(task) is state
    check(engine)
    return engine, task


@pytest.mark.parametrize(("state", "cause"), MOVED)
def test_a_pair_of_the_table_moves_the_task_as_the_table_says(state: TaskState, cause: Cause) -> None:
    engine, task = engine_with(state)
    engine.handle(EVENTS[cause](task, engine.attempts[task]))
    assert engine.task_state(task) is TRANSITIONS[state, cause]
    check(engine)


@pytest.mark.parametrize(("state", "cause"), [pair for pair in product(TaskState, EVENTS) if pair not in MOVED])
def test_a_pair_that_is_missing_changes_nothing(state: TaskState, cause: Cause) -> None:
    engine, task = engine_with(state)
    before = snapshot(engine)
    event = EVENTS[cause](task, engine.attempts[task])
    if cause is Cause.STARTED:
        with pytest.raises(InvalidEvent, match="'t1"):
            engine.handle(event)
    else:  # an outcome that comes late, or a timer that nobody stopped
        assert list(engine.handle(event)) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("cause", OUTCOMES)
def test_the_outcome_of_an_attempt_that_never_began_is_refused(state: TaskState, cause: Cause) -> None:
    engine, task = engine_with(state)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="'t1"):
        engine.handle(EVENTS[cause](task, engine.attempts[task] + 1))
    assert snapshot(engine) == before


@pytest.mark.parametrize("cause", OUTCOMES)
def test_the_outcome_of_an_earlier_attempt_is_stale(cause: Cause) -> None:
    engine, task = engine_with(TaskState.RETRYING)
    engine.handle(RetryDue(task, 8.0))
    engine.handle(AttemptStarted(task, 2, 8.0))
    before = snapshot(engine)
    assert list(engine.handle(EVENTS[cause](task, 1))) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.READY])
def test_a_task_is_started_only_when_it_is_ready(state: TaskState) -> None:
    assert (state, Cause.STARTED) not in TRANSITIONS
    engine, task = engine_with(state)
    with pytest.raises(InvalidEvent):
        engine.handle(AttemptStarted(task, 1, 9.0))


@pytest.mark.parametrize("number", [0, 2, 7])
def test_attempts_are_counted_without_gaps(number: int) -> None:
    engine, task = engine_with(TaskState.READY)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(AttemptStarted(task, number, 9.0))
    assert snapshot(engine) == before


def test_an_attempt_that_nobody_asked_to_end_cannot_be_cancelled() -> None:
    engine, task = engine_with(TaskState.RUNNING)
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="'t1' is running"):
        engine.handle(AttemptCancelled(task, 1, 9.0))
    assert snapshot(engine) == before


# --- Maps


def expanding() -> RunEngine:
    """An engine that wants to know how many instances TASK has."""
    engine = RunEngine(MAPPED, run_id="run")
    for event in READIED:
        engine.handle(event)
    assert engine.task_state(TASK) is TaskState.READY
    return engine


EXPANSIONS: dict[Cause, Event] = {
    Cause.EXPANDED: MapExpanded(TASK, 9.0, 3),
    Cause.SKIPPED: MapExpanded(TASK, 9.0, 0),
    Cause.FAILED: ExpansionFailed(TASK, 9.0, ERROR),
}


@pytest.mark.parametrize("cause", EXPANSIONS)
def test_an_expansion_moves_a_map_as_the_table_says(cause: Cause) -> None:
    engine = expanding()
    engine.handle(EXPANSIONS[cause])
    assert engine.task_state(TASK) is TRANSITIONS[TaskState.READY, cause]
    check(engine)


@pytest.mark.parametrize("again", EXPANSIONS.values())
@pytest.mark.parametrize("cause", EXPANSIONS)
def test_an_expansion_that_comes_twice_changes_nothing(cause: Cause, again: Event) -> None:
    engine = expanding()
    engine.handle(EXPANSIONS[cause])
    before = snapshot(engine)
    assert list(engine.handle(again)) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize(
    "event",
    [
        MapExpanded(BYSTANDER, 9.0, 2),
        ExpansionFailed(BYSTANDER, 9.0, ERROR),
        MapExpanded(TASK, 9.0, -1),
        AttemptStarted(TASK, 1, 9.0),
    ],
    ids=["not mapped", "not mapped, failing", "less than nothing", "an attempt of the whole"],
)
def test_an_expansion_that_cannot_be_is_refused(event: Event) -> None:
    engine = expanding()
    before = snapshot(engine)
    with pytest.raises(InvalidEvent):
        engine.handle(event)
    assert snapshot(engine) == before


# --- The table itself


def test_the_table_leaves_ended_states_only_by_a_reset_or_with_a_map_that_becomes_narrower() -> None:
    for (state, cause), to in TRANSITIONS.items():
        assert state not in ENDED or cause is Cause.RESET or (cause, to) == (Cause.REMOVED, TaskState.REMOVED)
    assert TaskState.SUCCESS in ENDED


def test_a_state_has_ended_exactly_if_nothing_but_the_user_moves_it() -> None:
    by_hand = {Cause.RESET, Cause.REMOVED, Cause.MARKED_SUCCESS, Cause.MARKED_FAILED, Cause.MARKED_SKIPPED}
    assert {
        state for state in TaskState if all(cause in by_hand for from_, cause in TRANSITIONS if from_ is state)
    } == ENDED


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
        "pending", "ready", "running", "retrying", "deferred", "expanded",
        "success", "failed", "skipped", "upstream_failed", "cancelled", "removed",
    ]  # fmt: skip

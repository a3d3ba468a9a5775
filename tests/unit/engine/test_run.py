"""What the engine wants done when something happens: commands, in order, and what it then knows."""

from __future__ import annotations

import pytest

from penstock.engine.commands import (
    CancelAttempts,
    DispatchTasks,
    EndRun,
    SetTimer,
    TasksSettled,
    WithdrawTasks,
)
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
from penstock.policy import MAX_LOST_ATTEMPTS, TaskPolicy
from tests.simulation.plans import Graph, make_plan
from tests.simulation.simulator import labels, snapshot

ERROR = ErrorText("ValueError", "no such table")
CHAIN: Graph = [[], [0], [1]]
DIAMOND: Graph = [[], [0], [0], [1, 2]]


def engine_of(graph: Graph, *events: Event, retries: int = 0, timeout: float | None = None) -> RunEngine:
    plan = make_plan(graph, policies=[TaskPolicy(retries=retries)] * len(graph), timeout=timeout)
    engine = RunEngine(plan, run_id="run")
    feed(engine, *events)
    return engine


def feed(engine: RunEngine, *events: Event) -> Commands:
    """Hand in events, checking after each; the commands of the last."""
    commands: Commands = ()
    for event in events:
        commands = engine.handle(event)
        check(engine)
    return list(commands)


def done(task: int, at: float = 3.0, attempt: int = 1, value: ValueRef | None = None) -> tuple[Event, Event]:
    """One attempt of a task that succeeds."""
    return AttemptStarted(task, attempt, at - 1.0), AttemptSucceeded(task, attempt, at, value)


def failed(task: int, at: float = 3.0, attempt: int = 1, *, retryable: bool = True) -> tuple[Event, Event]:
    """One attempt of a task that fails."""
    return AttemptStarted(task, attempt, at - 1.0), AttemptFailed(task, attempt, at, ERROR, retryable)


# --- Going forward


def test_a_new_run_dispatches_what_waits_for_nothing() -> None:
    engine = engine_of([[], [0], []])
    assert engine.state == "queued"
    assert feed(engine, RunStarted(1.0)) == [DispatchTasks([0, 2])]
    assert engine.state is RunState.RUNNING
    assert engine.started_at == 1.0


def test_a_task_is_dispatched_when_its_last_upstream_has_succeeded() -> None:
    engine = engine_of(DIAMOND, RunStarted(1.0))
    assert feed(engine, *done(0)) == [DispatchTasks([1, 2])]
    assert feed(engine, *done(2)) == []
    assert engine.task_state(3) is TaskState.PENDING
    assert feed(engine, *done(1)) == [DispatchTasks([3])]


def test_the_last_task_ends_the_run() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), *done(0), *done(1))
    assert feed(engine, *done(2, at=9.0)) == [EndRun(RunState.SUCCESS, None)]
    assert engine.state is RunState.SUCCESS
    assert engine.ended_at == 9.0
    assert engine.counts() == {"success": 3}
    assert engine.done() == [0, 1, 2]


def test_a_run_of_nothing_succeeds_at_once() -> None:
    engine = engine_of([])
    assert feed(engine, RunStarted(1.0)) == [EndRun(RunState.SUCCESS, None)]


def test_a_value_is_known_by_its_reference() -> None:
    ref = ValueRef("json", 1, None, "1")
    engine = engine_of(CHAIN, RunStarted(1.0), *done(0, value=ref), *done(1))
    assert engine.values == {0: ref}


def test_a_run_starts_once() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0))
    before = snapshot(engine)
    with pytest.raises(InvalidEvent, match="RunStarted"):
        engine.handle(RunStarted(2.0))
    assert snapshot(engine) == before


@pytest.mark.parametrize(
    "event",
    [
        AttemptStarted(9, 1, 2.0),
        AttemptSucceeded(9, 1, 2.0),
        AttemptFailed(9, 1, 2.0, ERROR),
        AttemptLost(9, 1, 2.0, ERROR),
        AttemptCancelled(9, 1, 2.0),
        RetryDue(9, 2.0),
    ],
)
def test_an_event_about_a_task_that_is_not_there_changes_nothing(event: Event) -> None:
    engine = engine_of(CHAIN, RunStarted(1.0))
    before = snapshot(engine)
    with pytest.raises((InvalidEvent, IndexError)):
        engine.handle(event)
    assert snapshot(engine) == before


def test_a_rerun_of_a_task_that_is_not_there_changes_nothing() -> None:
    engine = engine_of([[]], RunStarted(1.0), *done(0))
    before = snapshot(engine)
    with pytest.raises((InvalidEvent, IndexError)):
        engine.handle(TasksRerun(2.0, (0, 9)))
    assert snapshot(engine) == before


# --- Failing


def test_a_failed_task_holds_up_all_that_follow_and_nothing_else() -> None:
    engine = engine_of([[], [0], [1], [0, 4], []], RunStarted(1.0))
    assert feed(engine, *failed(0)) == [TasksSettled([1, 2, 3], TaskState.UPSTREAM_FAILED)]
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed", "upstream_failed", "ready"]
    assert feed(engine, *done(4)) == [EndRun(RunState.FAILED, "task 't0' failed")]
    assert engine.ended[3] == 3.0


def test_a_task_that_runs_is_left_running_when_another_fails() -> None:
    engine = engine_of([[], [], [0, 1]], RunStarted(1.0), AttemptStarted(1, 1, 2.0), *failed(0))
    assert labels(engine) == ["failed", "running", "upstream_failed"]
    assert feed(engine, AttemptSucceeded(1, 1, 4.0)) == [EndRun(RunState.FAILED, "task 't0' failed")]
    assert labels(engine) == ["failed", "success", "upstream_failed"]


def test_the_run_says_which_tasks_failed() -> None:
    engine = engine_of([[], [], [], []], RunStarted(1.0), *(event for task in range(4) for event in failed(task)))
    assert engine.error is not None
    assert engine.error.startswith("4 tasks failed: 't0', 't1', 't2'")


def test_an_error_is_kept_until_the_task_succeeds() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), *failed(0), retries=1)
    assert engine.errors == {0: ERROR}
    feed(engine, RetryDue(0, 4.0), *done(0, attempt=2))
    assert engine.errors == {}


# --- Trying again


def test_a_failed_attempt_with_retries_left_is_followed_by_another() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), retries=1)
    assert feed(engine, *failed(0, at=3.0)) == [SetTimer(0, 3.0)]
    assert labels(engine) == ["retrying", "pending", "pending"]
    assert feed(engine, RetryDue(0, 3.0)) == [DispatchTasks([0])]
    assert feed(engine, *failed(0, attempt=2)) == [TasksSettled([1, 2], TaskState.UPSTREAM_FAILED), EndRun(
        RunState.FAILED, "task 't0' failed"
    )]  # fmt: skip
    assert engine.attempts[0] == 2


def test_a_failure_that_is_not_to_be_tried_again_is_final() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), *failed(0, retryable=False), retries=5)
    assert labels(engine)[0] == "failed"


def test_the_pause_grows_and_is_capped() -> None:
    policy = TaskPolicy(retries=5, retry_delay=10.0, retry_backoff=2.0, max_retry_delay=50.0)
    engine = RunEngine(make_plan([[]], policies=[policy]), run_id="run")
    engine.handle(RunStarted(0.0))
    dues = []
    for attempt in range(1, 6):
        [timer] = feed(engine, AttemptStarted(0, attempt, 100.0), AttemptFailed(0, attempt, 100.0, ERROR))
        assert isinstance(timer, SetTimer)
        dues.append(timer.due - 100.0)
        feed(engine, RetryDue(0, timer.due))
    assert dues == [10.0, 20.0, 40.0, 50.0, 50.0]


def test_a_timer_that_rings_for_a_task_that_does_not_wait_changes_nothing() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), retries=1)
    before = snapshot(engine)
    assert feed(engine, RetryDue(0, 2.0)) == []
    assert snapshot(engine) == before


# --- Losing attempts


def test_a_lost_attempt_is_followed_by_another_and_is_no_failure() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0))
    assert feed(engine, AttemptLost(0, 1, 3.0, ERROR)) == [DispatchTasks([0])]
    assert engine.failures == {}
    assert engine.lost == {0: 1}


def test_after_three_lost_attempts_the_task_fails_with_that_story() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), retries=9)
    for attempt in range(1, MAX_LOST_ATTEMPTS + 1):
        feed(engine, AttemptStarted(0, attempt, 2.0), AttemptLost(0, attempt, 3.0, ErrorText("WorkerLost", "signal 9")))
    assert MAX_LOST_ATTEMPTS == 3
    assert labels(engine) == ["failed", "upstream_failed", "upstream_failed"]
    assert "died 3 times" in engine.errors[0].message
    assert "signal 9" in engine.errors[0].message


def test_failures_do_not_count_as_lost() -> None:
    engine = engine_of([[]], RunStarted(1.0), retries=2)
    feed(engine, AttemptStarted(0, 1, 2.0), AttemptLost(0, 1, 3.0, ERROR))
    feed(engine, *failed(0, attempt=2), RetryDue(0, 4.0), *failed(0, attempt=3), RetryDue(0, 5.0))
    feed(engine, AttemptStarted(0, 4, 6.0), AttemptLost(0, 4, 7.0, ERROR))
    assert labels(engine) == ["ready"]
    assert (engine.failures, engine.lost) == ({0: 2}, {0: 2})


# --- Ending early


def test_a_cancelled_run_asks_what_runs_to_end_and_drops_the_rest() -> None:
    engine = engine_of([[], [], [0], []], RunStarted(1.0), AttemptStarted(0, 1, 2.0), *failed(3), retries=1)
    assert labels(engine) == ["running", "ready", "pending", "retrying"]
    commands = feed(engine, CancelRequested(4.0, "ann"))
    assert commands == [
        WithdrawTasks([1]),
        TasksSettled([1, 2, 3], TaskState.CANCELLED),
        CancelAttempts([0]),
    ]
    assert labels(engine) == ["running", "cancelled", "cancelled", "cancelled"]
    assert feed(engine, AttemptCancelled(0, 1, 5.0)) == [EndRun(RunState.CANCELLED, "cancelled by ann")]


def test_a_body_that_succeeds_though_it_was_asked_to_end_has_succeeded() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"))
    assert feed(engine, AttemptSucceeded(0, 1, 4.0)) == [EndRun(RunState.CANCELLED, "cancelled by ann")]
    assert labels(engine) == ["success", "cancelled", "cancelled"]


def test_a_run_in_which_nothing_was_left_to_cancel_has_succeeded() -> None:
    engine = engine_of([[]], RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"))
    assert feed(engine, AttemptSucceeded(0, 1, 4.0)) == [EndRun(RunState.SUCCESS, None)]


def test_a_run_that_times_out_has_failed() -> None:
    engine = engine_of([[], [0]], RunStarted(1.0), AttemptStarted(0, 1, 2.0), timeout=60.0)
    commands = feed(engine, RunTimedOut(61.0))
    assert CancelAttempts([0]) in commands
    assert feed(engine, AttemptCancelled(0, 1, 62.0)) == [EndRun(RunState.FAILED, "timed out after 60 s")]
    assert labels(engine) == ["cancelled", "cancelled"]


def test_a_second_request_to_end_changes_nothing() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"), timeout=60.0)
    before = snapshot(engine)
    assert feed(engine, RunTimedOut(4.0)) == []
    assert feed(engine, CancelRequested(5.0, "bob")) == []
    assert snapshot(engine) == before


@pytest.mark.parametrize("event", [CancelRequested(9.0, "ann"), RunTimedOut(9.0), DriverStopped(9.0, "SIGINT")])
def test_a_run_that_has_ended_cannot_be_ended(event: Event) -> None:
    engine = engine_of([[]], RunStarted(1.0), *done(0), timeout=60.0)
    before = snapshot(engine)
    assert feed(engine, event) == []
    assert snapshot(engine) == before


def test_a_lost_attempt_of_a_run_that_ends_is_cancelled() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"))
    feed(engine, AttemptLost(0, 1, 4.0, ERROR))
    assert labels(engine) == ["cancelled"] * 3


def test_a_failure_that_would_have_been_tried_again_is_cancelled_in_a_run_that_ends() -> None:
    """The law: undisturbed, the task might yet have succeeded; so it is not failed."""
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"), retries=1)
    feed(engine, AttemptFailed(0, 1, 4.0, ERROR))
    assert labels(engine) == ["cancelled"] * 3


def test_a_final_failure_in_a_run_that_ends_is_a_failure() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), AttemptStarted(0, 1, 2.0), CancelRequested(3.0, "ann"), retries=0)
    feed(engine, AttemptFailed(0, 1, 4.0, ERROR))
    assert labels(engine) == ["failed", "cancelled", "cancelled"]
    assert engine.state is RunState.CANCELLED


# --- What one may ask


def test_the_story_of_a_task_says_what_is_known_of_it() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), retries=3)
    assert engine.story(0) == "task 't0' is ready, attempt 0"
    feed(engine, *failed(0))
    error = "last error ValueError: no such table"
    assert engine.story(0) == f"task 't0' is retrying, attempt 1, 1 failed, {error}"
    feed(engine, RetryDue(0, 4.0), AttemptStarted(0, 2, 5.0), AttemptLost(0, 2, 6.0, ERROR))
    assert engine.story(0) == f"task 't0' is ready, attempt 2, 1 failed, 1 lost, {error}"
    feed(engine, TasksRerun(7.0, (0,)))
    assert engine.story(0) == f"task 't0' is ready, attempt 0, generation 1, {error}"


def test_a_refusal_carries_the_tasks_story() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0), *failed(0), retries=3)
    with pytest.raises(InvalidEvent, match=r"AttemptStarted.*'t0' is retrying") as refused:
        engine.handle(AttemptStarted(0, 2, 5.0))
    assert refused.value.story == engine.story(0)
    assert str(refused.value) == f"AttemptStarted cannot happen to a run that is running; {engine.story(0)}"


def test_a_refusal_that_is_about_no_task_carries_no_story() -> None:
    engine = engine_of(CHAIN, RunStarted(1.0))
    with pytest.raises(InvalidEvent) as refused:
        engine.handle(RunStarted(2.0))
    assert (str(refused.value), refused.value.story) == ("RunStarted cannot happen to a run that is running", "")


def test_counts_leave_out_states_without_tasks() -> None:
    engine = engine_of(DIAMOND, RunStarted(1.0), *done(0), AttemptStarted(1, 1, 4.0))
    assert engine.counts() == {"pending": 1, "ready": 1, "running": 1, "success": 1}


def test_a_run_that_was_killed_before_it_began_is_begun_by_its_resumption() -> None:
    engine = engine_of(CHAIN)
    assert feed(engine, RunResumed(5.0)) == [DispatchTasks([0])]
    assert engine.started_at == 5.0

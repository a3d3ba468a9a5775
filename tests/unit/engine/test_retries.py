"""How long a task waits before it is tried again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.commands import SetTimer
from penstock.engine.events import AttemptFailed, AttemptStarted, ErrorText, RetryDue, RunStarted, TasksRerun
from penstock.engine.retries import pause
from penstock.engine.run import RunEngine
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan

DELAYS = st.floats(0, 1e6)
BACKOFFS = st.floats(0, 10)
JITTERS = st.floats(0, 5)
FAILURES = st.integers(1, 2_000)


@pytest.mark.parametrize(("failures", "expected"), [(1, 30.0), (2, 30.0), (9, 30.0)])
def test_without_backoff_all_pauses_are_alike(failures: int, expected: float) -> None:
    assert pause(TaskPolicy(retry_delay=30.0), failures, "seed") == expected


def test_backoff_multiplies_each_further_pause() -> None:
    policy = TaskPolicy(retry_delay=2.0, retry_backoff=3.0)
    assert [pause(policy, failures, "seed") for failures in (1, 2, 3, 4)] == [2.0, 6.0, 18.0, 54.0]


@given(DELAYS, BACKOFFS, JITTERS, FAILURES, st.floats(0, 1e5), st.text())
def test_no_pause_is_longer_than_the_cap(
    delay: float, backoff: float, jitter: float, failures: int, cap: float, seed: str
) -> None:
    policy = TaskPolicy(retry_delay=delay, retry_backoff=backoff, retry_jitter=jitter, max_retry_delay=cap)
    assert 0.0 <= pause(policy, failures, seed) <= cap


@given(st.floats(0, 1e4), JITTERS, st.text())
def test_jitter_stretches_a_pause_by_at_most_its_share(delay: float, jitter: float, seed: str) -> None:
    seconds = pause(TaskPolicy(retry_delay=delay, retry_jitter=jitter), 1, seed)
    assert delay <= seconds <= delay * (1 + jitter)


def test_jitter_spreads_over_its_whole_range() -> None:
    policy = TaskPolicy(retry_delay=100.0, retry_jitter=0.5)
    pauses = [pause(policy, 1, f"run/task/0/{attempt}") for attempt in range(1_000)]
    assert len(set(pauses)) == 1_000
    for bound in (100.0, 110.0, 120.0, 130.0, 140.0):
        assert 100 < sum(bound <= seconds < bound + 10.0 for seconds in pauses) < 300


@given(BACKOFFS, JITTERS, FAILURES)
def test_without_a_delay_there_is_no_pause(backoff: float, jitter: float, failures: int) -> None:
    assert pause(TaskPolicy(retry_backoff=backoff, retry_jitter=jitter), failures, "seed") == 0.0


def test_however_many_failures_there_is_no_pause_without_a_delay() -> None:
    assert pause(TaskPolicy(retries=5_000, retry_backoff=2.0), 2_000, "seed") == 0.0


@given(DELAYS, BACKOFFS, JITTERS, FAILURES, st.text())
def test_a_pause_is_always_a_time_that_can_be_waited_for(
    delay: float, backoff: float, jitter: float, failures: int, seed: str
) -> None:
    policy = TaskPolicy(retry_delay=delay, retry_backoff=backoff, retry_jitter=jitter)
    assert 0.0 <= pause(policy, failures, seed) < float("inf")


def due_after_failure(run_id: str, *, attempts: int = 1, generation: int = 0) -> float:
    """When the engine of a run wants a task tried again, in seconds from its last failure."""
    policy = TaskPolicy(retries=9, retry_delay=100.0, retry_jitter=1.0)
    engine = RunEngine(make_plan([[]], policies=[policy]), run_id=run_id)
    engine.handle(RunStarted(0.0))
    due = 0.0
    for number in range(generation + 1):
        if number:
            engine.handle(TasksRerun(0.0, (0,)))
        for attempt in range(1, attempts + 1):
            engine.handle(AttemptStarted(0, attempt, 0.0))
            [timer] = engine.handle(AttemptFailed(0, attempt, 1_000.0, ErrorText("E", "")))
            assert isinstance(timer, SetTimer)
            due = timer.due - 1_000.0
            engine.handle(RetryDue(0, timer.due))
    return due


def test_a_replayed_run_waits_as_the_first_one_did() -> None:
    assert due_after_failure("run", attempts=3) == due_after_failure("run", attempts=3)


def test_runs_attempts_and_generations_draw_their_jitter_apart() -> None:
    dues = {
        due_after_failure("run"),
        due_after_failure("other"),
        due_after_failure("run", attempts=2),
        due_after_failure("run", generation=1),
    }
    assert len(dues) == 4


def test_jitter_is_the_same_in_every_process() -> None:
    code = (
        "from penstock.engine.retries import pause; from penstock.policy import TaskPolicy;"
        "print(pause(TaskPolicy(retry_delay=100.0, retry_jitter=1.0), 1, 'run/task/0/1'))"
    )
    here = pause(TaskPolicy(retry_delay=100.0, retry_jitter=1.0), 1, "run/task/0/1")
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        assert float(done.stdout) == here

"""What attempts use is kept with them: processor time, and in processes their memory."""

from __future__ import annotations

import sys
from pathlib import Path
from time import thread_time

import pytest

from penstock import Fail, Skip, Workflow, WorkflowManager, chain, task
from penstock.runtime.attempts import AttemptRun

SECONDS = 0.03
LARGE = 120_000_000


def burn() -> None:
    until = thread_time() + SECONDS
    while thread_time() < until:
        pass


@task
def works() -> None:
    burn()


@task
def fails() -> None:
    burn()
    raise Fail("told to")


@task
def skips() -> None:
    burn()
    raise Skip("told to")


@task
def nothing(number: int) -> None: ...


@task
def fills() -> int:
    burn()
    return len(b"x" * LARGE)


def attempts(flow: Workflow, executor: str) -> dict[str, AttemptRun]:
    with WorkflowManager("memory", executor, workers=1, observers=[]) as manager:
        run = manager.run(flow, raise_on_failure=False)
        return {attempt.task: attempt for attempt in run.attempts}


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_the_processor_time_of_a_body_is_kept_however_it_ends(executor: str):
    with Workflow("flow") as flow:
        works(), fails(), skips()
    found = attempts(flow, executor)
    assert [found[name].state for name in ("works", "fails", "skips")] == ["success", "failed", "skipped"]
    for attempt in found.values():
        assert attempt.cpu is not None
        assert attempt.cpu >= SECONDS
        assert attempt.duration is not None


def test_in_threads_there_is_no_memory_of_ones_own_and_what_was_short_is_not_measured():
    with Workflow("flow") as flow:
        nothing.expand(number=range(50))
        works()
    found = attempts(flow, "threads")
    assert all(attempt.memory is None for attempt in found.values())
    assert any(attempt.cpu is None for attempt in found.values())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can forget the peak")
def test_the_memory_is_that_of_the_attempt_and_not_of_those_before_it():
    with Workflow("flow") as flow:
        chain(works.named("before")(), fills(), works())
    found = attempts(flow, "processes")
    before, filled, after = (found[name].memory or 0 for name in ("before", "fills", "works"))
    assert min(before, after) > 0
    assert filled - before > 0.9 * LARGE
    assert filled - after > 0.9 * LARGE


def test_a_process_that_cannot_forget_its_peak_goes_on(monkeypatch: pytest.MonkeyPatch):
    from penstock.executor import usage

    monkeypatch.setattr(usage, "_opened", lambda path, flags: None)
    peak = usage._Peak()
    peak.forget()
    assert sys.platform == "darwin" or peak.read() is None

"""Asking why: of runs that have ended, go on in another process, or were left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from penstock import Task, Workflow, WorkflowManager
from penstock.runtime.why import Why
from tests.integration.commands import penstock, read, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    import os
    import time
    from pathlib import Path
    from penstock import Fail, TaskGroup, chain, current, task, workflow

    @task
    def gate() -> None:
        Path("begun").touch()
        while not Path("open").exists():
            if current().cancelled:
                raise InterruptedError
            time.sleep(0.01)

    @task(retries=1, retry_delay=3600)
    def flaky() -> None:
        raise ConnectionError("no answer")

    @task
    def after() -> None: ...

    @task
    def last() -> None: ...

    @task(max_active_instances=1)
    def per(number: int) -> None: ...

    @workflow
    def flow():
        chain([gate(), flaky()], after(), last())

    @task
    def bad() -> None:
        if Path("mended").exists():
            return
        raise Fail("no such table")

    @task(at_most_once=True)
    def once() -> None:
        raise ValueError("sent half of it")

    @workflow
    def broken():
        chain(bad(), after(), last())
        once()
    """


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("flow.py", FLOW)


def why(*words: str) -> Why:
    with WorkflowManager() as manager:
        return manager.get().why(*words)


def test_a_run_that_goes_on_elsewhere_says_what_it_waits_for_and_a_dead_one_that_nobody_drives_it():
    process = start("run", "flow.py:flow", "--workers", "1")
    wait_until(lambda: Path("begun").exists(), "the gate is reached")
    told = read("why", "last")
    assert "Task last waits for 'after' (pending)" in told
    assert "after waits for 'gate' (running)" in told
    whole = read_json("why")
    assert whole["task"] is None
    assert {step["task"]: step["holds_up"] for step in whole["steps"]} == {"gate": 2, "flaky": 2}
    process.kill()
    process.wait()
    told = read("why", "gate")
    assert "was running when its driver died" in told
    assert "nobody drives the run: penstock resume" in told
    assert "is interrupted: nobody drives it" in read("why")
    process.communicate()


def test_a_retry_says_until_when():
    process = start("run", "flow.py:flow", "--workers", "2")
    wait_until(lambda: Path("begun").exists() and "for its next attempt" in read("why"), "retry")
    answer = read_json("why", "flaky")
    assert answer["state"] == "retrying"
    assert answer["steps"][0]["kind"] == "retry"
    assert answer["steps"][0]["at"] > answer["attempts"][0]["ended_at"]
    os.kill(process.pid, signal.SIGTERM)
    process.communicate()


def test_the_chain_goes_down_to_the_error_and_after_a_resume_says_what_was_kept_and_what_ran_again():
    penstock("run", "flow.py:broken", code=1)
    answer = why("last")
    assert [step.task for step in answer.steps] == ["last", "after", "bad"]
    assert [step.task for step in answer.first_causes] == ["bad"]
    assert "bad failed: Fail: no such table" in str(answer)
    run = why()
    assert {step.task: step.holds_up for step in run.steps} == {"bad": 2, "once": 0}
    assert "2 failed, 2 upstream_failed" in run.text
    Path("mended").touch()
    penstock("resume", code=1)
    (note,) = why("bad").notes
    assert "Attempt 2 began at" in note
    assert "since the run was resumed (Fail: no such table)" in note
    assert [attempt.state for attempt in why("bad").attempts] == ["failed", "success"]
    (note,) = why("once").notes
    assert note.endswith("it is at_most_once, and had begun")
    penstock("resume", code=1)
    assert why("last").notes[-1].endswith("it had succeeded, and what is done is kept")


def test_who_marked_cancelled_or_ran_a_task_again_is_said():
    penstock("run", "flow.py:broken", code=1)
    with WorkflowManager() as manager:
        manager.mark(None, ["bad"], "success", by="ann", note="by hand")
    assert "was marked by ann: by hand at" in why("bad").text
    penstock("resume", code=1)
    penstock("rerun", "--only", "bad", code=1)
    assert "Attempt 1 of generation 2 began at" in why("bad").notes[0]
    assert "since it was to run again" in why("bad").notes[0]


def test_words_that_name_nothing_and_too_many_are_refused():
    penstock("run", "flow.py:broken", code=1)
    assert "has no task 'lats'" in penstock("why", "lats", code=3).stderr
    run = read_json("why")["run"]
    assert "did you mean 'last'?" in penstock("why", run, "lats", code=3).stderr
    assert "give a run and a task" in penstock("why", run, "last", "after", code=2).stderr
    assert read_json("why", run[:6], "last")["task"] == "last"


def test_a_run_in_memory_is_asked_as_well():
    def fails() -> None:
        raise ValueError("no")

    flow = Workflow("flow")
    flow.add_task(Task("a", fails))
    flow.add_task(Task("b", print, ["a"]))
    with WorkflowManager("memory", "inline") as manager:
        run = manager.run(flow, raise_on_failure=False)
        assert str(run.why("b")) == "Task b did not run, since 'a' failed\n  a failed: ValueError: no"

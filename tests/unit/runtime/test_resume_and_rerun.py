"""Runs that go on: resumed, with their workflow as it was or mended, and run again by hand."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from penstock import PenstockError, Run, RunFailed, Task, Workflow, WorkflowManager, current
from penstock.errors import PlanMismatch, RunLocked
from tests.unit.runtime.test_runs import doubled, manager_of
from tests.unit.runtime.waiting import Background, come, eventually, states


class Broken:
    """Bodies that fail until they are mended, and what ran."""

    def __init__(self) -> None:
        self.broken = True
        self.ran: list[str] = []

    def body(self, name: str, *, fragile: bool = False) -> Any:
        def run(*values: object) -> str:
            self.ran.append(name)
            if fragile and self.broken:
                raise ValueError("broken")
            return name

        return run


def broken_flow() -> tuple[Broken, Workflow]:
    it = Broken()
    flow = Workflow("flow")
    extract = flow.add_task(Task("extract", it.body("extract")))
    transform = flow.add_task(Task("transform", it.body("transform", fragile=True), args=[extract]))
    flow.add_task(Task("load", it.body("load"), args=[transform]))
    flow.add_task(Task("other", it.body("other")))
    return it, flow


def failed_run() -> tuple[Broken, Workflow, WorkflowManager, Run]:
    it, flow = broken_flow()
    manager = WorkflowManager("memory", observers=[])
    run = manager.run(flow, raise_on_failure=False)
    assert run.state == "failed"
    it.broken = False
    it.ran.clear()
    return it, flow, manager, run


def test_a_resumed_run_does_not_do_again_what_is_done() -> None:
    it, flow, manager, run = failed_run()
    resumed = manager.resume(run.id, flow)
    assert resumed.id == run.id
    assert resumed.state == "success"
    assert it.ran == ["transform", "load"]
    assert len(manager.runs()) == 1


def test_the_newest_run_is_resumed_unless_another_is_named() -> None:
    _, flow, manager, _ = failed_run()
    assert manager.resume(None, flow).state == "success"


def test_run_with_resume_goes_on_with_the_newest_unfinished_run() -> None:
    _, flow, manager, run = failed_run()
    assert manager.run(flow, resume=True).id == run.id
    assert manager.run(flow, resume=True).id != run.id, "it has succeeded: this is a new one"


def test_a_run_that_has_succeeded_stays_as_it_is_when_it_is_resumed() -> None:
    manager = WorkflowManager("memory", observers=[])
    run = manager.run(doubled)
    again = manager.resume(run.id, doubled)
    assert again.state == "success"
    assert again.ended_at == run.ended_at
    assert manager.get(run.id).ended_at == run.ended_at


def test_a_run_that_fails_again_fails_again() -> None:
    it, flow, manager, run = failed_run()
    it.broken = True
    with pytest.raises(RunFailed):
        manager.resume(run.id, flow)
    it.broken = False
    assert manager.resume(run.id, flow).state == "success"


def test_a_manager_resumes_its_own_workflow_without_being_given_it() -> None:
    it = Broken()
    manager = manager_of(Task("fragile", it.body("fragile", fragile=True)))
    manager.run(raise_on_failure=False)
    it.broken = False
    assert manager.resume().state == "success"


def test_a_run_that_came_from_no_file_says_what_it_needs() -> None:
    _, _, manager, run = failed_run()
    if manager.get(run.id).source is None:
        with pytest.raises(PenstockError, match="came from no file"):
            manager.resume(run.id)


def test_a_run_that_is_being_driven_cannot_be_resumed() -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        come(go_on)

    manager = manager_of(Task("slow", slow))
    background = Background(manager.run)
    come(began)
    with pytest.raises(RunLocked):
        manager.resume()
    with pytest.raises(PenstockError):
        manager.rerun(only=["slow"])
    with pytest.raises(RunLocked):
        manager.delete(manager.get().id)
    go_on.set()
    assert background.result().state == "success"


def changed(it: Broken, *, extract: str = "extract", more: bool = False) -> Workflow:
    flow = Workflow("flow")
    first = flow.add_task(Task(extract, it.body("extract")))
    transform = flow.add_task(Task("transform", lambda rows: it.ran.append(f"mended {rows}"), args=[first]))
    flow.add_task(Task("other", it.body("other")))
    if more:
        flow.add_task(Task("report", it.body("report"), [transform]))
    return flow


def test_a_mended_workflow_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    it, _, manager, run = failed_run()
    resumed = manager.resume(run.id, changed(it, more=True))
    assert it.ran == ["mended extract", "report"]
    assert states(resumed) == dict.fromkeys(["extract", "transform", "other", "report"], "success")
    assert states(manager.get(run.id)) == states(resumed)
    assert "changed" not in capsys.readouterr().err


def test_a_workflow_that_does_not_fit_is_refused_and_the_run_stays_as_it_was() -> None:
    it, flow, manager, run = failed_run()
    with pytest.raises(PlanMismatch, match="'extract' is done and is no longer there") as caught:
        manager.resume(run.id, changed(it, extract="fetch"))
    assert run.id in str(caught.value)
    assert it.ran == []
    assert states(manager.get(run.id)) == states(run)
    assert manager.resume(run.id, flow).state == "success", "and it can still go on as it was"


def test_done_tasks_whose_code_changed_are_kept_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    def flow_of(factor: int, failing: bool) -> Workflow:
        namespace: dict[str, Any] = {"__name__": "flows"}
        exec(f"def extract():\n    return {factor}", namespace)
        flow = Workflow("flow")
        first = flow.add_task(Task("extract", namespace["extract"]))
        flow.add_task(Task("load", (lambda x: 1 / 0) if failing else (lambda x: x), args=[first]))
        return flow

    manager = WorkflowManager("memory", observers=[])
    run = manager.run(flow_of(1, True), raise_on_failure=False)
    resumed = manager.resume(run.id, flow_of(2, False))
    assert resumed.task("load").result == 1
    err = capsys.readouterr().err
    assert "extract" in err
    assert "kept" in err


def test_a_task_with_more_retries_than_it_had_is_tried_that_often() -> None:
    def flow_of(retries: int) -> Workflow:
        flow = Workflow("flow")
        flow.add_task(Task("fails", divide, args=[1, 0], retries=retries))
        return flow

    manager = WorkflowManager("memory", observers=[])
    run = manager.run(flow_of(0), raise_on_failure=False)
    resumed = manager.resume(run.id, flow_of(2), raise_on_failure=False)
    assert resumed.task("fails").attempts == 1 + 3


def divide(x: int, y: int) -> float:
    return x / y


# --- Again, by hand


def test_a_rerun_of_one_task_runs_that_task() -> None:
    it, flow, manager, run = failed_run()
    manager.resume(run.id, flow)
    it.ran.clear()
    rerun = manager.rerun(run.id, flow, only=["transform"])
    assert it.ran == ["transform"]
    assert rerun.state == "success"
    assert rerun.task("transform").generation == 1
    assert rerun.task("transform").attempts == 1


def test_a_rerun_from_a_task_runs_all_that_follow() -> None:
    it, flow, manager, run = failed_run()
    manager.resume(run.id, flow)
    it.ran.clear()
    manager.rerun(run.id, flow, from_=["transform"])
    assert it.ran == ["transform", "load"]


def test_a_rerun_of_what_failed_runs_that_and_what_it_held_up() -> None:
    it, flow, manager, run = failed_run()
    assert manager.rerun(run.id, flow, failed=True).state == "success"
    assert it.ran == ["transform", "load"]


def test_a_rerun_of_only_a_failed_task_does_not_make_the_run_a_success() -> None:
    """`load` was held up and has still not run."""
    _, flow, manager, run = failed_run()
    try:
        rerun = manager.rerun(run.id, flow, only=["transform"], raise_on_failure=False)
    except PenstockError:
        return
    assert rerun.task("load").state == "success" or rerun.state != "success"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "say what to run again"),
        ({"only": ["transfrom"]}, r"no task 'transfrom'; did you mean 'transform'\?"),
        ({"failed": True}, "no failed task"),
    ],
    ids=str,
)
def test_a_rerun_of_nothing_is_refused(choice: dict[str, Any], message: str) -> None:
    _, flow, manager, run = failed_run()
    manager.resume(run.id, flow)
    with pytest.raises(PenstockError, match=message):
        manager.rerun(run.id, flow, **choice)
    assert manager.get(run.id).state == "success"
    assert manager.resume(run.id, flow).state == "success", "the run is not left locked"


def test_a_task_is_not_rerun_without_its_inputs() -> None:
    _, flow, manager, run = failed_run()
    with pytest.raises(PenstockError, match=r"'load' cannot run again alone.*'transform'"):
        manager.rerun(run.id, flow, only=["load"])


def test_a_rerun_replaces_the_result_and_leaves_what_followed_from_the_old_one() -> None:
    numbers = iter(range(1, 9))
    flow = Workflow("flow")
    first = flow.add_task(Task("count", lambda: next(numbers)))
    flow.add_task(Task("keep", lambda value: value, args=[first]))
    manager = WorkflowManager("memory", observers=[])
    run = manager.run(flow)
    rerun = manager.rerun(run.id, flow, only=["count"])
    assert (rerun.task("count").result, rerun.task("keep").result) == (2, 1)
    assert manager.rerun(run.id, flow, from_=["count"]).task("keep").result == 3


def test_a_rerun_takes_a_mended_workflow() -> None:
    it, _, manager, run = failed_run()
    rerun = manager.rerun(run.id, changed(it, more=True), from_=["transform"])
    assert it.ran == ["mended extract", "report"]
    assert rerun.state == "success"


def test_an_interrupted_run_can_be_cancelled_and_still_be_resumed() -> None:
    once: list[int] = []

    def interrupt() -> None:
        if not once:
            once.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            eventually(lambda: current().cancelled)

    manager = manager_of(Task("a", interrupt), Task("b", int, ["a"]))
    with pytest.raises(KeyboardInterrupt):
        manager.run()
    assert manager.get().state == "interrupted"
    cancelled = manager.cancel(by="ann")
    assert (cancelled.state, cancelled.error) == ("cancelled", "cancelled by ann")
    assert states(cancelled) == {"a": "cancelled", "b": "cancelled"}
    assert manager.resume().state == "success"

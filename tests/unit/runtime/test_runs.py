"""Runs on record, managers used again and side by side, and runs that go on."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock import PenstockError, Run, RunFailed, Task, Workflow, WorkflowManager, current, task, workflow
from penstock.errors import PlanMismatch, RunLocked, RunNotFound
from tests.unit.runtime.waiting import LONG, Background, come, states


def manager_of(*tasks: Task, **options: Any) -> WorkflowManager:
    manager = WorkflowManager("memory", observers=[], **options)
    for one in tasks:
        manager.add_task(one)
    return manager


@task
def double(x: int) -> int:
    return 2 * x


@workflow
def doubled(x: int = 1) -> None:
    double(double(x))


# --- On record


def test_a_run_tells_what_became_of_it() -> None:
    before = datetime.now(UTC)
    run = WorkflowManager("memory", observers=[]).run(doubled, x=3)
    assert (run.workflow, run.state, run.params) == ("doubled", "success", {"x": 3})
    assert run.counts == {"success": 2}
    assert run.error is None
    assert run.started_at is not None
    assert run.ended_at is not None
    assert before <= run.started_at <= run.ended_at <= datetime.now(UTC)
    assert run.duration == pytest.approx((run.ended_at - run.started_at).total_seconds())
    assert run.id in repr(run)


def test_a_task_of_a_run_tells_what_became_of_it() -> None:
    run = WorkflowManager("memory", observers=[]).run(doubled, x=3)
    first, second = run.tasks
    assert (first.name, second.name) == ("double", "double__1")
    assert (second.state, second.attempts, second.result, second.upstreams) == ("success", 1, 12, ["double"])
    assert second.started_at is not None
    assert second.ended_at is not None
    assert first.ended_at is not None
    assert first.ended_at <= second.started_at <= second.ended_at
    assert second.duration is not None
    assert second.duration >= 0
    assert repr(second) == "<TaskRun 'double__1': success>"


def test_a_task_that_did_not_run_has_no_times_of_its_own() -> None:
    run = manager_of(Task("a", lambda: 1 / 0), Task("b", int, ["a"])).run(raise_on_failure=False)
    held_up = run.task("b")
    assert held_up.started_at is None
    assert held_up.duration is None
    assert held_up.attempts == 0
    with pytest.raises(PenstockError, match="task 'b' has no result: it is upstream_failed"):
        _ = held_up.result


def test_a_task_that_does_not_exist_is_named_with_the_nearest() -> None:
    run = WorkflowManager("memory", observers=[]).run(doubled)
    with pytest.raises(PenstockError, match="no task 'doubel'; did you mean 'double'?"):
        run.task("doubel")


def test_runs_are_listed_newest_first() -> None:
    manager = WorkflowManager("memory", observers=[])
    ids = [manager.run(doubled, x=x).id for x in range(4)]
    manager.run(Workflow("other"))
    assert [run.id for run in manager.runs("doubled")] == ids[::-1]
    assert len(manager.runs()) == 5
    assert [run.workflow for run in manager.runs(limit=1)] == ["other"]
    assert manager.runs("nothing") == []


def test_a_run_is_found_by_its_id_a_prefix_or_as_the_newest() -> None:
    manager = WorkflowManager("memory", observers=[])
    first, second = manager.run(doubled, x=1), manager.run(doubled, x=2)
    assert manager.get(first.id).params == {"x": 1}
    assert manager.get(second.id[:10]).id == second.id
    assert manager.get().id == second.id
    assert manager.get(first.id).task("double").result == 2


@pytest.mark.parametrize("run_id", ["nothing", "zz", "%", "_"])
def test_a_run_that_does_not_exist_is_not_found(run_id: str) -> None:
    manager = WorkflowManager("memory", observers=[])
    with pytest.raises(RunNotFound):
        manager.get()
    manager.run(doubled)
    with pytest.raises(RunNotFound):
        manager.get(run_id)


def test_a_run_can_be_forgotten() -> None:
    manager = WorkflowManager("memory", observers=[])
    kept, gone = manager.run(doubled), manager.run(doubled)
    manager.delete(gone.id)
    assert [run.id for run in manager.runs()] == [kept.id]
    assert manager.get(kept.id).task("double").result == 2


def test_what_tasks_print_and_log_is_kept_with_them() -> None:
    def talk() -> None:
        print("said")
        current().logger.warning("warned")

    run = manager_of(Task("talk", talk), Task("silent", int)).run()
    assert "said\n" in run.task("talk").log
    assert "warned" in run.task("talk").log
    assert run.task("silent").log == ""


def test_a_run_leaves_logging_as_it_was() -> None:
    def snapshot() -> tuple[Any, ...]:
        root = logging.getLogger()
        return list(root.handlers), root.level, list(root.filters), root.disabled

    before, during = snapshot(), []
    manager_of(Task("a", lambda: during.append(snapshot()))).run()
    assert snapshot() == before
    assert during[0][1:] == before[1:]


def test_a_notebook_shows_a_run_and_escapes_what_tasks_say() -> None:
    def fail() -> None:
        raise ValueError("<script>")

    run = manager_of(Task("fail", fail)).run(raise_on_failure=False)
    shown = run._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_a_running_run_can_be_looked_at() -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        come(go_on)

    manager = manager_of(Task("first", int), Task("slow", slow, ["first"]), Task("after", int, ["slow"]))
    background = Background(manager.run)
    come(began)
    [seen] = manager.runs()
    go_on.set()
    assert seen.state == "running"
    assert seen.task("first").result == 0
    assert seen.ended_at is None
    assert seen.duration is None
    assert background.result().state == "success"


# --- What a body knows of itself


def test_a_body_can_ask_which_attempt_it_is() -> None:
    seen: list[Any] = []

    @task(retries=1)
    def ask(x: int) -> None:
        it = current()
        seen.append((it.run_id, it.workflow, it.task, it.attempt, it.generation, dict(it.params), it.idempotency_key))
        if it.attempt == 1:
            raise ValueError("again")

    @workflow
    def asking(x: int = 5) -> None:
        ask.named("a")(x)

    manager = WorkflowManager("memory", observers=[])
    run = manager.run(asking)
    manager.rerun(run.id, asking, only=["a"])
    assert [entry[:6] for entry in seen] == [
        (run.id, "asking", "a", 1, 0, {"x": 5}),
        (run.id, "asking", "a", 2, 0, {"x": 5}),
        (run.id, "asking", "a", 1, 1, {"x": 5}),
        (run.id, "asking", "a", 2, 1, {"x": 5}),
    ]
    keys = [entry[6] for entry in seen]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_there_is_no_attempt_outside_of_a_task() -> None:
    with pytest.raises(PenstockError, match="outside of a task"):
        current()


def test_a_body_cannot_change_what_other_bodies_see_of_the_parameters() -> None:
    @task
    def spoil() -> None:
        current().params["tags"].append("spoilt")  # type: ignore[union-attr]

    @task
    def look(after: object = None) -> list[str]:
        return list(current().params["tags"])

    @workflow
    def flow(tags: list[str]) -> None:
        look.options(after=spoil())()  # type: ignore[func-returns-value]

    run = WorkflowManager("memory", observers=[]).run(flow, tags=["a"], raise_on_failure=False)
    assert run.task("spoil").state == "failed" or run.task("look").result == ["a"]
    assert run.params == {"tags": ["a"]}


# --- Managers


def test_a_manager_runs_the_same_workflow_again_and_again() -> None:
    manager = WorkflowManager("memory", observers=[])
    runs = [manager.run(doubled, x=x) for x in range(3)]
    assert len({run.id for run in runs}) == 3
    assert [run.task("double__1").result for run in runs] == [0, 4, 8]


def test_a_manager_goes_on_after_a_failed_run() -> None:
    manager = manager_of(Task("fails", lambda: 1 / 0))
    with pytest.raises(RunFailed):
        manager.run()
    assert manager.run(doubled).state == "success"


def test_a_manager_is_a_context() -> None:
    with WorkflowManager("memory", observers=[]) as manager:
        assert manager.run(doubled).state == "success"


def test_two_managers_run_in_two_threads_at_once() -> None:
    barrier = threading.Barrier(2, timeout=LONG)

    def meet(value: int) -> int:
        barrier.wait()
        return value

    def run(value: int) -> Run:
        return manager_of(Task("meet", meet, args=[value])).run()

    one, other = Background(lambda: run(1)), Background(lambda: run(2))
    assert (one.result().task("meet").result, other.result().task("meet").result) == (1, 2)


def test_one_manager_runs_two_workflows_in_two_threads_at_once() -> None:
    barrier = threading.Barrier(2, timeout=LONG)

    @workflow
    def meeting(x: int) -> None:
        meet(x)

    @task
    def meet(x: int) -> int:
        barrier.wait()
        return x

    manager = WorkflowManager("memory", observers=[])
    one, other = (Background(lambda x=x: manager.run(meeting, x=x)) for x in (1, 2))
    assert (one.result().task("meet").result, other.result().task("meet").result) == (1, 2)
    assert len(manager.runs()) == 2


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_task_may_run_a_workflow_of_its_own(executor: str, shared: bool) -> None:
    def outer_body() -> tuple[int, str, str]:
        mine = manager if shared else WorkflowManager("memory", executor, observers=[])
        inner = mine.run(doubled, x=5)
        return inner.task("double__1").result, current().task, current().run_id

    manager = WorkflowManager("memory", executor, observers=[], workers=1)
    flow = Workflow("outer")
    flow.add_task(Task("outer", outer_body))
    run = manager.run(flow)
    assert run.task("outer").result == (20, "outer", run.id)


def test_a_failed_run_within_a_task_fails_the_task() -> None:
    def outer() -> None:
        manager_of(Task("inner", lambda: 1 / 0)).run()

    run = manager_of(Task("outer", outer)).run(raise_on_failure=False)
    assert run.task("outer").error is not None
    assert "RunFailed" in run.task("outer").error


@pytest.mark.parametrize(
    "options",
    [{"store": "mysql"}, {"executor": "fibres"}, {"workers": 0}, {"workers": "two"}, {"durability": "some"}, {"executor": 3}],
    ids=str,
)
def test_a_part_that_does_not_exist_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PenstockError):
        manager = WorkflowManager(**{"store": "memory", "observers": [], **options})
        manager.run(doubled)


def test_a_resumed_run_does_not_do_again_what_is_done() -> None:
    it, flow, manager, run = failed_run()
    resumed = manager.resume(run.id, flow)
    assert resumed.id == run.id
    assert resumed.state == "success"
    assert it.ran == ["transform", "load"]
    assert len(manager.runs()) == 1


def test_the_newest_run_is_resumed_unless_another_is_named() -> None:
    it, flow, manager, _ = failed_run()
    assert manager.resume(None, flow).state == "success"


def test_run_with_resume_goes_on_with_the_newest_unfinished_run() -> None:
    it, flow, manager, run = failed_run()
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
    it, flow, manager, run = failed_run()
    row = manager.get(run.id)
    if row.source is None:
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
    transform = flow.add_task(Task("transform", lambda rows: it.ran.append("mended"), args=[first]))
    flow.add_task(Task("other", it.body("other")))
    if more:
        flow.add_task(Task("report", it.body("report"), [transform]))
    return flow


def test_a_mended_workflow_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    it, _, manager, run = failed_run()
    resumed = manager.resume(run.id, changed(it, more=True))
    assert it.ran == ["mended", "report"]
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
    it, flow, manager, run = failed_run()
    try:
        rerun = manager.rerun(run.id, flow, only=["transform"], raise_on_failure=False)
    except PenstockError:
        return
    assert rerun.task("load").state == "success" or rerun.state != "success"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "say what to run again"),
        ({"only": ["transfrom"]}, "no task 'transfrom'; did you mean 'transform'?"),
        ({"failed": True}, "no failed task"),
    ],
    ids=str,
)
def test_a_rerun_of_nothing_is_refused(choice: dict[str, Any], message: str) -> None:
    it, flow, manager, run = failed_run()
    manager.resume(run.id, flow)
    with pytest.raises(PenstockError, match=message):
        manager.rerun(run.id, flow, **choice)
    assert manager.get(run.id).state == "success"
    assert manager.resume(run.id, flow).state == "success", "the run is not left locked"


def test_a_task_is_not_rerun_without_its_inputs() -> None:
    it, flow, manager, run = failed_run()
    with pytest.raises(PenstockError, match="'load' cannot run again alone.*'transform'"):
        manager.rerun(run.id, flow, only=["load"])

"""Runs on record, managers used again and side by side, and runs that go on."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock import PenstockError, Run, RunFailed, Task, Workflow, WorkflowManager, current, task, workflow
from penstock.errors import RunNotFound
from tests.unit.runtime.waiting import LONG, Background, come, error_of


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
    with pytest.raises(PenstockError, match=r"no task 'doubel'; did you mean 'double'\?"):
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
        current().params["tags"].append("spoilt")

    @task
    def look(after: object = None) -> list[str]:
        return list(current().params["tags"])

    @workflow
    def flow(tags: list[str]) -> None:
        look.options(after=spoil())()

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
    assert manager.runs() == []
    one, other = Background(lambda: manager.run(meeting, x=1)), Background(lambda: manager.run(meeting, x=2))
    assert (one.result().task("meet").result, other.result().task("meet").result) == (1, 2)
    assert len(manager.runs()) == 2


def test_a_manager_that_is_first_used_by_many_threads_opens_one_store(tmp_path: Path) -> None:
    """Another store would not know of these runs, and SQLite's locks do not hold between two in one process."""
    for number in range(5):
        with WorkflowManager(f"sqlite:///{tmp_path / str(number)}", observers=[]) as manager:
            barrier = threading.Barrier(8, timeout=LONG)

            def first(manager: WorkflowManager = manager, barrier: threading.Barrier = barrier) -> Any:
                barrier.wait()
                return manager.parts.store

            stores = [one.result() for one in [Background(first) for _ in range(8)]]
            for store in stores[1:]:
                if store is not stores[0]:
                    store.close()
            assert all(store is manager.parts.store for store in stores)


def test_a_task_may_be_part_of_two_workflows() -> None:
    shared = Task("shared", lambda: 7)
    manager = WorkflowManager("memory", observers=[])
    for name in ("one", "other"):
        flow = Workflow(name)
        flow.add_task(shared)
        flow.add_task(Task("after", lambda x: x, args=[shared]))
        assert manager.run(flow).task("after").result == 7


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
    assert "RunFailed" in error_of(run, "outer")


@pytest.mark.parametrize(
    "options",
    [
        {"store": "mysql"},
        {"executor": "fibres"},
        {"executor": 3},
        {"workers": 0},
        {"workers": "2"},
        {"durability": "some"},
    ],
    ids=str,
)
def test_a_part_that_does_not_exist_is_refused(options: dict[str, Any]) -> None:
    manager = WorkflowManager(**{"store": "memory", "observers": [], **options})
    with pytest.raises(PenstockError):
        manager.run(doubled)


# --- Who watches


class Watcher:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def run_started(self, run_id: str, plan: Any, done: int) -> None:
        self.told.append(("run_started", done))

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        assert index == -1
        self.told.append(("attempt_started", task, attempt))

    def attempt_ended(self, task: int, index: int, attempt: int, state: Any, error: Any, seconds: float) -> None:
        assert index == -1
        assert seconds >= 0
        self.told.append(("attempt_ended", task, attempt, state.label, error and error.message))

    def map_expanded(self, task: int, width: int) -> None:
        raise AssertionError(f"task {task} is no map")

    def tasks_settled(self, tasks: Any, state: Any) -> None:
        self.told.append(("tasks_settled", list(tasks), state.label))

    def tasks_marked(self, tasks: Any, state: str, story: str) -> None:
        raise AssertionError(f"nobody has marked {tasks}")

    def stopping(self, reason: str, running: int) -> None:
        self.told.append(("stopping", reason, running))

    def parked(self, until: float | None) -> None:
        self.told.append(("parked",))

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        self.told.append(("run_ended", state, error, counts))


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_an_observer_is_told_in_order(executor: str) -> None:
    def flaky() -> None:
        if current().attempt == 1:
            raise ValueError("once")

    watcher = Watcher()
    manager = WorkflowManager("memory", executor, workers=1, observers=[watcher])
    for one in (
        Task("flaky", flaky, retries=1),
        Task("fails", lambda: 1 / 0, ["flaky"]),
        Task("after", int, ["fails"]),
    ):
        manager.add_task(one)
    manager.run(raise_on_failure=False)
    assert watcher.told == [
        ("run_started", 0),
        ("attempt_started", 0, 1),
        ("attempt_ended", 0, 1, "retrying", "once"),
        ("attempt_started", 0, 2),
        ("attempt_ended", 0, 2, "success", None),
        ("attempt_started", 1, 1),
        ("tasks_settled", [(2, -1)], "upstream_failed"),
        ("attempt_ended", 1, 1, "failed", "division by zero"),
        ("run_ended", "failed", "task 'fails' failed", {"success": 1, "failed": 1, "upstream_failed": 1}),
    ]


def test_no_worker_outlives_its_run() -> None:
    before = set(threading.enumerate())
    manager_of(*(Task(f"t{number}", int) for number in range(50)), workers=8).run()
    assert set(threading.enumerate()) == before

"""Runs that are started and go on beside each other, with workers in common."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from penstock import Task, Workflow, WorkflowManager, current, task
from penstock.errors import RunFailed
from tests.unit.runtime.waiting import eventually


def flow_of(name: str, *tasks: Task) -> Workflow:
    flow = Workflow(name)
    for one in tasks:
        flow.add_task(one)
    return flow


def manager(**options: Any) -> WorkflowManager:
    return WorkflowManager(store="memory", observers=[], **options)


def test_a_started_run_goes_on_by_itself_and_can_be_waited_for() -> None:
    go = threading.Event()
    flow = flow_of("flow", Task("a", lambda: go.wait(60)))
    with manager() as all_runs:
        run = all_runs.start(flow)
        assert run.state == "running"
        go.set()
        assert run.wait().state == "success"
        assert all_runs.get(run.id).task("a").result is True


def test_all_that_are_started_share_the_workers() -> None:
    at_work: list[str] = []
    most: list[int] = []
    lock, both = threading.Lock(), threading.Barrier(2)

    @task
    def work(number: int) -> str:
        with lock:
            at_work.append(current().run_id)
            most.append(len(at_work))
        both.wait(60)  # so that two are at work again and again
        with lock:
            at_work.remove(current().run_id)
        return current().run_id

    with Workflow("flow") as flow:
        for number in range(4):
            work(number)
    with manager(workers=2) as all_runs:
        runs = [all_runs.start(flow) for _ in range(3)]
        done = [run.wait(60) for run in runs]
    assert [run.state for run in done] == ["success"] * 3
    assert max(most) == 2
    assert [run.task("work").result for run in done] == [run.id for run in runs]


def test_none_waits_for_the_end_of_another() -> None:
    """One worker, and a run with much to do: one that comes later has its turn after each of its tasks."""
    order: list[str] = []
    come = threading.Event()

    def much() -> None:
        come.wait(60)
        order.append("much")

    def little() -> None:
        order.append("little")

    first = flow_of("much", *(Task(f"a{number}", much) for number in range(10)))
    second = flow_of("little", Task("b", little), Task("c", little, ["b"]))
    with manager(workers=1) as all_runs:
        runs = [all_runs.start(first), all_runs.start(second)]
        eventually(lambda: all_runs.get(runs[1].id).task("b").state == "ready")
        come.set()
        for run in runs:
            run.wait(60)
    assert order.count("much") == 10
    assert order.index("little") <= 2
    assert order[: order.index("little") + 4].count("little") == 2


def test_a_run_that_is_started_and_one_that_is_run_share_them_too() -> None:
    go = threading.Event()
    first = flow_of("first", Task("a", lambda: go.wait(60)))
    second = flow_of("second", Task("b", go.set))
    with manager(workers=2) as all_runs:
        run = all_runs.start(first)
        assert all_runs.run(second).state == "success"
        assert run.wait(60).state == "success"


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_every_executor_does_it(executor: str) -> None:
    flow = flow_of("flow", Task("a", _square, kwargs={"number": 7}))
    with manager(executor=executor, workers=None if executor == "inline" else 2) as all_runs:
        runs = [all_runs.start(flow) for _ in range(3)]
        assert [run.wait(120).task("a").result for run in runs] == [49] * 3


def _square(number: int) -> int:
    return number * number


def test_one_that_fails_says_so_and_raises_nothing() -> None:
    def fail() -> None:
        raise ValueError("no")

    flow = flow_of("flow", Task("a", fail))
    with manager() as all_runs:
        run = all_runs.start(flow).wait()
        assert (run.state, run.task("a").error) == ("failed", "ValueError: no")
        with pytest.raises(RunFailed):
            all_runs.run(flow)


def test_who_has_waited_long_enough_is_told() -> None:
    go = threading.Event()
    flow = flow_of("flow", Task("a", lambda: go.wait(60)))
    with manager() as all_runs:
        run = all_runs.start(flow)
        with pytest.raises(TimeoutError, match=f"run {run.id} has not ended after 0.01 s"):
            run.wait(0.01)
        go.set()
        assert run.wait().state == "success"


def test_one_can_be_cancelled_and_the_others_go_on() -> None:
    go = threading.Event()

    def until_cancelled() -> None:
        while not current().cancelled and not go.wait(0.001):
            pass

    flow = flow_of("flow", Task("a", until_cancelled))
    with manager(workers=2) as all_runs:
        first, second = all_runs.start(flow), all_runs.start(flow)
        first.cancel(by="ann")
        assert (first.wait(60).state, first.wait().error) == ("cancelled", "cancelled by ann")
        go.set()
        assert second.wait(60).state == "success"


def test_closing_waits_for_what_was_started(tmp_path: Path) -> None:
    done = []
    flow = flow_of("flow", Task("a", lambda: done.append(1)))
    with WorkflowManager(f"sqlite:///{tmp_path}/store", observers=[]) as all_runs:
        all_runs.start(flow)
    assert done == [1]


def test_a_run_within_a_task_has_workers_of_its_own() -> None:
    """Else it would wait for the worker that waits for it."""
    all_runs = manager(workers=1)
    inner = flow_of("inner", Task("b", lambda: 2))

    def outer() -> Any:
        return all_runs.start(inner).wait(60).task("b").result

    flow = flow_of("outer", Task("a", outer))
    assert all_runs.run(flow).task("a").result == 2


def test_a_run_that_ended_long_ago_need_not_be_waited_for(tmp_path: Path) -> None:
    flow = flow_of("flow", Task("a", lambda: 1))
    store = f"sqlite:///{tmp_path}/store"
    with WorkflowManager(store, observers=[]) as manager:
        run = manager.run(flow)
    with WorkflowManager(store) as another:
        assert another.wait(run.id, timeout=0).state == "success"
        assert another.get().wait(timeout=0).task("a").result == 1

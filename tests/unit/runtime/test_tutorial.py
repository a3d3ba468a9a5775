"""The tutorial's programme, as it stands, and what every first programme relies on."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from penstock import Task, Workflow, WorkflowManager, task
from tests.unit.runtime.waiting import LONG, states

TUTORIAL = """\
from penstock import Task, WorkflowManager      # the tutorial's programme, as it stands

def extract(): print("extracting")
def transform(): print("transforming")
def load(): print("loading")

manager = WorkflowManager()                     # SQLite under ./.penstock, threads
manager.add_task(Task("extract", extract))
manager.add_task(Task("transform", transform, dependencies=["extract"]))
manager.add_task(Task("load", load, dependencies=["transform"]))
manager.run()
"""
SHOWN = """\
Running task: extract
extracting
Running task: transform
transforming
Running task: load
loading
"""


def test_the_tutorial_runs_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "tutorial.py").write_text(TUTORIAL)
    done = subprocess.run([sys.executable, "tutorial.py"], capture_output=True, text=True, timeout=LONG, check=True)
    assert (done.stdout, done.stderr) == (SHOWN, "")
    assert (tmp_path / ".penstock").is_dir()


def test_the_tutorial_runs_from_stdin() -> None:
    command = [sys.executable, "-"]
    done = subprocess.run(command, input=TUTORIAL, capture_output=True, text=True, timeout=LONG, check=True)
    assert (done.stdout, done.stderr) == (SHOWN, "")


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_each_task_is_announced_and_runs_after_those_it_depends_on(
    executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manager = WorkflowManager("memory", executor)
    manager.add_task(Task("load", lambda: print("loading"), dependencies=["transform"]))
    manager.add_task(Task("extract", lambda: print("extracting")))
    manager.add_task(Task("transform", lambda: print("transforming"), dependencies=["extract"]))
    run = manager.run()
    assert capsys.readouterr() == (SHOWN, "")
    assert run.state == "success"
    assert states(run) == {"load": "success", "extract": "success", "transform": "success"}


def test_independent_tasks_run_at_the_same_time() -> None:
    """Each waits for the other: one at a time they would wait for ever."""
    barrier = threading.Barrier(2, timeout=LONG)
    manager = WorkflowManager("memory", workers=2)
    manager.add_task(Task("one", barrier.wait))
    manager.add_task(Task("other", barrier.wait))
    assert manager.run().state == "success"


def test_tasks_that_come_free_together_run_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=LONG)
    manager = WorkflowManager("memory", workers=3)
    manager.add_task(Task("first", lambda: None))
    for name in "abc":
        manager.add_task(Task(name, barrier.wait, ["first"]))
    manager.add_task(Task("last", lambda: None, list("abc")))
    assert manager.run().state == "success"


@pytest.mark.parametrize(("executor", "workers"), [("threads", 1), ("threads", 3), ("inline", None)])
def test_no_more_run_at_once_than_there_are_workers(executor: str, workers: int | None) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.002)
        with lock:
            running[0] -= 1

    manager = WorkflowManager("memory", executor, workers=workers, observers=[])
    for number in range(20):
        manager.add_task(Task(f"t{number}", work))
    assert manager.run().state == "success"
    assert most[0] <= (workers or 1)


def test_inline_tasks_run_in_the_thread_that_called() -> None:
    threads: list[threading.Thread] = []
    manager = WorkflowManager("memory", "inline", observers=[])
    for name in "abc":
        manager.add_task(Task(name, lambda: threads.append(threading.current_thread())))
    manager.run()
    assert set(threads) == {threading.current_thread()}


def test_tasks_in_threads_do_not_run_in_the_thread_that_called() -> None:
    threads: list[threading.Thread] = []
    manager = WorkflowManager("memory", observers=[])
    manager.add_task(Task("a", lambda: threads.append(threading.current_thread())))
    manager.run()
    assert threads[0] is not threading.current_thread()


def test_a_workflow_of_nothing_succeeds() -> None:
    run = WorkflowManager("memory").run(Workflow("nothing"))
    assert (run.state, run.tasks) == ("success", [])


def test_many_tasks_run_each_once() -> None:
    ran: list[int] = []
    manager = WorkflowManager("memory", observers=[])
    for number in range(2_000):
        before = [f"t{number - 1}"] if number % 10 else []
        manager.add_task(Task(f"t{number}", ran.append, before, args=[number]))
    assert manager.run().counts == {"success": 2_000}
    assert sorted(ran) == list(range(2_000))


@task
def extract() -> list[int]:
    return [1, 2, 3]


@task
def transform(rows: list[int]) -> list[int]:
    return [row * 10 for row in rows]


@task
def load(rows: list[int]) -> int:
    return len(rows)


def test_data_flows_along_the_edges(capsys: pytest.CaptureFixture[str]) -> None:
    with Workflow("flow") as flow:
        load(transform(extract()))
    run = WorkflowManager("memory").run(flow)
    assert run.task("transform").result == [10, 20, 30]
    assert run.task("load").result == 3
    assert capsys.readouterr().out.splitlines() == [
        "Running task: extract",
        "Running task: transform",
        "Running task: load",
    ]

"""Who runs a graph of empty tasks: the loop of the tutorial, the standard library, and Penstock."""

from __future__ import annotations

import os
import queue
import resource
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.graphs import Graph
from bench.row import Figures


def body(number: int) -> None:
    """An empty task."""


# --- The tutorial


class _Task:
    def __init__(self, name: str, func: Callable[[], None], dependencies: list[str] | None = None) -> None:
        self.name = name
        self.func = func
        self.dependencies = dependencies or []


class _WorkflowManager:
    """One task after another, in memory, as the tutorial ends."""

    def __init__(self) -> None:
        self.tasks: dict[str, _Task] = {}

    def add_task(self, task: _Task) -> None:
        self.tasks[task.name] = task

    def run(self) -> None:
        missing = dict.fromkeys(self.tasks, 0)
        downstreams: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for upstream in task.dependencies:
                missing[task.name] += 1
                downstreams[upstream].append(task.name)
        ready = deque(name for name, count in missing.items() if not count)
        while ready:
            name = ready.popleft()
            print(f"Running task: {name}")
            self.tasks[name].func()
            for downstream in downstreams[name]:
                missing[downstream] -= 1
                if not missing[downstream]:
                    ready.append(downstream)


def tutorial(graph: Graph, folder: Path) -> Figures:
    """The loop with which the tutorial ends."""
    began, tasks = perf_counter(), 0
    manager = _WorkflowManager()
    for i, upstreams in graph:
        manager.add_task(_Task(f"t{i}", lambda i=i: body(i), [f"t{u}" for u in upstreams]))  # type: ignore[misc]
        tasks += 1
    manager.run()
    return per_task(perf_counter() - began, tasks)


# --- The standard library


def _put(done: queue.SimpleQueue[tuple[int, Future[None]]], i: int, future: Future[None]) -> None:
    done.put((i, future))


def stdlib(graph: Graph, folder: Path) -> Figures:
    """graphlib and a pool of two threads: in memory, no retries, no record."""
    began = perf_counter()
    sorter = TopologicalSorter(upstreams := dict(graph))
    sorter.prepare()
    done: queue.SimpleQueue[tuple[int, Future[None]]] = queue.SimpleQueue()
    with ThreadPoolExecutor(2) as pool:
        while sorter.is_active():
            for i in sorter.get_ready():
                pool.submit(body, i).add_done_callback(partial(_put, done, i))
            i, future = done.get()
            future.result()
            sorter.done(i)
    return per_task(perf_counter() - began, len(upstreams))


# --- Penstock


def memory(graph: Graph, folder: Path) -> Figures:
    """Penstock, two threads, memory store: everything else at its default."""
    return _penstock(graph, None, workers=2)


def durable(graph: Graph, folder: Path) -> Figures:
    """Penstock, two threads, SQLite, durability full: acknowledged means safe on disk."""
    return _penstock(graph, folder, workers=2)


def default(graph: Graph, folder: Path) -> Figures:
    """As `durable`, with the default number of threads."""
    return _penstock(graph, folder)


def _penstock(graph: Graph, folder: Path | None, **options: Any) -> Figures:
    from penstock import Task, WorkflowManager

    first_store, store = ("memory",) * 2 if folder is None else (f"sqlite:///{folder / name}" for name in ("1", "2"))
    with WorkflowManager(first_store) as first:  # imports are a row of their own
        first.add_task(Task("first", lambda: None))
        first.run()
    manager, tasks = WorkflowManager(store, **options), 0
    began = perf_counter()
    for i, upstreams in graph:
        manager.add_task(Task(f"t{i}", lambda i=i: body(i), [f"t{u}" for u in upstreams]))
        tasks += 1
    defined = perf_counter()
    run = manager.run()
    ended = perf_counter()
    figures = dict(per_task(ended - began, tasks))
    assert run.state == "success"
    manager.close()
    if folder is not None:
        figures["bytes"] = disk(folder / "2") / tasks
    del run
    compiling = perf_counter()
    manager.compile()  # once more: a run does not say how long it took
    figures["define_us"] = (defined - began) / tasks * 1e6
    figures["compile_us"] = (perf_counter() - compiling) / tasks * 1e6
    figures["run_us"] = figures["us"] - figures["define_us"] - figures["compile_us"]
    return figures


# --- Figures


def per_task(seconds: float, tasks: int) -> Figures:
    """The figures that all have: what the tests of time and memory are about."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"us": seconds / tasks * 1e6, "seconds": seconds, "peak": peak}


def disk(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(os.stat(file).st_size for file in folder.rglob("*") if file.is_file())

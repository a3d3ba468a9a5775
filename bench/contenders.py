"""What is measured: each contender defines and runs a graph of empty tasks, and returns the seconds it took."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from time import perf_counter

from bench.graphs import Graph


def body(number: int) -> None:
    """An empty task."""


def tutorial(graph: Graph, folder: Path) -> float:
    """The loop with which the tutorial ends: one task after another, in memory."""
    began = perf_counter()
    tasks: dict[str, tuple[Callable[[], None], list[str]]] = {}
    for i, upstreams in graph:
        tasks[f"t{i}"] = (lambda i=i: body(i), [f"t{u}" for u in upstreams])
    missing = dict.fromkeys(tasks, 0)
    downstreams: dict[str, list[str]] = {name: [] for name in tasks}
    for name, (_, upstreams_of) in tasks.items():
        for upstream in upstreams_of:
            missing[name] += 1
            downstreams[upstream].append(name)
    ready = deque(name for name, count in missing.items() if not count)
    while ready:
        name = ready.popleft()
        print(f"Running task: {name}")
        tasks[name][0]()
        for downstream in downstreams[name]:
            missing[downstream] -= 1
            if not missing[downstream]:
                ready.append(downstream)
    return perf_counter() - began


def stdlib(graph: Graph, folder: Path) -> float:
    """graphlib and a pool of two threads: in memory, no retries, no record."""
    began = perf_counter()
    sorter = TopologicalSorter(dict(graph))
    sorter.prepare()
    done: queue.SimpleQueue[tuple[int, Future[None]]] = queue.SimpleQueue()
    with ThreadPoolExecutor(2) as pool:
        while sorter.is_active():
            for i in sorter.get_ready():
                pool.submit(body, i).add_done_callback(lambda future, i=i: done.put((i, future)))
            i, future = done.get()
            future.result()
            sorter.done(i)
    return perf_counter() - began


def _penstock(graph: Graph, store: str, **options: object) -> float:
    from penstock import Task, WorkflowManager

    with WorkflowManager(store.replace("store", "first")) as first:  # imports are measured by `bench start`, not here
        first.add_task(Task("first", lambda: None))
        first.run()
    began = perf_counter()
    manager = WorkflowManager(store, **options)  # type: ignore[arg-type]
    for i, upstreams in graph:
        manager.add_task(Task(f"t{i}", lambda i=i: body(i), [f"t{u}" for u in upstreams]))
    run = manager.run()
    seconds = perf_counter() - began
    assert run.state == "success"
    manager.close()
    return seconds


def memory(graph: Graph, folder: Path) -> float:
    """Penstock, two threads, memory store: everything else at its default."""
    return _penstock(graph, "memory", workers=2)


def durable(graph: Graph, folder: Path) -> float:
    """Penstock, two threads, SQLite, durability full: acknowledged means safe on disk."""
    return _penstock(graph, f"sqlite:///{folder / 'store'}", workers=2)


def durable_default(graph: Graph, folder: Path) -> float:
    """As `durable`, with the default number of threads."""
    return _penstock(graph, f"sqlite:///{folder / 'store'}")


CONTENDERS = {
    "tutorial": tutorial,
    "stdlib": stdlib,
    "memory": memory,
    "durable": durable,
    "durable, default workers": durable_default,
}

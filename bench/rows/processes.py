"""Tasks in processes: W7, work for all cores, and the round trip of a task that does nothing."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from bench.row import Aim, Figures, Medians, Row, ratio
from bench.rows.bodies import burn, nothing, stamp
from penstock import Task, WorkflowManager

WORKERS = 2


# --- W7


def burn_in_pool(size: int, folder: Path) -> Figures:
    """A pool of fresh interpreters, as Penstock's are."""
    began = perf_counter()
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(burn) for _ in range(size)]:
            future.result()
        ended = perf_counter()
    return {"us": (ended - began) / size * 1e6, "seconds": ended - began}


def burn_in_penstock(size: int, folder: Path) -> Figures:
    """Durable, everything at its default."""
    manager = WorkflowManager(f"sqlite:///{folder / 'store'}", executor="processes", workers=WORKERS)
    for i in range(size):
        manager.add_task(Task(f"t{i}", burn))
    began = perf_counter()
    run = manager.run()
    seconds = perf_counter() - began
    assert run.state == "success"
    manager.close()
    return {"us": seconds / size * 1e6, "seconds": seconds}


W7 = Row(
    "W7",
    "tasks of 35 ms that compute, in two processes, durable",
    {"pool": burn_in_pool, "penstock": burn_in_penstock},
    200,
    20,
    [Aim("beside a bare pool", 1.01, "times", ratio("penstock", "pool"))],
)


# --- Round trips


def trip_in_pool(size: int, folder: Path) -> Figures:
    """One task after another in a pool of one process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        first = pool.submit(stamp).result()
        for _ in range(size):
            pool.submit(nothing).result()
        return {"us": (pool.submit(stamp).result() - first) / (size + 1) * 1e6}


def trip_in_pebble(size: int, folder: Path) -> Figures:
    """The same in pebble's."""
    pebble = import_module("pebble")
    with pebble.ProcessPool(1, context=get_context("spawn")) as pool:
        first = pool.schedule(stamp).result()
        for _ in range(size):
            pool.schedule(nothing).result()
        return {"us": (pool.schedule(stamp).result() - first) / (size + 1) * 1e6}


def trip_in_penstock(size: int, folder: Path) -> Figures:
    """The same as a chain of tasks, in memory."""
    manager = WorkflowManager("memory", executor="processes", workers=1)
    manager.add_task(Task("first", stamp))
    for i in range(size):
        manager.add_task(Task(f"t{i}", nothing, [f"t{i - 1}" if i else "first"]))
    manager.add_task(Task("last", stamp, [f"t{size - 1}"]))
    run = manager.run()
    return {"us": (run.task("last").result - run.task("first").result) / (size + 1) * 1e6}


def _over_best_pool(medians: Medians, size: int) -> float:
    best = min(medians[name]["us"] for name in ("pool", "pebble") if name in medians)
    return medians["penstock"]["us"] - best


_POOLS = {"pool": trip_in_pool, "pebble": trip_in_pebble, "penstock": trip_in_penstock}
ROUND_TRIP = Row(
    "round-trip",
    "a task after another in one process",
    {name: measure for name, measure in _POOLS.items() if name != "pebble" or find_spec("pebble")},
    2_000,
    200,
    [Aim("over the best pool", 50, "us", _over_best_pool)],
)

"""Parked runs: what it costs to park so many, to keep them, and to wake them all at once.

Each run is a sensor that looks once an hour, and a task after it. The date is turned by an hour to wake them.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from penstock import Workflow, WorkflowManager, task
from penstock.clock import SystemClock

HOUR = 3_600.0


class TurnedClock(SystemClock):
    """This machine's, with its date turned."""

    turned = 0.0

    def time(self) -> float:
        return time.time() + self.turned


@task.sensor(poll_interval=HOUR, timeout=None)
def look() -> bool:
    return False


@task
def after(seen: object) -> None: ...


def measure(runs: int, folder: Path) -> dict[str, float]:
    """Start, park and wake so many runs. Seconds, milliseconds, bytes."""
    with Workflow("waits") as flow:
        after(look())
    clock = TurnedClock()
    manager = WorkflowManager(f"sqlite:///{folder}", observers=[])
    manager._clock = clock
    threads: list[int] = []
    before = _memory()
    began, busy = time.perf_counter(), time.process_time()
    for _ in range(runs):
        manager.start(flow)
        threads.append(threading.active_count())
    _wait_for_all(manager, threads)
    parked = time.perf_counter() - began, time.process_time() - busy
    kept, threads_kept = _memory() - before, threading.active_count()
    store = manager.parts.store
    asked = median(_seconds(lambda: store.due(clock.time())) for _ in range(20))
    idle, busy = time.perf_counter(), time.process_time()
    time.sleep(3)
    idle_share = (time.process_time() - busy) / (time.perf_counter() - idle)
    began, busy = time.perf_counter(), time.process_time()
    clock.turned = HOUR + 1
    _wait_for_all(manager, threads)
    woken = time.perf_counter() - began, time.process_time() - busy
    manager._runs.close(stop="the end")
    return {
        "parked_s": parked[0],
        "parked_cpu_ms": parked[1] / runs * 1e3,
        "woken_s": woken[0],
        "woken_cpu_ms": woken[1] / runs * 1e3,
        "bytes": kept / runs,
        "disk": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / runs,
        "threads_parked": threads_kept,
        "most_threads": max(threads),
        "due_ms": asked * 1e3,
        "idle": idle_share,
    }


def _wait_for_all(manager: WorkflowManager, threads: list[int]) -> None:
    """Until all are parked and none is due."""
    while manager._runs._driven or manager.parts.store.due(manager._clock.time()):
        threads.append(threading.active_count())
        time.sleep(0.2)


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def tell(runs: int, folder: Path) -> None:
    """The figures, as lines."""
    found = measure(runs, folder)
    print(f"{runs:,} parked runs")
    print(f"  started and parked in {found['parked_s']:.1f} s, {found['parked_cpu_ms']:.1f} ms of processor each")
    print(f"  woken, looked and parked again in {found['woken_s']:.1f} s, {found['woken_cpu_ms']:.1f} ms each")
    print(f"  {found['bytes']:,.0f} bytes of memory and {found['disk']:,.0f} bytes on disk each")
    print(f"  {found['threads_parked']:.0f} threads while parked, {found['most_threads']:.0f} at most")
    print(f"  a look for what is due takes {found['due_ms']:.2f} ms; waiting takes {found['idle']:.2%} of a processor")

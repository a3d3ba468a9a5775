"""A workflow whose process is killed when half of its tasks are done; gone on with, it ends at its first task.

BENCH_TASKS is how many tasks it has, and BENCH_FIRST the file for the time of the first one, if it is gone on with.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Lock
from time import perf_counter

sys.path.append(str(Path(__file__).parents[1]))

from bench.graphs import layered
from penstock import Task, WorkflowManager

TASKS = int(os.environ["BENCH_TASKS"])
FIRST = os.environ["BENCH_FIRST"]
ALONE = Lock()
"""Of two that are first, one ends the process, and not while the other writes when."""


def nothing() -> None:
    """An empty task."""
    if FIRST:
        ALONE.acquire()
        Path(FIRST).write_text(repr(perf_counter()))
        os._exit(0)


def last() -> None:
    """The task in the middle: the power goes out."""
    nothing()
    os.kill(os.getpid(), signal.SIGKILL)


manager = WorkflowManager()
for i, upstreams in layered(TASKS):
    manager.add_task(Task(f"t{i}", last if i == TASKS // 2 else nothing, [f"t{upstream}" for upstream in upstreams]))
manager.run()

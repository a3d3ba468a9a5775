"""What passes between the end of a task and the start of the next, with many runs at once; and what waiting costs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter, sleep

from bench.row import Aim, Figures, Row, figure
from penstock import Task, Workflow, WorkflowManager

HERE = Path(__file__).parents[1]
LENGTH = 20
"""Tasks of a run."""
SLEEP = 0.05
SECONDS = 10.0
"""For which a run that waits is watched."""


def begin_and_end(number: int) -> list[float]:
    """A task that sleeps: when it began and ended, on the one clock that all processes have."""
    began = perf_counter()
    sleep(SLEEP * (1 + number % 7 / 7))
    return [began, perf_counter()]


def gaps(executor: str, size: int, folder: Path) -> Figures:
    """So many runs at once, each a chain of tasks that sleep, with a worker for each run."""
    manager = WorkflowManager(f"sqlite:///{folder / 'store'}", executor, workers=size, observers=[])
    with manager:
        runs = [manager.start(_chain(number)) for number in range(size)]
        ended = [run.wait() for run in runs]
        found: list[float] = []
        for run in ended:
            times = [run.task(f"t{i}").result for i in range(LENGTH)]
            # Of its first tasks the workers are still being made.
            found += [after[0] - before[1] for before, after in pairwise(times[2:])]
    found.sort()
    return {
        "median": found[len(found) // 2] * 1e3,
        "p99": found[int(len(found) * 0.99)] * 1e3,
        "worst": found[-1] * 1e3,
    }


def _chain(number: int) -> Workflow:
    flow = Workflow("chain")
    for i in range(LENGTH):
        flow.add_task(Task(f"t{i}", begin_and_end, [f"t{i - 1}"] if i else [], args=[number + i]))
    return flow


GAPS = Row(
    "gaps",
    "from a task's end to its successor's start, 100 runs at once on one store",
    {name: partial(gaps, name) for name in ("threads", "processes")},
    100,
    10,
    [
        Aim(f"99th percentile, tasks that sleep in {name}", 5, "ms", figure(name, "p99"))
        for name in ("threads", "processes")
    ],
    repeat=5,
    memory=6 << 30,
)


# --- Idle


def idle(terminal: bool, size: int, folder: Path) -> Figures:
    """A run in the foreground whose sensor looks once an hour: the share of a core that it takes."""
    (folder / ".penstock").mkdir()
    master, slave = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "penstock", "run", str(HERE / "sensor.py")]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    try:
        while not (folder / "looked").exists() and process.poll() is None:
            sleep(0.05)
        sleep(2)
        began, before = perf_counter(), _processor(process.pid)
        sleep(size)
        return {"percent": (_processor(process.pid) - before) / (perf_counter() - began) * 100}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _drain(end: int) -> None:
    try:
        while os.read(end, 65536):
            pass
    except OSError:  # the terminal has gone
        pass


def _processor(pid: int) -> float:
    """Seconds of processor time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


IDLE = Row(
    "idle",
    "a run in the foreground that waits for a sensor",
    {"to a pipe": partial(idle, False), "on a terminal": partial(idle, True)},
    int(SECONDS),
    2,
    [Aim(f"processor, {name}", 0.5, "% of a core", figure(name, "percent")) for name in ("to a pipe", "on a terminal")],
)

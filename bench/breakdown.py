"""Where every microsecond of a task goes: runs in one thread, looked at once a millisecond.

A timer of the operating system interrupts the run, and what part of Penstock runs then is noted: waits for the disk
count with the part that waits. That costs next to nothing, so what is measured is what happens; it takes thousands of
looks to be exact to a percent. What each stage takes as a whole is measured by itself.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from time import perf_counter
from types import FrameType
from typing import Any

from bench.anatomy import PARTS, part_of_frame
from bench.contenders import body
from bench.graphs import GRAPHS
from bench.machine import ROOT
from bench.runner import environment

SECONDS = 4.0
"""For which each column is looked at, at least."""
PAUSE = 0.001
COLUMNS = {
    "W1, memory": ("W1", "memory", 1_000),
    "W3, memory": ("W3", "memory", 10_000),
    "W1, durable": ("W1", "durable", 1_000),
    "W3, durable": ("W3", "durable", 10_000),
}


def breakdown(seconds: float = SECONDS, columns: Iterable[str] = COLUMNS) -> dict[str, Any]:
    """Of each column: microseconds a task by part, how many looks there were, and what garbage collection took."""
    return {name: _in_fresh_process(name, seconds) for name in columns}


def _in_fresh_process(column: str, seconds: float) -> Any:
    import json

    command = [sys.executable, "-c", f"from bench.breakdown import look; look({column!r}, {seconds})"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def look(column: str, seconds: float) -> None:
    """One column, in this process."""
    import json

    graph, store, size = COLUMNS[column]
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.write(stdout, json.dumps(_look(graph, store, size, seconds)).encode())


def _look(graph: str, store: str, size: int, seconds: float) -> dict[str, Any]:
    rows = [*GRAPHS[graph](size)]
    seen: Counter[str] = Counter()
    collected = _Collected()
    tasks, taken = 0, 0.0
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        _run(rows, "memory" if store == "memory" else f"sqlite:///{folder}/first")
        signal.signal(signal.SIGALRM, lambda number, frame: _note(seen, frame))
        while taken < seconds:
            where = "memory" if store == "memory" else f"sqlite:///{folder}/{tasks}"
            gc.collect()
            gc.callbacks.append(collected)
            signal.setitimer(signal.ITIMER_REAL, PAUSE, PAUSE)
            taken += _run(rows, where)
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.callbacks.remove(collected)
            tasks += len(rows)
    total = taken / tasks * 1e6
    looks = seen.total()
    parts = {part: round(total * seen[part] / looks, 2) for part in PARTS}
    return {"parts": parts, "total": round(total, 2), "looks": looks, "gc": round(collected.taken / tasks * 1e6, 2)}


def _note(seen: Counter[str], frame: FrameType | None) -> None:
    seen[part_of_frame(frame)] += 1


class _Collected:
    """Seconds that the garbage collector took."""

    taken = 0.0
    _began = 0.0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter()
        else:
            self.taken += perf_counter() - self._began


def _run(rows: list[tuple[int, list[int]]], store: str) -> float:
    """Define and run a graph in this thread: seconds."""
    from penstock import Task, WorkflowManager

    manager = WorkflowManager(store, executor="inline")
    began = perf_counter()
    for i, upstreams in rows:
        manager.add_task(Task(f"t{i}", lambda i=i: body(i), [f"t{u}" for u in upstreams]))
    run = manager.run()
    seconds = perf_counter() - began
    assert run.state == "success"
    manager.close()
    return seconds


# --- Tables


def table(found: Mapping[str, Any]) -> str:
    """In Markdown."""
    lines = [f"| µs a task | {' | '.join(found)} | what happens there |", f"|---|{'---|' * len(found)}---|"]
    for part, text in PARTS.items():
        cells = [f"{column['parts'].get(part, 0):.1f}" for column in found.values()]
        lines.append(f"| {part} | {' | '.join(cells)} | {text} |")
    totals = [f"**{column['total']:.1f}**" for column in found.values()]
    lines.append(f"| **all** | {' | '.join(totals)} | |")
    collected = [f"{column['gc']:.1f}" for column in found.values()]
    lines.append(f"| of it, garbage collection | {' | '.join(collected)} | in whichever part makes the objects |")
    return "\n".join(lines)


def told(found: Mapping[str, Any]) -> str:
    """For a terminal."""
    lines = [f"{'us a task':24}" + "".join(f"{name:>14}" for name in found)]
    for part in (*PARTS, ""):
        cells = [column["parts"].get(part, 0) if part else column["total"] for column in found.values()]
        lines.append(f"{part or 'all':24}" + "".join(f"{cell:14.2f}" for cell in cells))
    lines.append(f"{'of it, gc':24}" + "".join(f"{column['gc']:14.2f}" for column in found.values()))
    lines.append(f"{'looks':24}" + "".join(f"{column['looks']:14,}" for column in found.values()))
    return "\n".join(lines)

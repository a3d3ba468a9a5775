"""Cases of a campaign, spread over the cores.

A lane is an interpreter without threads that has imported Penstock and opened nothing, so that it may fork. It adopts
what its children leave behind, which shows what outlives a killed driver.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TypeAlias

from tests.faults.campaign import Report
from tests.faults.children import in_child
from tests.faults.plants import PLANT, plant

ROOT = Path(__file__).parents[2]
Arguments: TypeAlias = dict[str, Any]
Results: TypeAlias = Iterator[tuple[Arguments, Any]]
_PR_SET_CHILD_SUBREAPER = 36
_NOT_NEEDED = ("penstock.__main__", "penstock.testing", "penstock.store.postgres")


class Lanes:
    """As many lanes as there are cores, started when they are first needed."""

    def __init__(self) -> None:
        self._count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._made: list[_Lane] = []
        self._free: Queue[_Lane] = Queue()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *exc: object) -> None:
        for lane in self._made:
            lane.close()

    def spread(self, case: str, cases: Iterable[Arguments], *, together: int = 0) -> Results:
        """Call "module:function" with the arguments of each case, several at a time, and give each with what it gave,
        as they end. A case that raises gives {"raised": traceback}.

        The function is called in a lane and forks what it needs; or, with `together`, in a child for so many cases, and
        again in one of its own if that child does not come to a good end."""
        waiting = iter(cases)
        with ThreadPoolExecutor(self._count) as threads:
            running: set[Future[list[tuple[Arguments, Any]]]] = set()
            try:
                while True:
                    while len(running) < 2 * self._count and (some := list(islice(waiting, together or 1))):
                        running.add(threads.submit(self._call, case, some, together))
                    if not running:
                        break
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            finally:
                wait(running)

    def _call(self, case: str, some: list[Arguments], together: int) -> list[tuple[Arguments, Any]]:
        try:
            lane = self._free.get_nowait()
        except Empty:
            lane = _Lane()
            self._made.append(lane)
        given = lane.call(case, some, together)
        if lane.process.poll() is None:
            self._free.put(lane)
        return list(zip(some, given, strict=True))


def spread(case: str, cases: Iterable[Arguments], *, together: int = 0) -> Results:
    """The same with lanes of its own."""
    with Lanes() as lanes:
        yield from lanes.spread(case, cases, together=together)


def collect(report: Report, results: Results, kind: str) -> int:
    """Put what cases gave into a report, and tell how it goes on; how many cases were as they were meant to be."""
    hit = 0
    for number, (arguments, given) in enumerate(results, 1):
        report.done += 1
        hit += bool(given.get("hit"))
        said = given.get("violations", []) if "raised" not in given else [f"the case raised {given['raised']}"]
        report.violations += [f"{kind} {arguments}: {line}" for line in said]
        if number % 250 == 0:
            print(f"  {kind}: {number:,} done, {len(report.violations)} violations", file=sys.stderr, flush=True)
    return hit


class _Lane:
    """One interpreter that calls functions again and again."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.lanes import main; main()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])},
        )

    def call(self, case: str, cases: list[Arguments], together: int) -> list[Any]:
        """What the function gives for each case."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps([case, together, cases]).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = b""
        if line:
            return list(json.loads(line))
        return [{"raised": f"the lane itself ended with {self.process.wait()}"}] * len(cases)

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# --- In a lane


def main() -> None:
    """Be a lane: a line with cases in, a line with what their function gave for them out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and what is started here would inherit that
    import_penstock()
    if PLANT in os.environ:
        plant(os.environ[PLANT])
    gc.freeze()
    for line in sys.stdin:
        case, together, cases = json.loads(line)
        module, _, name = case.partition(":")
        function = getattr(importlib.import_module(module), name)
        answers.write(json.dumps((_in_children if together else _each)(function, cases)) + "\n")
        answers.flush()


def import_penstock() -> None:
    """All of it, so that no child has to."""
    import penstock

    for module in pkgutil.walk_packages(penstock.__path__, "penstock."):
        if not module.name.startswith(_NOT_NEEDED):
            importlib.import_module(module.name)


def _each(function: Callable[..., Any], cases: Sequence[Arguments]) -> list[Any]:
    return [_called(function, case) for case in cases]


def _called(function: Callable[..., Any], case: Arguments) -> Any:
    try:
        return function(**case)
    except Exception:
        return {"raised": traceback.format_exc()}


def _in_children(function: Callable[..., Any], cases: Sequence[Arguments]) -> list[Any]:
    ended = in_child(_each, function, cases)
    if ended.value is not None:
        return list(ended.value)
    if len(cases) == 1:
        return [{"raised": f"no good end: {ended}"}]
    return [given for case in cases for given in _in_children(function, [case])]

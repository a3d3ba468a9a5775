"""What fixed workloads cost, counted and not timed: the same on every machine, so that a test can compare it.

Each workload runs at two sizes in one thread, with a clock of its own; what a task adds is the difference. The
driver's own thread does its work when the run is over, so nothing depends on who is faster; only maps need it before,
and of them less is counted. Counted are

- events, batches in the journal (commits), those of them that were synced, and bytes of the journal;
- calls of Penstock's functions, and of what they call in Python: not of comprehensions, which are no calls since 3.12;
- blocks of memory that are still held when the run has ended, which is what runs of many tasks need;
- opcodes in Penstock's functions.

The last two are those of one version of Python: interpreters and compilers differ. `python -m bench counts` shows all,
and `... record` writes them down. What other versions need is forgotten where the rest has changed: it is of another
Penstock.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, cast

from bench.anatomy import part_of
from bench.contenders import body
from bench.graphs import GRAPHS
from bench.machine import ROOT
from penstock.clock import SystemClock

RECORDED = Path(__file__).parent / "counts.json"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PART = 0.02
"""A count may be off by so much: as dictionaries grow, the last digit of what a task costs is a matter of chance."""
LEAST = {"blocks": 1.5, "calls": 0.5, "opcodes": 10.0, "journal bytes": 0.5}
"""And by so much, however small it is."""
WORKLOADS = (*(f"{graph}, {store}" for graph in GRAPHS for store in ("memory", "durable")), "map, durable")
_SMALL, _LARGE = 200, 600
LOOK = 0.000_01
"""Seconds by which time goes on when somebody looks at the clock."""
OF_A_VERSION = ("blocks", "opcodes")
"""What is counted that another version of Python needs more or less of."""
_NO_CALLS = {"<listcomp>", "<dictcomp>", "<setcomp>"}

Counts = dict[str, float]
"""What is counted -> how much of it a task costs."""


class _Later:
    """A thread that does its work when it is waited for."""

    def __init__(self, target: Callable[[], None]) -> None:
        self._target: Callable[[], None] | None = target

    def join(self, timeout: float | None = None) -> None:
        target, self._target = self._target, None
        if target is not None:
            target()


class OwnClock(SystemClock):
    """The date stands still. The other clock goes on by as much each time when somebody looks at it."""

    time = staticmethod(lambda: 1_763_881_000.123456)
    _now = 1_000.0

    def monotonic(self) -> float:
        self._now += LOOK
        return self._now


class LonelyClock(OwnClock):
    """And nothing happens beside the caller."""

    def start(self, target: Callable[[], None], name: str) -> Any:
        return _Later(target)


class Tracer:
    """Counts the opcodes and calls of Penstock's functions while it is switched on."""

    def __init__(self) -> None:
        self.opcodes = self.calls = 0

    def __enter__(self) -> Tracer:
        sys.settrace(self._call)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if part_of(code.co_filename) is None and code.co_filename != "<string>":  # there dataclasses make their methods
            return None
        if code.co_name not in _NO_CALLS:
            self.calls += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._opcode

    def _opcode(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.opcodes += 1
        return self._opcode


def measure(workload: str) -> Counts:
    """One workload, in this process."""
    graph, _, store = workload.partition(", ")
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder,
        open(os.devnull, "w") as null,
        redirect_stdout(null),
    ):
        _run(graph, store, 20, Path(folder) / "first")
        small, large = (_run(graph, store, size, Path(folder) / str(size)) for size in (_SMALL, _LARGE))
    return {name: round((large[name] - small[name]) / (_LARGE - _SMALL), 3) for name in large}


def _run(graph: str, store: str, size: int, folder: Path) -> Counts:
    from penstock import WorkflowManager
    from penstock.store.records import encode_events

    manager = WorkflowManager("memory" if store == "memory" else f"sqlite:///{folder}", executor="inline")
    manager._clock = OwnClock() if graph == "map" else LonelyClock()  # maps are expanded beside the caller
    gc.collect()
    before, tracer, synced = sys.getallocatedblocks(), Tracer(), _Synced()
    with tracer, synced:
        flow = _flow(graph, size)
        run = manager.run(flow)
    gc.collect()
    held = sys.getallocatedblocks() - before
    batches = [events for _, events in manager.parts.store.read(run.id)]
    assert run.state == "success"
    manager.close()
    counts: Counts = {"events": sum(map(len, batches)), "blocks": held}
    if graph == "map":  # how many batches there are is a matter of who is faster
        batches = [[event for events in batches for event in events]]
    if store == "durable":
        counts["journal bytes"] = sum(len(encode_events(events)) for events in batches)
    if graph == "map":
        return counts
    return counts | {
        "commits": len(batches),
        "syncs": synced.count,
        "calls": tracer.calls,
        "opcodes": tracer.opcodes,
    }


class _Synced:
    """Counts commits that are synced."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        from penstock.store.sqlite.writer import Writer

        self._commit = commit = Writer.commit

        def counted(writer: Writer, work: Any, *, safe: bool = False) -> Any:
            self.count += safe
            return commit(writer, work, safe=safe)

        Writer.commit = counted  # type: ignore[method-assign, assignment]

    def __exit__(self, *exc: object) -> None:
        from penstock.store.sqlite.writer import Writer

        Writer.commit = self._commit  # type: ignore[method-assign]


def _flow(graph: str, size: int) -> Any:
    from bench.rows.maps import item, numbers
    from penstock import Task, Workflow

    flow = Workflow(graph)
    if graph == "map":
        with flow:
            item.expand(number=numbers(size))
        return flow
    for i, upstreams in GRAPHS[graph](size):
        flow.add_task(Task(f"t{i}", body, [f"t{u}" for u in upstreams], args=[i]))
    return flow


# --- What is on record


def recorded() -> dict[str, dict[str, Any]]:
    """Workload -> what is counted -> how much; of what is OF_A_VERSION, version -> how much."""
    return cast("dict[str, dict[str, Any]]", json.loads(RECORDED.read_text("utf-8")))


def compared(found: Mapping[str, Counts]) -> Iterator[tuple[str, str, float, float]]:
    """Workload, what is counted, what is on record, and what was found; of what is on record for this Python."""
    for workload, counts in recorded().items():
        for name, on_record in counts.items():
            wanted = on_record.get(VERSION) if name in OF_A_VERSION else on_record
            if wanted is not None:
                yield workload, name, wanted, found[workload][name]


def is_off(name: str, wanted: float, now: float) -> bool:
    """Whether what was found is not what is on record."""
    return abs(now - wanted) > max(PART * wanted, LEAST.get(name, 0.02))


def record(found: Mapping[str, Counts]) -> None:
    """Write down what was counted."""
    before = recorded() if RECORDED.exists() else {}
    lines = {
        workload: {**counts, **_of_versions(before.get(workload, {}), counts)} for workload, counts in found.items()
    }
    text = ",\n".join(f"{json.dumps(workload)}: {json.dumps(counts)}" for workload, counts in lines.items())
    RECORDED.write_text(f"{{\n{text}\n}}\n", "utf-8")


def _of_versions(before: Mapping[str, Any], counts: Counts) -> dict[str, dict[str, float]]:
    everywhere = {name: now for name, now in counts.items() if name not in OF_A_VERSION}
    same = before and not any(is_off(name, before.get(name, 0.0), now) for name, now in everywhere.items())
    others = before if same else {}
    return {
        name: dict(sorted({**others.get(name, {}), VERSION: counts[name]}.items()))
        for name in OF_A_VERSION
        if name in counts
    }


def in_fresh_process(*workloads: str) -> dict[str, Counts]:
    """Workloads, or all of them, in a process in which nothing else has happened."""
    command = [sys.executable, "-m", "bench", "counts", "json", *workloads]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return cast("dict[str, Counts]", json.loads(done.stdout))


def main(what: str, *workloads: str) -> None:
    """`show`, `record` or `json`."""
    if what == "json":
        print(json.dumps({workload: measure(workload) for workload in workloads or WORKLOADS}))
        return
    found = in_fresh_process()
    if what == "record":
        record(found)
    names = list(dict.fromkeys(name for counts in found.values() for name in counts))
    print(f"{f'a task, Python {VERSION}':24}" + "".join(f"{name:>15}" for name in names))
    for workload, counts in found.items():
        print(f"{workload:24}" + "".join(f"{counts[name]:15.2f}" if name in counts else f"{'':15}" for name in names))

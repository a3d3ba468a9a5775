"""One large value to one consumer: what is copied in memory, and written to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.contenders import disk
from bench.row import Aim, Figures, Row, figure
from penstock import WorkflowManager, task, workflow

_made: list[int] = []
"""The identity of the value that was made, where it was made in this process."""


@task
def make(kind: str, size: int) -> Any:
    """A value of so many bytes."""
    value = _KINDS[kind](size)
    _made.append(id(value))
    return value


@task
def take(value: Any) -> list[float]:
    """Whether it is the very object, and how many bytes of this process no file is behind."""
    assert value is not None
    return [float(id(value) in _made), float(_anonymous())]


@workflow
def passing(kind: str, size: int) -> None:
    """From one to the other."""
    take(make(kind, size))


def measure(kind: str, executor: str, size: int, folder: Path) -> Figures:
    """Pass a value of a kind, durable."""
    with WorkflowManager(f"sqlite:///{folder / 'store'}", executor, workers=2) as manager:
        began = perf_counter()
        run = manager.run(passing, kind=kind, size=size)
        seconds = perf_counter() - began
        same, anonymous = run.task("take").result
    return {
        "seconds": seconds,
        "written": disk(folder / "store") / size,
        "copied": 1 - same if executor == "threads" else anonymous / size,
    }


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _bytes(size: int) -> bytes:
    return b"x" * size


def _arrow(size: int) -> Any:
    pa: Any = import_module("pyarrow")
    column = pa.Array.from_buffers(pa.int64(), size // 8, [None, pa.py_buffer(b"x" * size)])
    return pa.table({"x": column})


def _polars(size: int) -> Any:
    import polars as pl

    return pl.DataFrame({"x": pl.zeros(size // 8, pl.Int64, eager=True)})


_KINDS: dict[str, Callable[[int], Any]] = {"bytes": _bytes, "arrow": _arrow, "polars": _polars}
_NEEDS = {"arrow": "pyarrow", "polars": "polars"}


def _aims() -> Iterator[Aim]:
    for kind in _KINDS:
        yield Aim(f"{kind}, threads: copies", 0, "times", figure(f"{kind}, threads", "copied"))
        part = f"{kind}, processes"
        yield Aim(f"{part}: written", 1.01, "times", figure(part, "written"))
        most = 1.15 if kind == "bytes" else 0.15  # bytes are an object of Python's own: there is nothing to map
        yield Aim(f"{part}: in the consumer's own memory", most, "times", figure(part, "copied"))


VALUE = Row(
    "value",
    "a value of 1 GB to one consumer, durable",
    {
        f"{kind}, {executor}": partial(measure, kind, executor)
        for kind in _KINDS
        if find_spec(_NEEDS.get(kind, "penstock"))
        for executor in ("threads", "processes")
    },
    1 << 30,
    1 << 26,
    [*_aims()],
    repeat=3,
    memory=4 << 30,
)

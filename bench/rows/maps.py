"""A map of a million items, durable: time, and what an item leaves in the driver's memory and in the store."""

from __future__ import annotations

import resource
from pathlib import Path
from time import perf_counter

from bench.contenders import disk
from bench.row import Aim, Figures, Row, figure
from penstock import Workflow, WorkflowManager, task


@task
def numbers(size: int) -> range:
    """Something to map over that takes no memory, so that what is measured is not the user's."""
    return range(size)


@task
def item(number: int) -> None:
    """One of them."""


def measure(size: int, folder: Path) -> Figures:
    """Run a map of so many items."""
    _run(10, folder / "first")
    before = resident()
    seconds = _run(size, folder / "store")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    kept = sum(disk(part) for part in (folder / "store").iterdir() if part.is_dir())
    store = disk(folder / "store") - kept
    return {
        "us": seconds / size * 1e6,
        "seconds": seconds,
        "driver": (after - before) / size,
        "store": store / size,
        "kept": kept / size,
    }


def _run(size: int, folder: Path) -> float:
    with Workflow("map") as flow:
        item.expand(number=numbers(size))
    with WorkflowManager(f"sqlite:///{folder}") as manager:
        began = perf_counter()
        run = manager.run(flow)
        seconds = perf_counter() - began
        assert run.state == "success"
        assert run.counts == {"success": size + 1}
        return seconds


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


MAP = Row(
    "map",
    "a map of 1,000,000 items, durable",
    {"durable": measure},
    1_000_000,
    20_000,
    [
        Aim("time", 15, "us an item", figure("durable", "us")),
        Aim("in the driver", 64, "bytes an item", figure("durable", "driver")),
        Aim("in the store", 40, "bytes an item", figure("durable", "store")),
    ],
    memory=4 << 30,
)

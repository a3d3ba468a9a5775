"""What the conformance suite of stores works with: a store, a run, a lease, events of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
    Event,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    MessageReceived,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksMarked,
    TasksRerun,
    TaskWoken,
    ValueRef,
)
from penstock.store.base import Lease, RunRow, Store

T = TypeVar("T")

EVERY_EVENT: list[Event] = [
    RunStarted(1.5),
    RunStarted(1.5, "ab" * 16),
    AttemptStarted(0, 1, 2.5),
    AttemptSucceeded(0, 1, 3.25),
    AttemptSucceeded(1, 1, 3.25, ValueRef("json", 4, None, "null")),
    AttemptSucceeded(2, 7, 3.25, ValueRef("pickle", 1 << 40, "ab" * 32)),
    AttemptSucceeded(6, 1, 3.25, chosen=(7, 8)),
    AttemptSucceeded(6, 2, 3.25, cpu=1_500_000),
    AttemptSucceeded(6, 3, 3.25, ValueRef("json", 4, None, "null"), (7,), 1_500_000, 1 << 30),
    AttemptSkipped(6, 1, 3.25, "nothing to do"),
    AttemptSkipped(6, 4, 3.25, "nothing to do", 12_000, 1 << 30),
    AttemptFailed(3, 1, 4.0, ErrorText("builtins.ValueError", "no \ud800 \x00 'quotes' \u2028", "Traceback\n  ...")),
    AttemptFailed(3, 2, 4.0, ErrorText("E", ""), retryable=False),
    AttemptFailed(3, 3, 4.0, ErrorText("E", ""), delay=2.5),
    AttemptFailed(3, 5, 4.0, ErrorText("E", ""), cpu=1, memory=2),
    AttemptFailed(3, 4, 4.0, ErrorText("E", "", "", "cGlja2xlZA=="), False),
    AttemptLost(4, 1, 5.0, ErrorText("WorkerLost", "signal 9")),
    AttemptCancelled(5, 1, 6.0),
    RetryDue(3, 7.0),
    AttemptDeferred(5, 1, 6.0),
    AttemptDeferred(5, 2, 6.0, 86400.5),
    AttemptDeferred(5, 3, 6.0, None, "go ahead"),
    TaskWoken(5, 7.0),
    MessageReceived(7.5, "go ahead", None, "ann"),
    MessageReceived(7.5, "go ahead", ValueRef("json", 4, None, "true"), "ann"),
    MapExpanded(4, 7.0, 3),
    MapExpanded(4, 7.0, 2, ("north", "south")),
    ExpansionFailed(4, 7.0, ErrorText("TypeError", "no list")),
    GroupRetryDue(0, -1, 7.0),
    CancelRequested(8.0, "somebody"),
    RunTimedOut(9.0),
    DriverStopped(10.0, "SIGTERM"),
    RunResumed(11.0),
    TasksRerun(12.0, (1, 2, 3)),
    TasksMarked(12.0, (1, 2), "skipped", "ann", "why"),
    PlanAdopted(13.0, "f" * 64),
    NotifiersSet(14.0, ("slack", "")),
    NotifiersSet(14.5, ("slack", "mail"), ("task_failed run_started", "")),
    NoticeDelivered(15.0, "run/task/0/1/failed"),
    NoticeDropped(16.0, "run/task/0/1/failed", "OSError: no network"),
]


def new_run(id: str = "run-1", **values: object) -> RunRow:
    """A run to put on record."""
    row = RunRow(id, "flights", "queued", '{"day": "2013-01-01"}', "plan-a", "flights.py:flights", 1000.0)
    return replace(row, **values)  # type: ignore[arg-type]


class StoreSamples:
    """How a store is opened, and what is in it when a test begins."""

    def open(self, folder: Path) -> Store:
        """A store that keeps what it keeps in `folder`, or under that name: to open it there again, once it was closed,
        gives what was written back, if the store is durable."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """A new store, with the run "run-1" on record."""
        store = self.open(tmp_path / "store")
        store.create_run(new_run(), b"a plan")
        yield store
        store.close()

    @pytest.fixture
    def lease(self, store: Store) -> Lease:
        """The lease of "run-1"."""
        return store.acquire("run-1")


def in_threads(work: Callable[[int], T], count: int) -> list[T]:
    """The work of so many threads at once, each with its number."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))

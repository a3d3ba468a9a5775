"""Bugs to plant into the processes of a campaign, which must then find its violations. Lanes plant the one that the
environment names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from time import sleep
from typing import Any

from penstock.engine.events import Event
from penstock.results import files
from penstock.results.files import FileResults
from penstock.store.base import Lease
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.writer import Writer

PLANT = "PLANTED_BUG"
"""The environment variable."""


def commits_that_are_never_synced() -> None:
    """What should be safe is only written."""
    commit = Writer.commit

    def unsafe(self: Writer, work: Callable[[Any], Any], *, safe: bool = False) -> Any:
        return commit(self, work)

    Writer.commit = unsafe  # type: ignore[method-assign]


def values_that_are_never_synced() -> None:
    """The journal may refer to values that are not on the disk."""
    make = FileResults.__init__

    def careless(self: FileResults, *args: Any, **how: Any) -> None:
        make(self, *args, **{**how, "sync": False})

    FileResults.__init__ = careless  # type: ignore[method-assign]


def batches_that_are_acknowledged_too_early() -> None:
    """Each is written with the next one that must be safe."""
    append = SQLiteStore.append
    held: list[Event] = []

    def early(self: SQLiteStore, lease: Lease, events: Sequence[Event], **how: Any) -> None:
        held.extend(events)
        if how.get("safe") or how.get("change"):
            append(self, lease, [*held], **how)
            held.clear()

    SQLiteStore.append = early  # type: ignore[method-assign]


def errors_of_the_disk_that_look_like_the_tasks() -> None:
    """What goes wrong with writing a value is not told apart from what goes wrong with encoding it."""
    vars(files)["_store_error"] = lambda what: nullcontext()


def values_whose_digests_nobody_compares() -> None:
    """A damaged value is read."""
    FileResults._verify = lambda self, digest, file: None  # type: ignore[method-assign]


def times_that_are_decided_before_their_runs_are_on_record() -> None:
    """Who is killed in between leaves a time without a run."""
    decide = SQLiteStore.decide

    def hasty(self: SQLiteStore, workflow: str, upto_was: float, upto: float, runs: Any = (), missed: Any = ()) -> bool:
        if not decide(self, workflow, upto_was, upto, (), missed):
            return False
        for run, plan in runs:
            sleep(0.05)
            self.create_run(run, plan)
        return True

    SQLiteStore.decide = hasty  # type: ignore[method-assign,assignment]


def plant(name: str) -> None:
    """Plant the bug of this name in this process."""
    globals()[name]()

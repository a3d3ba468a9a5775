"""`python -m tests.faults.planted KIND FOLDER`: drive the campaigns' reference run with a bug, and say what they find.

A process of its own, since a campaign listens to the store in all of the process that drives.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from penstock.engine.events import Event, NoticeDelivered
from penstock.executor import invoke
from penstock.executor.arguments import Arguments
from penstock.runtime import journal
from penstock.runtime.driver import RunDriver
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.leases import SQLiteLease
from tests.faults.driving import Variant, drive
from tests.faults.ledger import note
from tests.faults.noting import LEDGER
from tests.faults.promise import broken_promises


def nothing() -> None:
    """No bug at all."""


def body_left_out() -> None:
    """A body that is not called, and has succeeded all the same."""
    call = invoke._call

    def lazy(attempt: Any, prepared: Any) -> Any:
        return "done" if attempt.name == "keyed" else call(attempt, prepared)

    invoke._call = lazy


def batch_forgotten() -> None:
    """A batch that was acknowledged, and never written."""
    append = SQLiteStore.append

    def forgetful(self: SQLiteStore, lease: Any, events: Sequence[Event], **how: Any) -> None:
        kept = [event for event in events if not isinstance(event, NoticeDelivered)]
        append(self, lease, kept, **how)

    SQLiteStore.append = forgetful  # type: ignore[method-assign]


def start_not_safe() -> None:
    """A body whose start must be safe first, and is not."""
    start = RunDriver.start_next

    def hasty(self: RunDriver) -> Any:
        attempt = start(self)
        if attempt is not None:
            attempt.committed = False
        return attempt

    RunDriver.start_next = hasty  # type: ignore[method-assign,assignment]
    # Or it might be made safe in time by what else is going on.
    journal.SAFE_WITHIN = 60.0
    add = journal.JournalWriter.add
    journal.JournalWriter.add = lambda self, event, taken=None, *, safe=False: add(self, event, taken)  # type: ignore[method-assign]
    flush = journal.JournalWriter.flush

    def write(self: journal.JournalWriter, until: int, *, safe: bool = False) -> None:
        flush(self, until)

    journal.JournalWriter.flush = write  # type: ignore[method-assign]


def lease_kept() -> None:
    """A lease that is not given back."""
    SQLiteLease.release = lambda self: None  # type: ignore[method-assign]


def items_mixed_up() -> None:
    """An instance of a map that is given the item of the one before."""
    of = Arguments.of

    def shifted(self: Arguments, task: int) -> Any:
        return of(self, task - 1 if self._engine.index(task) > 0 else task)

    Arguments.of = shifted  # type: ignore[method-assign,assignment]


def hasty_teardown() -> None:
    """A teardown that begins with what it is to clear away after."""
    take = RunDriver.start_next

    def early(self: RunDriver) -> Any:
        attempt = take(self)
        if attempt is not None and attempt.name == "use_room":
            note(os.environ[LEDGER], "start", task="close_room", attempt=1, generation=0, inputs="")
        return attempt

    RunDriver.start_next = early  # type: ignore[method-assign,assignment]


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        nothing,
        body_left_out,
        batch_forgotten,
        start_not_safe,
        lease_kept,
        items_mixed_up,
        hasty_teardown,
    )
}
FOUND = "--- found"
"""What stands before what the campaigns find, since bodies print too."""


if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    variant = Variant(volatile=False)
    BUGS[kind]()
    drive(folder, variant)
    print(FOUND, *broken_promises(Path(folder), variant), sep="\n")

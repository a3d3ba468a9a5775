"""What the children of a campaign do: drive the reference run in a folder, from its beginning or from where it stands.

The folder holds `store` and `ledger`. The store is the real one; it is only listened to, so that the ledger tells what
it has acknowledged.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from penstock import WorkflowManager
from penstock.engine.events import Event
from penstock.runtime.record import Run
from penstock.store.base import Lease
from penstock.store.records import encode_events
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite import writer as sqlite_writer
from tests.faults.ledger import note
from tests.faults.noting import LEDGER
from tests.faults.reference import reference
from tests.faults.reference_waits import POOL, SLOTS


@dataclass(frozen=True)
class Variant:
    """How the reference run is done."""

    executor: str = "threads"
    workers: int = 3
    volatile: bool = True
    fails: bool = False
    waits: bool = False
    durability: str = "full"
    log_pages: int = 12
    """Pages in the write-ahead log after which it is copied. So short a run never reaches the store's own number."""
    size: int = 3

    @property
    def flags(self) -> dict[str, bool]:
        """What shapes the workflow."""
        return {"volatile": self.volatile, "fails": self.fails, "waits": self.waits}

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the run."""
        return {"size": self.size, **self.flags}

    def manager(self, folder: Path) -> WorkflowManager:
        """A manager for the store of a campaign's folder."""
        workers = None if self.executor == "inline" else self.workers
        store = f"sqlite:///{folder}/store"
        return WorkflowManager(store, self.executor, workers=workers, observers=[], durability=self.durability)


def of_events(events: Sequence[Event]) -> str:
    """Tells batches apart."""
    return blake2b(encode_events(events), digest_size=8).hexdigest()


def listen_to_the_store() -> None:
    """Have every acknowledgement of stores in this process noted, before anybody can act on it.

    Written batches are numbered, so that a sync says how many of them it came after."""
    guard = threading.Lock()
    noted = 0
    append, sync = SQLiteStore.append, SQLiteStore.sync

    def listened_append(self: SQLiteStore, lease: Lease, events: Sequence[Event], **how: Any) -> None:
        nonlocal noted
        before = noted
        append(self, lease, events, **how)
        with guard:
            noted += 1
            note(
                os.environ[LEDGER],
                "written",
                by=os.getpid(),
                number=noted,
                run=lease.run_id,
                at=time.monotonic(),
                batch=of_events(events),
                safe=how.get("safe", False),
                safe_until=before if how.get("safe", False) else 0,
            )

    def listened_sync(self: SQLiteStore) -> None:
        before = noted
        sync(self)
        with guard:
            note(os.environ[LEDGER], "safe", by=os.getpid(), safe_until=before)

    SQLiteStore.append = listened_append  # type: ignore[method-assign]
    SQLiteStore.sync = listened_sync  # type: ignore[method-assign]


def prepare(folder: Path, variant: Variant) -> None:
    """Make this process one that drives reference runs, in this folder until another is named."""
    folder.mkdir(parents=True, exist_ok=True)
    is_first = LEDGER not in os.environ
    os.environ[LEDGER] = str(folder / "ledger")
    sqlite_writer._LONG = variant.log_pages
    if is_first:
        listen_to_the_store()


def go_on(folder: Path, variant: Variant, *, adopt: bool = False) -> Run:
    """Begin the run, or go on with it if there is one, and note what this caller was told."""
    with variant.manager(folder) as manager:
        found = [run for run in manager.runs() if run.parent is None]
        note(folder / "ledger", "driven", state=found[0].state if found else None, adopt=adopt)
        if found:
            run = manager.resume(found[0].id, workflow=reference, raise_on_failure=False, adopt=adopt)
        else:
            if variant.waits:
                manager.set_pool(POOL, SLOTS)
            run = manager.run(reference, params=variant.params, raise_on_failure=False)
        note(folder / "ledger", "told", state=run.state)
        return run


def drive(folder: str, variant: Variant, adopt: bool = False) -> str:
    """The same in a child of its own; the run's state."""
    place = Path(folder)
    prepare(place, variant)
    return go_on(place, variant, adopt=adopt).state

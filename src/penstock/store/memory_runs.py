"""What a MemoryStore keeps of each run, and how it is driven."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.engine.events import Event
from penstock.store.base import Durations, Holder, Message, RunChange, RunRow
from penstock.store.bell import Bell


class MemoryLease:
    """The right to drive one run of a MemoryStore."""

    def __init__(self, run_id: str, token: int, give_back: Callable[[MemoryLease], None]) -> None:
        self.run_id = run_id
        self.token = token
        self.lost = False
        self._holder = os.getpid(), os.uname().nodename, time.time()
        self._give_back = give_back

    @property
    def holder(self) -> Holder:
        """This process, which is heard as long as anybody can ask."""
        return Holder(*self._holder, heard_at=time.time())

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._give_back(self)


class MemoryListener(Bell):
    """Where the driver of a run of a MemoryStore sleeps."""

    def __init__(self, forget: Callable[[MemoryListener], None]) -> None:
        super().__init__()
        self._forget = forget

    def close(self) -> None:
        """Stop listening."""
        self._forget(self)


@dataclass(slots=True)
class MemoryRun:
    """Everything on record of one run."""

    row: RunRow
    followed: set[str]
    """The fingerprints of all plans that the run ever followed: each is needed to replay its journal."""
    journal: list[list[Event]] = field(default_factory=list)
    inbox: dict[int, Message] = field(default_factory=dict)
    listeners: set[MemoryListener] = field(default_factory=set)
    durations: Durations | None = None
    lease: MemoryLease | None = None
    leases: int = 0

    def change(self, change: RunChange) -> None:
        """Give the row new values."""
        values: dict[str, Any] = dict.fromkeys(("ended_at", "error")) if change.reopened else {}
        for name in ("state", "tasks", "started_at", "ended_at", "error", "counts", "undelivered"):
            value = getattr(change, name)
            if value is not None:
                values[name] = value
        if change.state is not None:
            wake_at = 0.0 if self.inbox else change.wake_at
            values["wake_at"] = wake_at if change.state == "waiting" else None
        self.row = replace(self.row, **values)

"""Noticing what changes in a store, whoever changes it, for all who listen: one thread looks, and only while somebody
does."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple

from penstock.api.reading import Reading
from penstock.errors import RunNotFound
from penstock.runtime.history import ENDED
from penstock.store.base import RunRow

LOOK = 0.04
"""Seconds between two looks whether anything has changed."""
GAP = 0.1
"""Seconds between two updates at least: 10 a second are as many as anybody can see."""
ANYWAY = 1.0
"""Seconds after which it is looked at even if nothing was written: a driver that dies writes nothing."""
LINGER = 60.0
"""Seconds for which changes are noticed after the last who listened has gone."""
_KEPT = 200
"""Updates that are kept for those who come back."""
_NEWEST = 100
_LOG = logging.getLogger("penstock.api")


class Update(NamedTuple):
    """What has changed."""

    number: int
    name: str
    data: dict[str, Any]


class _Known(NamedTuple):
    row: RunRow
    summary: dict[str, Any]


class Watch:
    """Updates about the runs of a store, in order. An update's name is that of an era and a number in it: a new era
    begins whenever nobody has looked for a while."""

    def __init__(self, read: Reading) -> None:
        self._read = read
        self._lock = threading.Lock()
        """Held for moments only: the loop that answers requests takes it too."""
        self._looking = threading.Lock()
        self._ears: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._era = ""
        self._number = 0
        self._updates: deque[Update] = deque(maxlen=_KEPT)
        self._known: dict[str, _Known] = {}
        self._is_thorough = True
        self._thorough_at = 0.0

    @property
    def stopping(self) -> bool:
        """Whether the server is about to end."""
        return self._read.stopping.is_set()

    @property
    def position(self) -> str:
        """What comes after this is noticed from now on, for a minute at least."""
        self._see_to_it()
        with self._lock:
            return f"{self._era}-{self._number}"

    @contextmanager
    def ear(self) -> Iterator[asyncio.Event]:
        """An event of this loop that is set whenever something may have changed."""
        event = asyncio.Event()
        with self._lock:
            self._ears[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self._lock:
                self._ears.pop(event, None)

    def after(self, position: str) -> list[Update] | None:
        """What has come after a position; None if that is not known any more."""
        era, _, number = position.partition("-")
        with self._lock:
            if era != self._era or not number.isdecimal() or int(number[:12]) > self._number:
                return None
            first = self._updates[0].number if self._updates else self._number + 1
            if int(number) < first - 1:
                return None
            return [update for update in self._updates if update.number > int(number)]

    def name(self, update: Update) -> str:
        """The position of an update."""
        return f"{self._era}-{update.number}"

    # --- Looking

    def _see_to_it(self) -> None:
        """Have somebody look from now on."""
        if self._is_looked():
            return
        with self._looking:
            if self._is_looked():
                return
            with self._lock:
                self._era, self._number = secrets.token_hex(4), 0
                self._updates.clear()
            self._known.clear()
            self._look(tell=False)
            thread = threading.Thread(target=self._go_on, name="penstock-api-watch", daemon=True)
            with self._lock:
                self._thread = thread
            thread.start()

    def _is_looked(self) -> bool:
        """Whether somebody looks, and does so for another while."""
        with self._lock:
            self._wanted_at = monotonic()
            return self._thread is not None

    def _go_on(self) -> None:
        changes, looked = self._changes(), 0.0
        while not self._read.stopping.wait(LOOK):
            now = monotonic()
            with self._lock:
                self._wanted_at = now if self._ears else self._wanted_at
                if now - self._wanted_at > LINGER:
                    self._thread = None
                    return
            try:
                found = self._changes()
                if found == changes and now - looked < ANYWAY:
                    continue
                changes, looked = found, now
                with self._looking:
                    self._look(tell=True)
            except Exception as error:  # whoever listens is told again when the store can be read again
                _LOG.warning("what changes cannot be read: %s: %s", type(error).__name__, error)
            self._wake()
            self._read.stopping.wait(GAP - LOOK)
        self._wake()

    def _changes(self) -> int:
        return self._read.store.changes()

    def _wake(self) -> None:
        with self._lock:
            for event, loop in [*self._ears.items()]:
                try:
                    loop.call_soon_threadsafe(event.set)
                except RuntimeError:  # that loop has ended
                    self._ears.pop(event)

    def _look(self, *, tell: bool) -> None:
        read = self._read
        now = monotonic()
        self._is_thorough = now - self._thorough_at >= ANYWAY
        self._thorough_at = now if self._is_thorough else self._thorough_at
        rows = {row.id: row for row in (*read.store.runs(limit=_NEWEST), *read.store.unfinished())}
        gone = []
        for run_id in [run_id for run_id in self._known if run_id not in rows]:
            if self._known[run_id].row.state in ENDED:
                del self._known[run_id]
                continue
            try:
                rows[run_id] = read.row(run_id)
            except RunNotFound:
                gone.append(run_id)
                del self._known[run_id]
        changed = [summary for row in rows.values() if (summary := self._differs(row)) is not None]
        if tell and (changed or gone):
            self._tell("runs", {"runs": changed, "gone": gone})

    def _differs(self, row: RunRow) -> dict[str, Any] | None:
        """The run, if it is not as it was."""
        before = self._known.get(row.id)
        if before is not None and before.row == row and not self._may_differ(row):
            return None
        summary = self._read.summary(row)
        self._known[row.id] = _Known(row, summary)
        return summary if before is None or before.summary != summary else None

    def _may_differ(self, row: RunRow) -> bool:
        """Whether a run may be another though its row is not: its driver may have died, or it may ask somebody."""
        return row.state == "running" and (self._is_thorough or self._read.asks_somebody(row.plan))

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._number += 1
            self._updates.append(Update(self._number, name, data))

"""Which runs on record are to be taken up by this service: those that nobody drives, and parked ones that are due."""

from __future__ import annotations

import os
from collections.abc import Collection
from math import inf

from penstock.clock import Clock
from penstock.engine.events import DriverStopped
from penstock.runtime.history import ENDED
from penstock.runtime.loader import split_target
from penstock.runtime.logical_times import counts_from
from penstock.service.catalog import Catalog
from penstock.service.fleet import Handed
from penstock.store.base import RunRow, Store

_THEIRS = 1.0
"""Seconds for which a run is left to the service that has just put it on record."""
_PUT_OFF = (1.0, 600.0)
"""Seconds after which a run is tried again that came back undone: the first time, and at most, twice as long each time.
It may be that its code does not fit it now, or that somebody else was faster."""


class Adopter:
    """See the module's text. A run belongs to a service if its file is one of the service's."""

    def __init__(self, store: Store, clock: Clock, catalog: Catalog, folder: str) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._folder = folder
        self._put_off: dict[str, tuple[float, float]] = {}
        self._left: dict[str, float | None] = {}
        """Runs that somebody has stopped, and goes on with himself: with the time of their beginning."""
        self.look_again_at = inf
        """When something may be there to be taken up that was left alone, by the monotonic clock."""

    def find(self, assigned: Collection[str]) -> list[Handed]:
        """What nobody drives and has something to do."""
        now = self._clock.monotonic()
        self.look_again_at = inf
        rows = self._store.unfinished()
        ids = {row.id for row in rows if row.state not in ENDED}
        found = []
        for row in rows:
            if row.id in assigned or (row.part is not None and row.parent in ids):
                continue
            handed = self.handed(row)
            if handed is not None and self._store.holder(row.id) is None and not self._is_left(row, now):
                found.append(handed)
        self._left = {id: at for id, at in self._left.items() if id in ids}
        return found

    def find_due(self, assigned: Collection[str]) -> list[Handed]:
        """The parked runs whose time has come, those that have been due for longest first."""
        now = self._clock.monotonic()
        rows = self._store.due(self._clock.time())
        rows = [row for row in rows if row.id not in assigned and not self._is_put_off(row.id, now)]
        found = [self.handed(row) for row in rows if self._store.holder(row.id) is None]
        return [handed for handed in found if handed is not None]

    def handed(self, row: RunRow) -> Handed | None:
        """A run as it is handed to a driver; None if it is not this service's, or its code cannot be used now."""
        if row.source is None:
            return None
        path = split_target(row.source)[0]
        if not path.endswith(".py"):
            return None  # it was run by the name of its module
        if not path.startswith(self._folder + os.sep):
            path = os.path.realpath(path)  # it may have been run through a link
            if not path.startswith(self._folder + os.sep):
                return None
        due_at = counts_from(row)
        if row.parent is None:
            known = self._catalog.workflows.get(row.workflow)
            return None if known is None or known.error else Handed(row.id, row.workflow, known.file, False, due_at)
        file = self._catalog.files.get(path)
        if file is None or file.error is not None or not file.is_loaded:
            return None
        return Handed(row.id, row.workflow, path, True, due_at)

    def put_off(self, run_id: str) -> None:
        """Try a run again later that came back undone."""
        first, most = _PUT_OFF
        pause = min(self._put_off[run_id][1] * 2, most) if run_id in self._put_off else first
        now = self._clock.monotonic()
        self._put_off[run_id] = now + pause, pause
        if len(self._put_off) > 10_000:
            self._put_off = {id: put for id, put in self._put_off.items() if put[0] + put[1] > now}

    def try_now(self) -> None:
        """There is other code: what was refused may fit it."""
        self._put_off.clear()

    def _is_put_off(self, run_id: str, now: float) -> bool:
        until = self._put_off.get(run_id, (0.0, 0.0))[0]
        if until > now:
            self.look_again_at = min(self.look_again_at, until)
            return True
        return False

    def _is_left(self, row: RunRow, now: float) -> bool:
        """Whether a run that nobody drives is left alone for now."""
        if self._is_put_off(row.id, now):
            return True
        age = self._clock.time() - row.created_at
        if row.state == "queued" and row.trigger == "schedule" and 0 <= age < _THEIRS:
            self.look_again_at = min(self.look_again_at, now + _THEIRS - age)
            return True
        if row.state == "running" and row.trigger == "manual":
            return self._is_somebodys(row)
        return False

    def _is_somebodys(self, row: RunRow) -> bool:
        """Whether somebody has stopped a run with Ctrl-C: it is theirs to go on with it."""
        if row.id in self._left and self._left[row.id] == row.started_at:
            return True
        reason = ""
        for _, events in self._store.read(row.id):
            for event in events:
                reason = event.reason if isinstance(event, DriverStopped) else ""
        if reason == "SIGINT":
            self._left[row.id] = row.started_at
        return reason == "SIGINT"

"""Runs as their journals tell them, kept in memory between requests: of one that goes on, only what is new is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock, RLock
from typing import Any, cast

from penstock.engine.events import Event
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.errors import StoreCorrupt
from penstock.runtime.attempts import AttemptRun, Chronicle
from penstock.runtime.replay import replay
from penstock.store.base import RunRow, Store

MOST_TASKS = 100_000
"""So many tasks are kept in memory, of all runs together; but always those of the latest run."""


class Replay:
    """One run, up to where it has been read, or as it was after the batch `upto`. For one thread at a time."""

    def __init__(self, store: Store, row: RunRow, upto: int | None = None) -> None:
        reading = _Reading(store, upto)
        if upto is not None:  # as it was when it had not ended yet
            row = replace(row, state="queued", started_at=None, ended_at=None)
        found: list[Chronicle] = []

        def follow(engine: RunEngine) -> Callable[[Event], None]:
            found.append(Chronicle(engine))
            return found[0].handle

        self.engine = replay(cast("Store", reading), row, follow)
        self.position = reading.last
        """The number of the batch that was read last."""
        self.chronicle = found[0]
        self._store = store

    @property
    def attempts(self) -> list[AttemptRun]:
        """All attempts, in the order in which they began."""
        return self.chronicle.attempts

    def read_on(self) -> None:
        """Read what has come since."""
        run_id = self.engine.run_id
        for number, events in self._store.read(run_id, self.position):
            try:
                for event in events:
                    self.chronicle.handle(event)
            except (InvalidEvent, IndexError) as error:
                raise StoreCorrupt(f"batch {number} of run {run_id} does not fit what came before: {error}") from error
            self.position = number


class Replays:
    """The runs that were asked for lately."""

    def __init__(self, store: Store, most_tasks: int = MOST_TASKS) -> None:
        self._store = store
        self._most_tasks = most_tasks
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[RLock, list[Replay]]] = OrderedDict()

    @contextmanager
    def of(self, row: RunRow) -> Iterator[Replay]:
        """A run as its journal has it by now, for this thread alone as long as it is looked at."""
        with self._lock:
            lock, kept = self._known.setdefault(row.id, (RLock(), []))
            self._known.move_to_end(row.id)
        with lock:
            try:
                if kept:
                    kept[0].read_on()
                else:
                    kept.append(Replay(self._store, row))
            except BaseException:
                kept.clear()
                with self._lock:
                    self._known.pop(row.id, None)
                raise
            yield kept[0]
        self._forget()

    def _forget(self) -> None:
        """Let go of the runs that nobody has asked for longest."""
        with self._lock:
            total = 0
            for number, run_id in enumerate([*reversed(self._known)]):
                kept = self._known[run_id][1]
                total += len(kept[0].engine.states) if kept else 0
                if total > self._most_tasks and number:
                    del self._known[run_id]


class _Reading:
    """A store that notes how far a journal was read, and reads none further than it is to."""

    def __init__(self, store: Store, upto: int | None) -> None:
        self.last = 0
        self._store = store
        self._upto = upto

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        for number, events in self._store.read(run_id, after):
            if self._upto is not None and number > self._upto:
                return
            yield number, events
            self.last = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

"""Tells of runs that have not ended by their deadline, while they still go on."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

from penstock.clock import Clock
from penstock.errors import RunNotFound
from penstock.runtime.history import ENDED
from penstock.service.fleet import Handed
from penstock.store.base import Store


class Deadlines:
    """`late` is called with each run that has not ended at its time, and that time."""

    def __init__(self, store: Store, clock: Clock, late: Callable[[Handed, float], None]) -> None:
        self._store = store
        self._clock = clock
        self._late = late
        self._moments: list[tuple[float, str]] = []
        self._runs: dict[str, Handed] = {}

    def watch(self, run: Handed, at: float) -> None:
        """From now on see whether a run has ended at a time. Of one that is watched already nothing changes."""
        if run.run_id not in self._runs:
            self._runs[run.run_id] = run
            heappush(self._moments, (at, run.run_id))

    @property
    def next_at(self) -> float:
        """When `step` has something to do, in seconds since 1970."""
        return self._moments[0][0] if self._moments else inf

    def step(self) -> None:
        """Tell of those whose time is up. Each is told of once by this service."""
        while self.next_at <= self._clock.time():
            at, run_id = self._moments[0]
            try:
                has_ended = self._store.run(run_id).state in ENDED
            except RunNotFound:
                has_ended = True
            heappop(self._moments)
            run = self._runs.pop(run_id)
            if not has_ended:
                self._late(run, at)

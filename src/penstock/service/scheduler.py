"""When which workflow is decided about, and what comes of it: runs on record, with the cursor past their times.

It sleeps until the next workflow is due, however many there are. What it decides is safe, and decided once, whoever
else serves the same workflows: the store sees to that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from math import inf

from penstock.clock import Clock
from penstock.errors import ScheduleNotFound, StoreError
from penstock.runtime.coming import schedule_on_record
from penstock.service.catalog import Known
from penstock.service.deciding import commit
from penstock.store.base import RunRow, Store
from penstock.store.schedules import ScheduleRow
from penstock.timetable import At
from penstock.timetable.due import Decision, decide, first_cursor

AGAIN = 0.2
"""Seconds after which it is tried again what another service was faster with."""
_AT_ONCE = 100
"""How many decisions about one workflow follow each other before others have their turn."""

Told = Callable[[RunRow], None]
Ask = Callable[[Known, float], None]


class Scheduler:
    """See the module's text. `told` is given each run that it creates. `ask` is called where the next instants of a
    workflow are only known to its own code, which are then given to `tell`."""

    def __init__(self, store: Store, clock: Clock, told: Told, ask: Ask = lambda known, after: None) -> None:
        self._store = store
        self._clock = clock
        self._told = told
        self._ask = ask
        self._known: dict[str, Known] = {}
        self._own: dict[str, At | None] = {}
        """The instants that were told of timetables which only their own code knows; None if nothing comes any more."""
        self._at: dict[str, float] = {}
        """When each is to be decided about."""
        self._moments: list[tuple[float, str]] = []
        self._held: set[str] = set()
        """Those that wait for something else than a time: that runs end, or that somebody lets them go on."""

    # --- What there is

    def know(self, known: Known) -> None:
        """Decide about a workflow from now on, as its code is now."""
        self._known[known.name] = known
        self._own.pop(known.name, None)
        self.look_at(known.name)

    def forget(self, name: str) -> None:
        """Decide about it no more."""
        for table in (self._known, self._own, self._at):
            table.pop(name, None)
        self._held.discard(name)

    def tell(self, name: str, times: At | None) -> None:
        """The next instants of a workflow, of which only its code knows; None if nothing comes any more."""
        if name in self._known:
            self._own[name] = times
            self.look_at(name)

    def look_at(self, name: str, seconds: float = 0.0) -> None:
        """Decide about a workflow when `step` is called next, or so many seconds later: something may have changed."""
        if name in self._known:
            self._wake(name, self._clock.time() + seconds if seconds else 0.0)

    def look_at_held(self) -> None:
        """Decide about those that wait for something else than a time."""
        for name in [*self._held]:
            self.look_at(name)

    # --- Deciding

    @property
    def next_at(self) -> float:
        """When `step` has something to do, in seconds since 1970; infinity for never."""
        while self._moments and self._at.get(self._moments[0][1]) != self._moments[0][0]:
            heappop(self._moments)
        return self._moments[0][0] if self._moments else inf

    def step(self) -> None:
        """Decide about what is due."""
        now = self._clock.time()
        while self.next_at <= now:
            name = heappop(self._moments)[1]
            del self._at[name]
            try:
                wake_at = self._decide(name)
            except ScheduleNotFound:  # somebody has it forgotten
                self.forget(name)
                continue
            except StoreError:
                self._wake(name, now + AGAIN)
                raise
            if name not in self._at:  # else something has happened meanwhile
                self._wake(name, wake_at)

    def _wake(self, name: str, at: float) -> None:
        if at == inf:
            self._at.pop(name, None)
            return
        self._at[name] = at
        if len(self._moments) > 4 * len(self._known) + 64:
            self._moments = [(moment, name) for name, moment in self._at.items()]
            heapify(self._moments)
        else:
            heappush(self._moments, (at, name))

    def _decide(self, name: str) -> float:
        """Decide about a workflow; when to do so again."""
        known = self._known[name]
        self._held.discard(name)
        for _ in range(_AT_ONCE):
            row = self._store.schedule(name)
            if row.paused or row.text is None:
                self._held.add(name)
                return inf
            if row.timetable is None and not self._is_told(name, row.upto):
                self._ask(known, row.upto)
                return inf
            if row.timetable is None and self._own[name] is None:
                return inf
            decision = self._decision(row)
            if decision.upto > _moment(row.upto):
                runs = commit(self._store, known, row.upto, decision, self._clock.time())
                if runs is None:
                    return self._clock.time() + AGAIN
                for run in runs:
                    self._told(run)
                continue
            if decision.held:
                self._held.add(name)
            return inf if decision.wake_at is None else decision.wake_at.timestamp()
        return self._clock.time()

    def _is_told(self, name: str, upto: float) -> bool:
        times = self._own.get(name)
        return name in self._own and (times is None or times.times[-1] > _moment(upto))

    def _decision(self, row: ScheduleRow) -> Decision:
        schedule = schedule_on_record(row, self._own.get(row.workflow))
        assert schedule is not None
        now = _moment(self._clock.time())
        if row.upto <= 0.0:
            return Decision((), (), first_cursor(schedule, now), None)
        return decide(schedule, _moment(row.upto), now, self._store.active_runs(row.workflow))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

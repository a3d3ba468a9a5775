"""What would run when, found on a virtual clock: the decisions are the real ones, and nothing else happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from heapq import heappop, heappush
from types import MappingProxyType

from penstock.timetable.base import Tick
from penstock.timetable.due import Missed, decide
from penstock.timetable.schedule import Schedule

_UNKNOWN = 60.0
"""Seconds that are taken for how long a run takes of which nobody knows it."""
_LEAST = 0.001
"""Seconds that a run takes at least, so that what runs continuously comes to an end."""
_ROUNDING = 1e-6
"""By how much sums of slots may be wrong."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule whose runs are foretold."""

    schedule: Schedule
    upto: datetime
    """Its cursor."""
    seconds: float | Callable[[], float | None] | None = None
    """How long a run of it takes; None if nobody knows. What has to be looked up is looked up when its first run
    begins."""
    slots: Mapping[str, float] | Callable[[], Mapping[str, float]] = field(default_factory=dict)
    """Of which pools a run of it holds how many slots, on average while it goes on. It is looked up as well."""
    running: tuple[datetime, ...] = ()
    """When those of its runs should end that are under way."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """A run that would be made."""

    workflow: str
    tick: Tick
    missed: tuple[Missed, ...]
    """What was decided about others at the same time: those that it stands for, and those before it that are left
    out."""
    starts: datetime | None
    """When it begins; None if there is no room for it until the window ends."""
    ends: datetime | None
    """When it should end; None if that is not known."""


def simulate(
    planned: Iterable[Planned], now: datetime, until: datetime, pools: Mapping[str, int] = MappingProxyType({})
) -> Iterator[Foretold]:
    """The runs that schedules would make from `now` until a time, in the order in which they would begin; those that
    have to wait longer come last. `pools` are how many slots there are; of one that is not among them there are always
    enough. A decision is taken at each tick and whenever a run has ended."""
    return _World([_Course(one, one.upto) for one in planned], now, until, pools).play()


@dataclass
class _Course:
    """How a schedule has gone so far."""

    planned: Planned
    upto: datetime
    active: int = 0
    held: bool = False
    asked_for: datetime | None = None
    """The time at which it is asked next."""

    @cached_property
    def seconds(self) -> float | None:
        """How long a run of it takes."""
        return self.planned.seconds() if callable(self.planned.seconds) else self.planned.seconds

    @cached_property
    def slots(self) -> Mapping[str, float]:
        """Of which pools a run of it holds how many slots."""
        return self.planned.slots() if callable(self.planned.slots) else self.planned.slots


@dataclass(frozen=True, slots=True)
class _Run:
    course: _Course
    tick: Tick
    missed: tuple[Missed, ...] = ()


@dataclass(slots=True)
class _World:
    courses: list[_Course]
    now: datetime
    until: datetime
    pools: Mapping[str, int]
    taken: dict[str, float] = field(default_factory=dict)
    waiting: deque[_Run] = field(default_factory=deque)
    events: list[tuple[datetime, int, _Course, bool]] = field(default_factory=list)
    """When something happens, its number, whom it concerns, and whether it is the end of a run."""
    happened: int = 0

    def play(self) -> Iterator[Foretold]:
        for course in self.courses:
            for end in course.planned.running:
                self._begin(course, max(end, self.now))
            self._note(self.now, course, False)
        while self.events and self.events[0][0] <= self.until:
            self.now, _, course, ended = heappop(self.events)
            if ended:
                course.active -= 1
                self._take(course, -1)
            if not ended or course.held:
                self._decide(course)
            yield from self._start_what_has_room()
        for run in self.waiting:
            yield Foretold(run.course.planned.schedule.workflow, run.tick, run.missed, None, None)

    def _decide(self, course: _Course) -> None:
        decision = decide(course.planned.schedule, course.upto, self.now, course.active)
        course.upto, course.held = decision.upto, decision.held or course.planned.schedule.timetable.at_once
        for number, tick in enumerate(decision.created):
            course.active += 1
            self.waiting.append(_Run(course, tick, () if number else decision.missed))
        if decision.wake_at is not None and decision.wake_at != course.asked_for:
            course.asked_for = decision.wake_at
            self._note(decision.wake_at, course, False)

    def _start_what_has_room(self) -> Iterator[Foretold]:
        """Begin the runs whose pools have room, in the order in which they were made."""
        for _ in range(len(self.waiting)):
            run = self.waiting.popleft()
            if not self._has_room(run.course.slots):
                self.waiting.append(run)
                continue
            seconds = run.course.seconds
            ends = self.now + timedelta(seconds=max(_LEAST, _UNKNOWN if seconds is None else seconds))
            run.course.active -= 1  # it was counted when it was made
            self._begin(run.course, ends)
            known = None if seconds is None else ends
            yield Foretold(run.course.planned.schedule.workflow, run.tick, run.missed, self.now, known)

    def _has_room(self, slots: Mapping[str, float]) -> bool:
        known = [pool for pool in slots if pool in self.pools]
        return all(self.taken.get(pool, 0.0) + slots[pool] <= self.pools[pool] + _ROUNDING for pool in known)

    def _take(self, course: _Course, times: int) -> None:
        for pool, slots in course.slots.items():
            self.taken[pool] = self.taken.get(pool, 0.0) + times * slots

    def _begin(self, course: _Course, ends: datetime) -> None:
        course.active += 1
        self._take(course, 1)
        self._note(ends, course, True)

    def _note(self, at: datetime, course: _Course, ended: bool) -> None:
        self.happened += 1
        heappush(self.events, (at, self.happened, course, ended))

"""What a timetable is: it tells the instants at which something is due."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, pairwise, takewhile
from typing import Any, NamedTuple, Protocol

from penstock.errors import ScheduleError

MOMENT = timedelta(microseconds=1)
"""Between two instants that are next to each other."""

COUNTED = 100_000
"""So many ticks are counted one by one."""


class Tick(NamedTuple):
    """One instant of a timetable, in UTC, and the data interval that is complete then."""

    at: datetime
    """When it is due: the logical time of its run."""
    start: datetime
    """Where its data interval begins: the tick before."""
    end: datetime
    """Where its data interval ends, which is no part of it: the tick itself."""


class Timetable(Protocol):
    """What tells when something is due. Any object with this one method is a timetable."""

    def next(self, after: datetime) -> Tick | None:
        """The first tick strictly after an instant, which is an aware datetime; None if there is none any more. The
        answer depends on the instant and on nothing else."""
        ...


class Instants(ABC):
    """A timetable that tells the instants before and after any other. All times are aware, and those told are UTC."""

    at_once: bool = False
    """Whether it names no times: something is due as soon as it may be."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The timetable as people say it."""

    @abstractmethod
    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""

    @abstractmethod
    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""

    def next(self, after: datetime) -> Tick | None:
        """The first tick strictly after an instant."""
        at = self.after(after)
        if at is None:
            return None
        start = self.before(at)
        return Tick(at, at if start is None else start, at)

    def instants(self, after: datetime) -> Iterator[datetime]:
        """All instants strictly after another, in order."""
        at = self.after(after)
        while at is not None:
            yield at
            at = self.after(at)

    def ticks(self, after: datetime) -> Iterator[Tick]:
        """All ticks strictly after an instant, in order."""
        tick = self.next(after)
        if tick is not None:
            yield tick
            for start, end in pairwise(chain((tick.at,), self.instants(tick.at))):
                yield Tick(end, start, end)

    def count(self, after: datetime, upto: datetime) -> int:
        """How many instants there are strictly after one, and up to and with another. Where they can only be counted
        one by one, no more than COUNTED are."""
        counting = takewhile(lambda at: at <= upto, self.instants(after))
        return sum(1 for at in islice(counting, COUNTED))

    def placed(self, timezone: str, start: datetime | None) -> Instants:
        """The same where it says no zone or beginning of its own: in that zone, and from there."""
        return self


class Own(Instants):
    """A timetable that a user has written, watched: ScheduleError for a tick that cannot be."""

    def __init__(self, timetable: Timetable) -> None:
        self.timetable = timetable

    @property
    def text(self) -> str:
        """What it says of itself, or the name of its class."""
        text = getattr(self.timetable, "text", None)
        return text if isinstance(text, str) else type(self.timetable).__name__

    def next(self, after: datetime) -> Tick | None:
        """Its next tick, in UTC."""
        tick: Any = self.timetable.next(after)
        if tick is None:
            return None
        times = tuple(tick) if isinstance(tick, tuple) else ()
        if len(times) != 3 or not all(isinstance(time, datetime) and time.utcoffset() is not None for time in times):
            raise ScheduleError(
                f"timetable {self.text}: next({after}) gave {tick!r:.200}; it gives a Tick of three datetimes with a "
                "zone, or None"
            )
        at, start, end = (time.astimezone(UTC) for time in times)
        if at <= after or not start <= end <= at:
            raise ScheduleError(
                f"timetable {self.text}: next({after}) gave {tick!r:.200}; a tick comes after the time that was asked "
                "for, and its interval has ended when it is due"
            )
        return Tick(at, start, end)

    def ticks(self, after: datetime) -> Iterator[Tick]:
        """All ticks strictly after an instant, in order."""
        tick = self.next(after)
        while tick is not None:
            yield tick
            tick = self.next(tick.at)

    def after(self, moment: datetime) -> datetime | None:
        """When its next tick is due."""
        tick = self.next(moment)
        return None if tick is None else tick.at

    def before(self, moment: datetime) -> datetime | None:
        """Where the interval of the tick begins that comes then or next: the tick before it."""
        tick = self.next(moment - MOMENT)
        return tick.start if tick is not None and tick.start < moment else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.timetable == other.timetable

    def __hash__(self) -> int:
        return hash(self.timetable)

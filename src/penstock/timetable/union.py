"""Several timetables as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby

from penstock.errors import ScheduleError
from penstock.timetable.base import Instants


@dataclass(frozen=True)
class Union(Instants):
    """The instants of several timetables. One that two of them have is one; the data interval of each reaches back to
    the one before, whichever of them has that."""

    timetables: tuple[Instants, ...]

    def __init__(self, *timetables: object) -> None:
        from penstock.timetable.reading import timetable_of

        if not timetables:
            raise ScheduleError("a list of schedules is empty: give one or more")
        read = tuple(timetable_of(one) for one in timetables)
        for one in read:
            if one.at_once:
                raise ScheduleError(f"'{one.text}' names no times, so that it cannot be one of several")
        object.__setattr__(self, "timetables", read)

    @property
    def text(self) -> str:
        """All of them."""
        return "; ".join(one.text for one in self.timetables)

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        return min((at for one in self.timetables if (at := one.after(moment)) is not None), default=None)

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        return max((at for one in self.timetables if (at := one.before(moment)) is not None), default=None)

    def instants(self, after: datetime) -> Iterator[datetime]:
        """All instants strictly after another, in order."""
        for at, _same in groupby(merge(*(one.instants(after) for one in self.timetables))):
            yield at

    def placed(self, timezone: str, start: datetime | None) -> Union:
        """The same, with each of them in that zone and from there."""
        return Union(*(one.placed(timezone, start) for one in self.timetables))

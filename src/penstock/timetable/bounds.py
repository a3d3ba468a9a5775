"""A part of a timetable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from penstock.timetable.base import MOMENT, Instants, Tick
from penstock.timetable.words import shown


@dataclass(frozen=True)
class Bounded(Instants):
    """The ticks of a timetable from a time on, and up to and with another. Their data intervals stay as they are."""

    timetable: Instants
    start: datetime | None = None
    end: datetime | None = None
    timezone: str = "UTC"
    """In which its bounds are said."""

    @property
    def text(self) -> str:
        """The timetable, and from when to when."""
        start = f", from {shown(self.start, self.timezone)}" if self.start is not None else ""
        end = f", until {shown(self.end, self.timezone)}" if self.end is not None else ""
        return f"{self.timetable.text}{start}{end}"

    @property
    def at_once(self) -> bool:  # type: ignore[override]
        """Whether it names no times."""
        return self.timetable.at_once

    def next(self, after: datetime) -> Tick | None:
        """The first tick strictly after an instant."""
        tick = self.timetable.next(self._no_earlier(after))
        return tick if tick is not None and self._has(tick.at) else None

    def ticks(self, after: datetime) -> Iterator[Tick]:
        """All ticks strictly after an instant, in order."""
        for tick in self.timetable.ticks(self._no_earlier(after)):
            if not self._has(tick.at):
                return
            yield tick

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        at = self.timetable.after(self._no_earlier(moment))
        return at if at is not None and self._has(at) else None

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        at = self.timetable.before(moment if self.end is None else min(moment, self.end + MOMENT))
        return at if at is not None and self._has(at) else None

    def count(self, after: datetime, upto: datetime) -> int:
        """How many instants there are strictly after one, and up to and with another."""
        return self.timetable.count(self._no_earlier(after), upto if self.end is None else min(upto, self.end))

    def placed(self, timezone: str, start: datetime | None) -> Bounded:
        """The same, with its timetable in that zone and from there."""
        return Bounded(self.timetable.placed(timezone, self.start or start), self.start, self.end, timezone)

    def _no_earlier(self, moment: datetime) -> datetime:
        return moment if self.start is None else max(moment, self.start - MOMENT)

    def _has(self, at: datetime) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at <= self.end)

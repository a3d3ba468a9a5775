"""Timetables that name their instants one by one, or none at all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from penstock.errors import ScheduleError
from penstock.timetable.base import MOMENT, Instants
from penstock.timetable.zones import in_utc


@dataclass(frozen=True)
class At(Instants):
    """Explicit times, in any order: datetimes, or texts as "2026-12-24 18:00". Those without a zone are in that of the
    workflow, or else UTC."""

    times: tuple[datetime, ...]

    def __init__(self, *times: datetime | str | Iterable[datetime | str]) -> None:
        given: list[Any] = []
        for time in times:
            given += [time] if isinstance(time, (str, datetime)) or not isinstance(time, Iterable) else time
        if not given:
            raise ScheduleError("At() has no times: give datetimes")
        object.__setattr__(self, "times", tuple(_time(time) for time in given))

    @property
    def text(self) -> str:
        """The first of them, and how many."""
        first = f"{self._instants[0]:%Y-%m-%d %H:%M:%S} UTC"
        return f"at {first}" if len(self._instants) == 1 else f"at {len(self._instants):,} times from {first}"

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        place = bisect_right(self._instants, moment)
        return self._instants[place] if place < len(self._instants) else None

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        place = bisect_left(self._instants, moment)
        return self._instants[place - 1] if place else None

    def count(self, after: datetime, upto: datetime) -> int:
        """How many instants there are strictly after one, and up to and with another."""
        return max(0, bisect_right(self._instants, upto) - bisect_right(self._instants, after))

    def placed(self, timezone: str, start: datetime | None) -> At:
        """The same, with the times that have no zone in that one."""
        return At(in_utc(time, timezone) for time in self.times)

    @cached_property
    def _instants(self) -> list[datetime]:
        return sorted({in_utc(time, "UTC") for time in self.times})


@dataclass(frozen=True)
class Once(Instants):
    """A single tick: at a time, at the start of its workflow, or as soon as a service sees it."""

    at: datetime | None = None

    def __post_init__(self) -> None:
        if self.at is not None and (not isinstance(self.at, datetime) or self.at.utcoffset() is None):
            raise ScheduleError(f"Once({self.at!r:.60}): the time is a datetime with a zone")

    @property
    def at_once(self) -> bool:  # type: ignore[override]
        """Whether it names no time."""
        return self.at is None

    @property
    def text(self) -> str:
        """When it is."""
        return "once" if self.at is None else f"once, at {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def after(self, moment: datetime) -> datetime | None:
        """The tick, if it is after that instant."""
        if self.at is None:
            return moment + MOMENT
        return self.at.astimezone(UTC) if self.at > moment else None

    def before(self, moment: datetime) -> datetime | None:
        """The tick, if it is before that instant."""
        return self.at.astimezone(UTC) if self.at is not None and self.at < moment else None

    def placed(self, timezone: str, start: datetime | None) -> Once:
        """The same, at the start if it has no time."""
        return Once(start) if self.at is None else self


@dataclass(frozen=True)
class Continuous(Instants):
    """A tick as soon as no run is active: one run after the other."""

    at_once = True

    @property
    def text(self) -> str:
        """What it does."""
        return "continuously, one run after the other"

    def after(self, moment: datetime) -> datetime | None:
        """At once."""
        return moment + MOMENT

    def before(self, moment: datetime) -> datetime | None:
        """It has no past of its own."""
        return None


def _time(given: Any) -> datetime:
    try:
        time = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        time = None
    if not isinstance(time, datetime):
        raise ScheduleError(f"At({given!r:.60}): give datetimes, or texts as '2026-12-24 18:00'")
    return time

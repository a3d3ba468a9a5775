"""Every so long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from penstock.errors import ScheduleError
from penstock.timetable.base import Instants
from penstock.timetable.words import said
from penstock.timetable.zones import in_utc

_LEAST = timedelta(milliseconds=1)
_MOST = timedelta(days=36_525)


@dataclass(frozen=True)
class Every(Instants):
    """An instant each `interval` of elapsed time, a timedelta or seconds, counted from `start` on and back: by default
    the start of its workflow, or else midnight of 1970-01-01 in its zone. Its ticks have intervals as long."""

    interval: timedelta
    start: datetime | None = None

    def __init__(self, interval: timedelta | float, start: datetime | None = None) -> None:
        object.__setattr__(self, "interval", _interval(interval))
        if start is not None and (not isinstance(start, datetime) or start.utcoffset() is None):
            raise ScheduleError(f"Every(..., start={start!r:.60}): the start is a datetime with a zone")
        object.__setattr__(self, "start", start if start is None else start.astimezone(UTC))

    @property
    def text(self) -> str:
        """How long it is."""
        return f"every {said(self.interval)}"

    def after(self, moment: datetime) -> datetime | None:
        """The first instant strictly after another."""
        return self._instant((moment - self._origin) // self.interval + 1)

    def before(self, moment: datetime) -> datetime | None:
        """The last instant strictly before another."""
        return self._instant(-((self._origin - moment) // self.interval) - 1)

    def count(self, after: datetime, upto: datetime) -> int:
        """How many instants there are strictly after one, and up to and with another."""
        return max(0, (upto - self._origin) // self.interval - (after - self._origin) // self.interval)

    def placed(self, timezone: str, start: datetime | None) -> Every:
        """The same, counted from the start, or from midnight in that zone."""
        if self.start is not None:
            return self
        midnight = in_utc(datetime(1970, 1, 1), timezone)  # noqa: DTZ001  (of that zone)
        return replace(self, start=start if start is not None else midnight)

    def _instant(self, number: int) -> datetime | None:
        try:
            return self._origin + number * self.interval
        except OverflowError:
            return None

    @property
    def _origin(self) -> datetime:
        return self.start if self.start is not None else datetime(1970, 1, 1, tzinfo=UTC)


def _interval(given: timedelta | float) -> timedelta:
    try:
        if isinstance(given, bool) or not isinstance(given, (int, float, timedelta)):
            raise TypeError
        interval = given if isinstance(given, timedelta) else timedelta(seconds=given)
    except (TypeError, ValueError, OverflowError):
        raise ScheduleError(f"{given!r:.60} is no interval: give seconds or a timedelta") from None
    if not _LEAST <= interval <= _MOST:
        raise ScheduleError(f"every {interval} is no interval: it is a millisecond at least, and 100 years at most")
    return interval

"""The time that a run is for, which is not when it happens to run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple


class DataInterval(NamedTuple):
    """The time whose data a run deals with: from `start` up to `end`, which is no part of it."""

    start: datetime
    end: datetime


class LogicalTime(NamedTuple):
    """When a run was due and its data interval, in seconds since 1970, as a run's row has them; None for what there is
    not."""

    at: float | None = None
    start: float | None = None
    end: float | None = None
    timezone: str | None = None
    """Name of the zone in which they are meant; None for UTC."""

    @property
    def moment(self) -> datetime | None:
        """The logical time, in its zone."""
        return None if self.at is None else self._moment(self.at)

    @property
    def interval(self) -> DataInterval | None:
        """The data interval, in its zone."""
        if self.start is None or self.end is None:
            return None
        return DataInterval(self._moment(self.start), self._moment(self.end))

    def _moment(self, seconds: float) -> datetime:
        if self.timezone is None or self.timezone == "UTC":
            return datetime.fromtimestamp(seconds, UTC)
        from zoneinfo import ZoneInfo

        return datetime.fromtimestamp(seconds, ZoneInfo(self.timezone))


NO_TIME = LogicalTime()
"""Of a run that is for no time."""

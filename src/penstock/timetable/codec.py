"""Timetables as data, so that who decides from them needs none of the code that they were written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from penstock.errors import ScheduleError
from penstock.timetable.base import Instants
from penstock.timetable.bounds import Bounded
from penstock.timetable.calendars import BusinessDays, Calendar
from penstock.timetable.cron import Cron
from penstock.timetable.intervals import Every
from penstock.timetable.moments import At, Continuous, Once
from penstock.timetable.union import Union


def encode(timetable: Instants) -> dict[str, Any] | None:
    """A timetable as what JSON can carry; None for one that is, or contains, a user's own."""
    match timetable:
        case Union(timetables):
            parts = [encode(one) for one in timetables]
            return None if None in parts else {"kind": "union", "timetables": parts}
        case Bounded(inner) | BusinessDays(inner):
            part = encode(inner)
            return None if part is None else {"timetable": part, **_own_fields(timetable)}
        case _:
            return _own_fields(timetable) or None


def _own_fields(timetable: Instants) -> dict[str, Any]:
    """What a timetable says itself, beside those that it is made of; nothing for a user's own."""
    match timetable:
        case Cron(expression, timezone):
            return {"kind": "cron", "expression": expression, "timezone": timezone}
        case Every(interval, start):
            return {"kind": "every", "microseconds": interval // timedelta(microseconds=1), "start": _text(start)}
        case Once(at):
            return {"kind": "once", "at": _text(at)}
        case Continuous():
            return {"kind": "continuous"}
        case At(times):
            return {"kind": "at", "times": [time.isoformat() for time in times]}
        case Bounded(_, start, end, timezone):
            return {"kind": "bounded", "start": _text(start), "end": _text(end), "timezone": timezone}
        case BusinessDays(_, calendar, of_month, timezone):
            return {
                "kind": "business_days",
                "holidays": sorted(day.isoformat() for day in calendar.holidays),
                "weekend": list(calendar.weekend),
                "of_month": list(of_month),
                "timezone": timezone,
            }
        case _:
            return {}


def decode(data: Mapping[str, Any]) -> Instants:
    """The timetable that was encoded. ScheduleError for what was not."""
    try:
        return _READERS[data["kind"]](data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ScheduleError(f"{data!r:.200} is no timetable of this version of Penstock") from error


_READERS: dict[str, Callable[[Mapping[str, Any]], Instants]] = {
    "cron": lambda data: Cron(data["expression"], data["timezone"]),
    "every": lambda data: Every(timedelta(microseconds=data["microseconds"]), _moment(data["start"])),
    "once": lambda data: Once(_moment(data["at"])),
    "continuous": lambda data: Continuous(),
    "at": lambda data: At(datetime.fromisoformat(time) for time in data["times"]),
    "union": lambda data: Union(*(decode(one) for one in data["timetables"])),
    "bounded": lambda data: Bounded(
        decode(data["timetable"]), _moment(data["start"]), _moment(data["end"]), data["timezone"]
    ),
    "business_days": lambda data: BusinessDays(
        decode(data["timetable"]),
        Calendar((date.fromisoformat(day) for day in data["holidays"]), data["weekend"]),
        of_month=data["of_month"],
        timezone=data["timezone"],
    ),
}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)

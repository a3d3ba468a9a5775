"""Time zones by their names."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from penstock.errors import ScheduleError


def zone(name: str) -> tzinfo:
    """A time zone. ScheduleError if there is none of that name, with one that is meant perhaps."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"there is no time zone {name!r:.60}; {_hint(name)}") from None


def zone_name(given: Any) -> str:
    """The name of a zone that was given as its name or as a tzinfo. ScheduleError if there is no such zone."""
    name = "UTC" if given is UTC else getattr(given, "key", given)
    if not isinstance(name, str):
        raise ScheduleError(f"timezone={given!r:.60} is none: give its name, as 'Europe/Berlin', or a ZoneInfo")
    zone(name)
    return name


def in_utc(moment: datetime, timezone: str) -> datetime:
    """An instant in UTC; one without a zone is of `timezone`, and one that the clocks skip there is the one that they
    show when they have skipped it."""
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=zone(timezone))
    return moment.astimezone(UTC)


def _hint(name: str) -> str:
    known = {known.casefold(): known for known in available_timezones()}
    asked = name.strip().casefold().replace(" ", "_")
    exact = known.get(asked) or next((full for key, full in sorted(known.items()) if key.endswith(f"/{asked}")), None)
    near = [exact] if exact else [known[key] for key in get_close_matches(asked, sorted(known), 1)]
    return f"did you mean '{near[0]}'?" if near else "zones are named as in 'Europe/Berlin'"

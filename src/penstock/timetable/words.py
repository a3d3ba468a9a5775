"""How times are said."""

from __future__ import annotations

from datetime import datetime, timedelta

from penstock.timetable.zones import zone

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def said(interval: timedelta) -> str:
    """A length of time: "15 minutes", "day", "1 hour 30 minutes"."""
    seconds = interval.days * 86_400 + interval.seconds
    parts: list[str] = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}" if number == 1 else f"{number} {unit}s")
    if interval.microseconds:
        parts.append(f"{interval.microseconds / 1000:g} ms")
    return parts[0].removeprefix("1 ") if len(parts) == 1 else " ".join(parts)


def shown(moment: datetime, timezone: str) -> str:
    """An instant as clocks in a zone show it: "2026-11-24 06:00", with seconds where it has some."""
    local = moment.astimezone(zone(timezone))
    return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"

"""A timetable from what a user has given as a schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from penstock.errors import ScheduleError
from penstock.timetable.base import Instants, Own
from penstock.timetable.cron import Cron
from penstock.timetable.intervals import Every
from penstock.timetable.moments import Continuous, Once


def timetable_of(given: Any) -> Instants:
    """The timetable for a cron expression, a macro, an interval, a timetable, or a list of these. ScheduleError for
    anything else."""
    if isinstance(given, Instants):
        return given
    if isinstance(given, str):
        return _of_text(given)
    if isinstance(given, (timedelta, int, float)) and not isinstance(given, bool):
        return Every(given)
    if isinstance(given, (list, tuple)):
        from penstock.timetable.union import Union

        return timetable_of(given[0]) if len(given) == 1 else Union(*given)
    if not isinstance(given, type) and callable(getattr(given, "next", None)):
        return Own(given)
    raise ScheduleError(
        f"schedule={given!r:.80} is none: give a cron expression, a timedelta or seconds, '@once', '@continuous', a "
        "timetable, or a list of these"
    )


def _of_text(text: str) -> Instants:
    match text.strip().lower():
        case "@once":
            return Once()
        case "@continuous":
            return Continuous()
        case _:
            return Cron(text)

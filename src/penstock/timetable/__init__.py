"""When runs are due: timetables, which are pure, and what is decided from them. None asks for the time."""

from __future__ import annotations

from penstock.timetable.base import Tick, Timetable
from penstock.timetable.calendars import BusinessDays, Calendar
from penstock.timetable.cron import Cron, next_fire
from penstock.timetable.intervals import Every
from penstock.timetable.moments import At, Continuous, Once
from penstock.timetable.schedule import Schedule, deadline_of, schedule_of
from penstock.timetable.union import Union

__all__ = [
    "At",
    "BusinessDays",
    "Calendar",
    "Continuous",
    "Cron",
    "Every",
    "Once",
    "Schedule",
    "Tick",
    "Timetable",
    "Union",
    "deadline_of",
    "next_fire",
    "schedule_of",
]

"""Timetables and schedules, drawn by hypothesis."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from penstock.timetable import At, BusinessDays, Calendar, Cron, Every, Schedule, Union
from penstock.timetable.base import Instants
from penstock.timetable.bounds import Bounded

ZONES = (
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Sydney",
    "Europe/Berlin",
    "Pacific/Apia",
)
EXPRESSIONS = (
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "0,30 0-3 * * *",
    "15 */5 * * *",
    "0 0 * * *",
    "0 12 13 * FRI",
    "0 9 L * *",
    "45 23 * * MON-FRI",
    "40 */2 * * * *",
)
FIRST, LAST = datetime(2010, 1, 1), datetime(2030, 1, 1)

moments = st.datetimes(FIRST, LAST).map(lambda moment: moment.replace(tzinfo=UTC))
crons = st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES))
intervals = st.builds(Every, st.timedeltas(timedelta(seconds=50), timedelta(days=40)), st.none() | moments)
ats = st.lists(moments, min_size=1, max_size=8).map(At)
holidays = st.frozensets(st.dates(date(2010, 1, 1), date(2030, 1, 1)), max_size=30)
calendars = st.builds(Calendar, holidays, st.sampled_from((("saturday", "sunday"), ("friday",), ())))
simple = st.one_of(crons, intervals, ats)
business = st.builds(BusinessDays, simple, calendars, timezone=st.sampled_from(ZONES))
unions = st.lists(simple | business, min_size=1, max_size=3).map(lambda several: Union(*several))


@st.composite
def bounded(draw: st.DrawFn) -> Bounded:
    start = draw(st.none() | moments)
    lengths = st.timedeltas(timedelta(0), timedelta(days=900))
    end = draw(st.none() | lengths.map(lambda length: (start or datetime(2020, 1, 1, tzinfo=UTC)) + length))
    return Bounded(draw(simple | unions), start, end)


timetables: st.SearchStrategy[Instants] = st.one_of(simple, business, unions, bounded())
schedules = st.builds(
    Schedule,
    st.just("flow"),
    timetables,
    catchup=st.sampled_from(("all", "latest", "none")),
    max_active_runs=st.integers(1, 5),
)

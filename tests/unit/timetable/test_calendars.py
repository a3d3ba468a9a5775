"""Business days and holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from penstock.errors import ScheduleError
from penstock.timetable import At, BusinessDays, Calendar, Continuous, Cron

CHRISTMAS = Calendar(["2026-12-25", date(2026, 12, 26), date(2027, 1, 1)])
DECEMBER = datetime(2026, 12, 23, 12, tzinfo=UTC)


def days(timetable: BusinessDays, count: int, after: datetime = DECEMBER) -> list[str]:
    return [f"{at:%a %d %H:%M}" for at in islice(timetable.instants(after), count)]


def test_weekends_and_holidays_are_left_out() -> None:
    timetable = BusinessDays("0 18 * * *", CHRISTMAS)
    assert days(timetable, 6) == [
        "Wed 23 18:00",
        "Thu 24 18:00",
        "Mon 28 18:00",
        "Tue 29 18:00",
        "Wed 30 18:00",
        "Thu 31 18:00",
    ]


def test_the_interval_of_the_first_day_after_reaches_back_to_the_last_before() -> None:
    monday = list(islice(BusinessDays("0 18 * * *", CHRISTMAS).ticks(DECEMBER), 3))[2]
    assert (monday.start.day, monday.end.day) == (24, 28)


def test_days_are_those_of_the_zone() -> None:
    late = BusinessDays("30 22 * * *").placed("America/New_York", None)
    assert days(late, 3, datetime(2026, 12, 17, tzinfo=UTC)) == ["Thu 17 03:30", "Fri 18 03:30", "Sat 19 03:30"]


def test_another_weekend() -> None:
    assert days(BusinessDays("@daily", Calendar(weekend=["Friday"])), 3) == [
        "Thu 24 00:00",
        "Sat 26 00:00",
        "Sun 27 00:00",
    ]


def test_numbered_days_of_the_month() -> None:
    start = datetime(2026, 11, 30, tzinfo=UTC)
    assert days(BusinessDays("0 8 * * *", CHRISTMAS, of_month=[3, -1]), 4, start) == [
        "Mon 30 08:00",
        "Thu 03 08:00",
        "Thu 31 08:00",
        "Wed 06 08:00",
    ]


def test_holidays_as_a_mapping_with_their_names() -> None:
    assert Calendar({date(2026, 12, 25): "Christmas"}).holidays == {date(2026, 12, 25)}


def test_a_calendar_that_its_timetable_never_meets_tells_no_times() -> None:
    assert BusinessDays("0 0 * * SUN").after(DECEMBER) is None
    assert BusinessDays("0 0 * * SUN").before(DECEMBER) is None
    assert BusinessDays(At("2026-12-26")).after(DECEMBER) is None


def test_a_day_off_is_passed_at_once_however_often_its_timetable_is_due() -> None:
    christmas = datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)
    asked: list[datetime] = []

    class Counting(Cron):
        def after(self, moment: datetime) -> datetime | None:
            asked.append(moment)
            return super().after(moment)

    found = BusinessDays(Counting("* * * * * *"), CHRISTMAS).after(christmas)
    assert found == datetime(2026, 12, 28, tzinfo=UTC)
    assert len(asked) == 4


def test_words() -> None:
    text = BusinessDays("0 8 * * *", CHRISTMAS, of_month=-1).text
    assert (
        text == "at 08:00 every day, UTC; only on business day -1 of the month (not on Saturday, Sunday and 3 holidays)"
    )


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (Calendar, {"holidays": ["Christmas"]}),
        (Calendar, {"holidays": [datetime(2026, 12, 25)]}),
        (Calendar, {"weekend": ["caturday"]}),
        (Calendar, {"weekend": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]}),
        (BusinessDays, {"timetable": "0 8 * * *", "of_month": 0}),
        (BusinessDays, {"timetable": "0 8 * * *", "of_month": [32]}),
        (BusinessDays, {"timetable": "0 8 * * *", "calendar": ["2026-12-25"]}),
        (BusinessDays, {"timetable": Continuous()}),
        (BusinessDays, {"timetable": "0 8 * * *", "timezone": "Mars"}),
    ],
)
def test_what_is_no_calendar_is_refused(make: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError):
        make(**arguments)


def test_each_business_day_has_its_numbers() -> None:
    day = date(2026, 12, 1)
    numbers = []
    while day.month == 12:
        if CHRISTMAS.is_business_day(day):
            numbers.append(CHRISTMAS.number_in_month(day))
        day += timedelta(days=1)
    assert numbers == [(n + 1, n - 22) for n in range(22)]

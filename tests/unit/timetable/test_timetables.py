"""Timetables other than cron expressions, and bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from penstock.errors import ScheduleError
from penstock.timetable import At, Continuous, Cron, Every, Once, Tick, Union
from penstock.timetable.base import COUNTED, Instants, Own
from penstock.timetable.bounds import Bounded
from penstock.timetable.reading import timetable_of


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START = utc("2026-03-01 12:10")


def times(timetable: Instants, count: int, after: datetime = START) -> list[str]:
    return [f"{at:%m-%d %H:%M}" for at in islice(timetable.instants(after), count)]


# --- Every


def test_an_interval_counts_from_midnight_of_1970() -> None:
    assert times(Every(timedelta(minutes=45)), 3) == ["03-01 12:45", "03-01 13:30", "03-01 14:15"]
    assert times(Every(3600), 2) == ["03-01 13:00", "03-01 14:00"]


def test_or_from_the_start_that_it_is_given() -> None:
    assert times(Every(timedelta(hours=1), start=utc("2030-01-01 00:20")), 2) == ["03-01 12:20", "03-01 13:20"]


def test_placed_in_a_workflow_it_counts_from_its_start_or_midnight_there() -> None:
    day = Every(timedelta(days=1))
    assert times(day.placed("Asia/Kathmandu", None), 1) == ["03-01 18:30"]  # in 1970, Nepal was at +05:30
    assert times(day.placed("UTC", utc("2026-02-01 07:00")), 1) == ["03-02 07:00"]


def test_its_data_interval_is_as_long_as_it_is() -> None:
    assert Every(600).next(START) == Tick(utc("2026-03-01 12:20"), START, utc("2026-03-01 12:20"))


@pytest.mark.parametrize("wrong", [0, -5, True, float("nan"), float("inf"), "5", None, timedelta(0), 1e-9, 1e12])
def test_what_is_no_interval_is_refused(wrong: Any) -> None:
    with pytest.raises(ScheduleError):
        Every(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "every minute"),
        (900, "every 15 minutes"),
        (86_400, "every day"),
        (5_400, "every 1 hour 30 minutes"),
        (0.5, "every 500 ms"),
        (90_061, "every 1 day 1 hour 1 minute 1 second"),
    ],
)
def test_an_interval_in_words(seconds: float, text: str) -> None:
    assert Every(seconds).text == text


# --- At, Once, Continuous


def test_explicit_times_in_any_order_and_each_once() -> None:
    at = At("2026-12-24 18:00", datetime(2026, 4, 5, 6, tzinfo=UTC), "2026-12-24 18:00", "2020-01-01")
    assert times(at, 5) == ["04-05 06:00", "12-24 18:00"]
    assert at.next(START) == Tick(utc("2026-04-05 06:00"), utc("2020-01-01"), utc("2026-04-05 06:00"))
    assert at.text == "at 3 times from 2020-01-01 00:00:00 UTC"


def test_times_without_a_zone_are_of_the_workflow() -> None:
    at = At("2026-12-24 18:00", "2026-12-24 18:00+05:00")
    assert times(at.placed("Europe/Berlin", None), 3) == ["12-24 13:00", "12-24 17:00"]


@pytest.mark.parametrize("wrong", [[], ["soon"], [17], [None]])
def test_what_is_no_time_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(ScheduleError):
        At(*wrong)


def test_once_is_at_its_time_or_at_the_start() -> None:
    at = utc("2026-05-01 00:00")
    assert times(Once(at), 2) == ["05-01 00:00"]
    assert Once().placed("UTC", at) == Once(at)
    assert Once(at).placed("UTC", START) == Once(at)
    assert Once(at).before(at) is None
    assert Once(at).next(at) is None
    with pytest.raises(ScheduleError, match="with a zone"):
        Once(datetime(2026, 1, 1))


# --- Union


def test_a_tick_of_a_union_reaches_back_to_the_one_before_whichever_has_that() -> None:
    union = Union("0 6 * * *", "0 18 * * *", At("2026-03-01 17:00"))
    ticks = list(islice(union.ticks(START), 3))
    assert [tick.at for tick in ticks] == [utc("2026-03-01 17:00"), utc("2026-03-01 18:00"), utc("2026-03-02 06:00")]
    assert [tick.start for tick in ticks] == [utc("2026-03-01 06:00"), *[tick.at for tick in ticks[:2]]]
    assert union.next(utc("2026-03-01 17:00")) == ticks[1]


def test_times_that_two_have_are_one() -> None:
    assert times(Union(Every(1800), "0 * * * *"), 3) == ["03-01 12:30", "03-01 13:00", "03-01 13:30"]


@pytest.mark.parametrize("wrong", [[], ["@once", "@daily"], ["@continuous"], ["0 0 * * *", "0 25 * * *"]])
def test_what_cannot_be_together_is_refused(wrong: list[str]) -> None:
    with pytest.raises(ScheduleError):
        Union(*wrong)


def test_more_than_a_hundred_thousand_are_not_counted_one_by_one() -> None:
    union = Union(Every(1), Every(2))
    assert union.count(START, START + timedelta(days=300)) == COUNTED
    assert Every(1).count(START, START + timedelta(days=300)) == 300 * 86_400


# --- Bounds


def test_a_bounded_timetable_has_its_start_and_its_end() -> None:
    day = Bounded(Cron("0 6 * * *"), utc("2026-03-05 06:00"), utc("2026-03-07 06:00"))
    assert times(day, 9) == ["03-05 06:00", "03-06 06:00", "03-07 06:00"]
    first = day.next(START)
    assert first is not None
    assert first.start == utc("2026-03-04 06:00")
    assert day.before(START) is None
    assert day.before(utc("2027-01-01")) == utc("2026-03-07 06:00")
    assert day.count(START, utc("2027-01-01")) == 3


# --- A user's own


class Fibonacci:
    """Hours of the day that are Fibonacci numbers."""

    def next(self, after: datetime) -> Tick | None:
        at = after.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        while at.hour not in (1, 2, 3, 5, 8, 13, 21):
            at += timedelta(hours=1)
        start = at - timedelta(hours=1)
        while start.hour not in (1, 2, 3, 5, 8, 13, 21):
            start -= timedelta(hours=1)
        return Tick(at, start, at)


def test_any_object_with_the_one_method_is_a_timetable() -> None:
    own = timetable_of(Fibonacci())
    assert own.text == "Fibonacci"
    assert times(own, 3) == ["03-01 13:00", "03-01 21:00", "03-02 01:00"]
    assert own.before(utc("2026-03-02 01:00")) == utc("2026-03-01 21:00")
    assert own.before(utc("2026-03-02 00:30")) == utc("2026-03-01 21:00")
    assert times(timetable_of([Fibonacci(), "0 14 * * *"]), 3) == ["03-01 13:00", "03-01 14:00", "03-01 21:00"]


@pytest.mark.parametrize(
    "answer",
    [
        datetime(2026, 4, 1, tzinfo=UTC),
        (START, START, START),
        Tick(datetime(2026, 4, 1), datetime(2026, 4, 1), datetime(2026, 4, 1)),
        Tick(utc("2026-04-01"), utc("2026-04-02"), utc("2026-04-01")),
        Tick(utc("2026-04-01"), utc("2026-03-31"), utc("2026-04-02")),
        "tomorrow",
    ],
)
def test_a_tick_that_cannot_be_is_told_with_the_name_of_the_timetable(answer: Any) -> None:
    class Broken:
        def next(self, after: datetime) -> Any:
            return answer

    with pytest.raises(ScheduleError, match="timetable Broken: next"):
        Own(Broken()).next(START)


@pytest.mark.parametrize("wrong", [None, True, object(), {}, [], Cron, Fibonacci, print, b"@daily"])
def test_what_is_no_schedule_is_refused(wrong: Any) -> None:
    with pytest.raises(ScheduleError):
        timetable_of(wrong)


def test_the_names_of_macros_are_read_in_any_case() -> None:
    assert timetable_of(" @Once ") == Once()
    assert timetable_of("@CONTINUOUS") == Continuous()
    assert timetable_of(["@daily"]) == Cron("@daily")

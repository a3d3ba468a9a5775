"""Cron expressions, in zones, about the changes of clocks, and what is said of those that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

import pytest

from penstock.errors import ScheduleError
from penstock.timetable import Cron, next_fire
from penstock.timetable.cron import next_fire as by_module
from tests.timetable_law import disagreements

BERLIN = ZoneInfo("Europe/Berlin")


def fires(expression: str, zone: str, after: str, count: int) -> list[str]:
    """The next times, as a zone's clocks show them, with their distance from UTC."""
    local = ZoneInfo(zone)
    start = datetime.fromisoformat(after).replace(tzinfo=local)
    found = islice(Cron(expression, zone).instants(start), count)
    return [f"{at.astimezone(local):%m-%d %H:%M%z}" for at in found]


def test_the_next_time_is_strictly_after() -> None:
    six = datetime(2026, 1, 1, 6, tzinfo=UTC)
    assert next_fire("0 6 * * *", six - timedelta(microseconds=1), "UTC") == six
    assert next_fire("0 6 * * *", six, "UTC") == six + timedelta(days=1)
    assert by_module is next_fire


def test_the_next_time_is_of_the_zone_and_an_instant_without_one_too() -> None:
    at = next_fire("0 6 * * *", datetime(2026, 7, 1, 5), "Europe/Berlin")
    assert at == datetime(2026, 7, 1, 4, tzinfo=UTC)
    assert at is not None
    assert at.tzinfo is BERLIN
    assert next_fire("0 6 * * *", datetime(2026, 7, 1, 5, tzinfo=UTC), BERLIN) == at + timedelta(days=1)


@pytest.mark.parametrize(
    ("macro", "after"),
    [
        ("@hourly", "2026-03-05 13:00"),
        ("@daily", "2026-03-06 00:00"),
        ("@midnight", "2026-03-06 00:00"),
        ("@weekly", "2026-03-08 00:00"),
        ("@monthly", "2026-04-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@annually", "2027-01-01 00:00"),
        (" @Daily ", "2026-03-06 00:00"),
    ],
)
def test_macros(macro: str, after: str) -> None:
    start = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
    assert next_fire(macro, start) == datetime.fromisoformat(after).replace(tzinfo=UTC)


def test_six_fields_begin_with_seconds() -> None:
    start = datetime(2026, 3, 5, 12, 30, 1, tzinfo=UTC)
    assert next_fire("*/15 * * * * *", start) == start.replace(second=15)


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("0 0 L * *", "2026-02-28"),
        ("0 0 LW * *", "2026-02-27"),
        ("0 0 * * MON#2", "2026-02-09"),
        ("0 0 * * 5L", "2026-02-27"),
        ("0 0 13 * FRI", "2026-02-06"),
        ("0 0 29 2 *", "2028-02-29"),
        ("0 0 */2 * SUN", "2026-02-01"),
    ],
)
def test_days_of_the_month_and_of_the_week(expression: str, first: str) -> None:
    start = datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert next_fire(expression, start) == datetime.fromisoformat(first).replace(tzinfo=UTC)


# --- Clocks that change: in Berlin, 02:00 becomes 03:00 on March 29 of 2026, and 03:00 becomes 02:00 on October 25


def test_a_job_in_the_gap_runs_once_just_after_it() -> None:
    assert fires("30 2 * * *", "Europe/Berlin", "2026-03-27 12:00", 3) == [
        "03-28 02:30+0100",
        "03-29 03:00+0200",
        "03-30 02:30+0200",
    ]


def test_several_jobs_in_the_gap_are_one() -> None:
    found = fires("0,20,40 2 * * *", "Europe/Berlin", "2026-03-29 01:00", 2)
    assert found == ["03-29 03:00+0200", "03-30 02:00+0200"]


def test_a_job_in_the_fold_runs_once_the_first_time() -> None:
    assert fires("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]


def test_within_the_hour_that_comes_again_a_job_that_ran_in_the_first_is_over() -> None:
    first, again = (datetime(2026, 10, 25, 2, 10, fold=fold, tzinfo=BERLIN) for fold in (0, 1))
    assert next_fire("30 2 * * *", first, "Europe/Berlin") == datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    assert next_fire("30 2 * * *", again, "Europe/Berlin") == datetime(2026, 10, 26, 2, 30, tzinfo=BERLIN)
    assert Cron("30 2 * * *", "Europe/Berlin").before(again) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_jobs_with_a_star_keep_their_spacing() -> None:
    assert fires("*/30 * * * *", "Europe/Berlin", "2026-03-29 01:30", 2) == ["03-29 03:00+0200", "03-29 03:30+0200"]
    assert fires("0 * * * *", "Europe/Berlin", "2026-10-25 01:00", 3) == [
        "10-25 02:00+0200",
        "10-25 02:00+0100",
        "10-25 03:00+0100",
    ]


def test_midnight_where_the_clocks_skip_it() -> None:
    assert fires("0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", 2) == ["04-24 01:00+0300", "04-25 00:00+0300"]


@pytest.mark.parametrize("expression", ["*/20 * * * *", "30 2 * * *", "15 1-3 * * *", "0 */6 * * MON", "0 0 L * *"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Santiago"])
def test_before_and_counts_agree_with_the_times_in_order(expression: str, zone: str) -> None:
    cron = Cron(expression, zone)
    start, end = datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 5, 10, 0, 0, 1, tzinfo=UTC)
    times = [at for at in islice(cron.instants(start), 8_000) if at <= end]
    assert cron.count(start, end) == len(times) > 2
    assert [cron.before(at) for at in times[1::7]] == times[0:-1:7]
    assert [cron.after(at) for at in times[0:-1:7]] == times[1::7]


def test_where_clocks_went_back_across_midnight_it_goes_on() -> None:
    """At 00:01 in Newfoundland, where cronsim tells the same time for ever."""
    random = Random(2026)
    cron = Cron("45,15,49,56 */19 26,12 * 0L,WED#2", "Canada/Newfoundland")
    for year in range(1988, 2012):
        for hour in range(24 * 14):
            moment = datetime(year, 10, 25, tzinfo=UTC) + timedelta(hours=hour, minutes=random.randrange(60))
            at = cron.after(moment)
            assert at is not None
            assert at > moment


# --- What is no expression


@pytest.mark.parametrize(
    ("expression", "hint", "span"),
    [
        ("0 25 * * *", "at character 3, hour: 25 is not from 0 to 23", (2, 4)),
        ("0 24 * * *", "midnight is hour 0", (2, 4)),
        ("0,61 0 * * *", "at character 3, minute: 61", (2, 4)),
        ("0 0 * * MONDAY", "did you mean 'MON'?", (8, 14)),
        ("0 0 * * MOM", "did you mean 'MON'?", (8, 11)),
        ("0 0 1 JANU *", "did you mean 'JAN'?", (6, 10)),
        ("0 0 * * MON#6", "MON#1 is the first Monday", (8, 13)),
        ("? * * * *", "'?' is not known; write *", (0, 1)),
        ("0 22-2 * * *", "did you mean '22-23,0-2'?", (2, 6)),
        ("*/0 * * * *", "'/0' is no step", (0, 3)),
        ("1,,2 * * * *", "remove the comma", (2, 3)),
        ("1, 2 * * *", "remove the comma", (2, 3)),
        ("x * * * *", "it takes *, numbers from 0 to 59", (0, 1)),
        ("* * * *", "has 4 fields, and needs 5 (minute, hour", (0, 7)),
        ("0 0 12 * * ? 2026", "none for years", (0, 17)),
        ("", "is empty, and needs 5", (0, 0)),
        ("0 0 30 2 *", "no day that there is: day of month '30' of month '2'", (0, 10)),
        ("@dialy", "did you mean '@daily'?", (0, 6)),
        ("@every 5m", "timedelta(minutes=5)", (0, 9)),
        ("@reboot", "'@once' runs a workflow once", (0, 7)),
        ("@daily 06:00", "after @daily nothing follows", (0, 12)),
        ("٣ * * * *", "it takes *, numbers from 0 to 59", (0, 1)),
    ],
)
def test_an_expression_that_is_none_is_refused_with_the_place_and_a_hint(
    expression: str, hint: str, span: tuple[int, int]
) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron(expression)
    assert hint in str(caught.value)
    assert caught.value.span == span


def test_an_endless_expression_is_refused_in_a_few_words() -> None:
    with pytest.raises(ScheduleError, match=r"is longer than 1000 characters") as caught:
        Cron("1," * 1_000_000 + " * * * *")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("berlin", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("../etc/passwd", "zones are named as in 'Europe/Berlin'"),
        (timezone(timedelta(hours=2)), "give its name"),
    ],
)
def test_a_zone_that_is_none_is_refused_with_a_hint(zone: object, hint: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron("0 0 * * *", zone)  # type: ignore[arg-type]
    assert hint in str(caught.value)


def test_words() -> None:
    assert Cron("0 6 * * *", "Europe/Berlin").text == "at 06:00 every day, Europe/Berlin"


def test_it_agrees_with_cronsim_on_random_expressions_zones_and_times() -> None:
    """A seeded part; `make timetables` takes a million."""
    assert list(disagreements(seed=1, count=8_000)) == []


def test_the_calendar_of_python_ends() -> None:
    assert Cron("0 0 1 1 *").after(datetime(9999, 6, 1, tzinfo=UTC)) is None
    assert Cron("0 0 1 1 *").before(datetime(1, 1, 1, tzinfo=UTC)) is None

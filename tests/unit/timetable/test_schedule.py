"""What a workflow says of when it runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from penstock import Workflow, WorkflowManager, task, workflow
from penstock.errors import OptionError, ScheduleError
from penstock.timetable import Continuous, Cron, Every, Once, Schedule, Union, deadline_of, schedule_of
from penstock.timetable.bounds import Bounded

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@task
def nothing() -> None: ...


def declared(**options: Any) -> Schedule:
    schedule = schedule_of(Workflow("flow", **options))
    assert schedule is not None
    return schedule


def first(schedule: Schedule, count: int = 1) -> list[str]:
    return [f"{tick.at:%Y-%m-%d %H:%M}" for tick in islice(schedule.timetable.ticks(NOW), count)]


def test_a_workflow_without_one_has_none() -> None:
    assert schedule_of(Workflow("flow")) is None


def test_all_that_is_said_is_in_it() -> None:
    schedule = declared(
        schedule="0 6 * * *", timezone="Europe/Berlin", catchup="none", max_active_runs=3, deadline=timedelta(hours=2)
    )
    assert schedule == Schedule("flow", Cron("0 6 * * *", "Europe/Berlin"), "Europe/Berlin", "none", 3, 7200.0)
    assert schedule.text == "at 06:00 every day, Europe/Berlin"


def test_a_function_says_it_too_and_is_not_called_for_it() -> None:
    @workflow(schedule="@daily", name="called", build=["never"], deadline=5)
    def daily(never: int = 3) -> None:
        raise AssertionError("its tasks are not asked for")

    schedule = schedule_of(daily)
    assert schedule is not None
    assert (schedule.workflow, schedule.deadline, deadline_of(daily)) == ("called", 5.0, 5.0)


@pytest.mark.parametrize(
    ("given", "timetable"),
    [
        ("@hourly", Cron("@hourly", "UTC")),
        (timedelta(minutes=5), Every(300, datetime(1970, 1, 1, tzinfo=UTC))),
        (300, Every(300, datetime(1970, 1, 1, tzinfo=UTC))),
        ("@once", Once()),
        ("@continuous", Continuous()),
        (["@hourly", Cron("@daily", "Asia/Tokyo")], Union(Cron("@hourly", "UTC"), Cron("@daily", "Asia/Tokyo"))),
    ],
)
def test_ways_to_say_when(given: Any, timetable: object) -> None:
    assert declared(schedule=given).timetable == timetable


@pytest.mark.parametrize(("catchup", "meaning"), [(True, "all"), (False, "latest"), ("all", "all"), ("none", "none")])
def test_catching_up(catchup: Any, meaning: str) -> None:
    assert declared(schedule="@daily", catchup=catchup).catchup == meaning


@pytest.mark.parametrize(
    "start", ["2026-03-05", date(2026, 3, 5), "2026-03-05T00:00", datetime(2026, 3, 5), "2026-03-04T23:00+00:00"]
)
def test_a_start_is_of_the_zone_and_is_a_tick_itself(start: Any) -> None:
    schedule = declared(schedule="@daily", timezone=ZoneInfo("Europe/Berlin"), start=start)
    assert first(schedule) == ["2026-03-04 23:00"]
    assert schedule.start == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert schedule.text == "at 00:00 every day, Europe/Berlin, from 2026-03-05 00:00"


@pytest.mark.parametrize(("end", "count"), [("2026-03-03", 2), (date(2026, 3, 3), 2), ("2026-03-03T00:00", 2)])
def test_an_end_belongs_to_it_and_so_does_a_whole_day(end: Any, count: int) -> None:
    assert len(first(declared(schedule="@daily", end=end), 9)) == count
    assert len(first(declared(schedule="0 12 * * *", end="2026-03-03"), 9)) == 2


def test_a_start_at_a_change_of_the_clocks() -> None:
    again = datetime(2026, 10, 25, 2, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    schedule = declared(schedule="0 * * * *", timezone="Europe/Berlin", start=again)
    assert first(schedule, 2) == ["2026-10-25 01:00", "2026-10-25 02:00"]
    assert schedule.text.endswith(", from 2026-10-25 02:00")


def test_an_interval_counts_from_the_start() -> None:
    schedule = declared(schedule=timedelta(hours=5), start="2026-03-01T13:07")
    assert first(schedule, 2) == ["2026-03-01 13:07", "2026-03-01 18:07"]
    assert isinstance(schedule.timetable, Bounded)


def test_once_is_at_the_start() -> None:
    assert first(declared(schedule="@once", start="2026-04-01"), 2) == ["2026-04-01 00:00"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "0 25 * * *"}, "cron expression '0 25 * * *': at character 3, hour: 25 is not from 0 to 23"),
        ({"schedule": ["@daily", "@dialy"]}, "did you mean '@daily'?"),
        ({"schedule": object()}, "give a cron expression, a timedelta or seconds"),
        ({"schedule": "@daily", "timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"schedule": "@daily", "timezone": 2}, "give its name"),
        ({"timezone": "Mars"}, "there is no time zone 'Mars'"),
        ({"schedule": "@daily", "catchup": "lates"}, "did you mean 'latest'?"),
        ({"schedule": "@daily", "catchup": 1.5}, "it is 'all' (True)"),
        ({"schedule": "@daily", "start": "soon"}, "start='soon' is no time"),
        ({"schedule": "@daily", "start": "2026-02-30"}, "is no time"),
        ({"schedule": "@daily", "end": 17}, "end=17 is no time"),
        ({"schedule": "@daily", "start": "2026-02-02", "end": "2026-02-01"}, "is before start="),
        ({"schedule": "0 0 29 2 *", "start": "2026-01-01", "end": "2027-01-01"}, "there is no time when it is due"),
        ({"schedule": "@daily", "max_active_runs": 0}, "max_active_runs=0"),
        ({"schedule": "@daily", "max_active_runs": True}, "max_active_runs=True"),
        ({"deadline": 0}, "deadline=0 is no length of time"),
        ({"deadline": float("inf")}, "deadline=inf"),
        ({"deadline": True}, "deadline=True"),
        ({"deadline": 5, "on_deadline": 7}, "on_deadline=7 cannot be called"),
        ({"on_deadline": print}, "never called without a deadline"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    with Workflow("flow", **options) as flow:
        nothing()
    with pytest.raises(ScheduleError) as caught:
        schedule_of(flow)
    assert message in str(caught.value)
    assert str(caught.value).startswith("workflow 'flow': ")
    assert caught.value.where == flow.where
    manager = WorkflowManager("memory")
    with pytest.raises(ScheduleError):
        manager.run(flow)
    assert manager.runs() == []


def test_the_place_in_the_expression_comes_along() -> None:
    with pytest.raises(ScheduleError) as caught:
        schedule_of(Workflow("flow", schedule="0 25 * * *"))
    assert caught.value.span == (2, 4)


def test_who_is_run_without_anybody_at_hand_needs_all_its_parameters() -> None:
    @workflow(schedule="@daily")
    def flights(day: date) -> None: ...

    with pytest.raises(ScheduleError, match="its parameter 'day' no default"):
        schedule_of(flights)


def test_an_option_that_is_not_there_is_still_none() -> None:
    with pytest.raises(OptionError, match="did you mean 'schedule'"):
        workflow(shedule="@daily")(lambda: None)  # type: ignore[call-overload]


def test_a_workflow_with_a_schedule_is_run_by_hand_as_any() -> None:
    with Workflow("flow", schedule="@daily", timezone="Europe/Berlin", deadline=60) as flow:
        nothing()
    assert WorkflowManager("memory", observers=[]).run(flow).state == "success"

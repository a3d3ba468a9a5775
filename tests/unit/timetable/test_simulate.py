"""What would run when, on a virtual clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.timetable import Continuous, Cron, Every, Schedule
from penstock.timetable.simulate import Foretold, Planned, simulate
from tests.unit.timetable.drawn import moments, schedules

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def foretold(*planned: Planned, days: float = 1, **pools: int) -> list[Foretold]:
    return list(simulate(planned, NOON, NOON + days * DAY, pools))


def every(hours: float, seconds: float | None = 600, name: str = "flow", **options: Any) -> Planned:
    own: dict[str, Any] = {key: options.pop(key) for key in ("slots", "running") if key in options}
    upto = options.pop("upto", NOON)
    return Planned(Schedule(name, Every(3600 * hours), **options), upto, seconds, **own)


def test_each_tick_has_its_run_and_each_run_its_end() -> None:
    runs = foretold(every(6))
    assert [run.tick.at.hour for run in runs] == [18, 0, 6, 12]
    assert all(run.starts == run.tick.at and run.ends == run.tick.at + timedelta(minutes=10) for run in runs)


def test_of_whom_nobody_knows_how_long_it_takes_no_end_is_told() -> None:
    assert [run.ends for run in foretold(every(12, None))] == [None, None]


def test_how_long_it_takes_is_looked_up_once_and_only_of_what_runs() -> None:
    asked: list[str] = []

    def look_up() -> float:
        asked.append("asked")
        return 60.0

    runs = foretold(*(replace(every(hours), seconds=look_up) for hours in (6, 300 * 24)))
    assert [run.ends for run in runs] == [run.tick.at + timedelta(minutes=1) for run in foretold(every(6))]
    assert asked == ["asked"]


def test_several_workflows_are_told_in_the_order_in_which_they_begin() -> None:
    runs = foretold(every(8, name="a"), every(6, name="b"))
    assert [(run.workflow, run.tick.at.hour) for run in runs] == [
        ("a", 16),
        ("b", 18),
        ("a", 0),
        ("b", 0),
        ("b", 6),
        ("a", 8),
        ("b", 12),
    ]


def test_what_takes_longer_than_its_interval_waits_for_room() -> None:
    each = foretold(every(6, 8 * 3600, catchup="all", max_active_runs=1), days=2)
    assert [f"{run.tick.at:%d %H} {run.starts:%d %H}" for run in each] == [
        "01 18 01 18",
        "02 00 02 02",
        "02 06 02 10",
        "02 12 02 18",
        "02 18 03 02",
        "03 00 03 10",
    ]
    latest = foretold(every(6, 13 * 3600, max_active_runs=1), days=2)
    assert [f"{run.tick.at:%d %H} {run.starts:%d %H}" for run in latest] == [
        "01 18 01 18",
        "02 06 02 07",
        "02 18 02 20",
        "03 06 03 09",
    ]
    assert [missed.count for run in latest for missed in run.missed] == [1] * (len(latest) - 1)


def test_what_is_under_way_holds_up_the_next() -> None:
    runs = foretold(every(6, max_active_runs=1, running=(NOON + 7 * timedelta(hours=1),)), days=0.5)
    assert [run.starts and run.starts.hour for run in runs] == [19, 0]


def test_pools_are_shared_in_the_order_in_which_runs_are_made() -> None:
    a, b = (every(12, 3600, name=name, slots={"db": 2}) for name in "ab")
    other = every(12, 3600, name="c", slots={"db": 1, "unknown": 9})
    runs = foretold(a, b, other, db=3)
    assert [(run.workflow, run.starts and run.starts.hour) for run in runs] == [
        ("a", 0),
        ("c", 0),
        ("b", 1),
        ("a", 12),
        ("c", 12),
        ("b", None),
    ]


def test_what_never_has_room_comes_last() -> None:
    (run, _) = foretold(every(12, slots={"db": 2}), db=1)
    assert (run.starts, run.ends) == (None, None)


def test_what_runs_continuously_runs_one_after_the_other() -> None:
    planned = Planned(Schedule("flow", Continuous()), NOON, 3600.0)
    runs = foretold(planned, days=0.25)
    assert [run.starts for run in runs] == [NOON + n * timedelta(hours=1) for n in range(7)]


def test_missed_ticks_are_made_up_for_first() -> None:
    runs = foretold(every(6, upto=NOON - DAY, catchup="all", max_active_runs=9), days=0.2)
    assert [run.starts for run in runs] == [NOON] * 4


def test_ten_years_of_days_and_a_year_of_hours_take_seconds() -> None:
    daily = Planned(Schedule("daily", Cron("0 6 * * *", "Europe/Berlin")), NOON, 60.0)
    hourly = Planned(Schedule("hourly", Cron("30 * * * *", "America/New_York")), NOON, 60.0)
    assert len(foretold(daily, days=3652)) == 3652
    assert len(foretold(hourly, days=365)) == 365 * 24


@settings(max_examples=50, deadline=None)
@given(schedules, moments, st.floats(0, 400_000))
def test_nothing_is_doubled_and_no_more_runs_at_once_than_may(
    schedule: Schedule, start: datetime, seconds: float
) -> None:
    planned = Planned(schedule, start, seconds)
    runs = list(islice(simulate([planned], start, start + 30 * DAY), 300))
    assert all(earlier.tick.at < later.tick.at for earlier, later in pairwise(runs))
    for run in runs:
        assert run.starts is not None
        assert run.starts >= run.tick.at
        under_way = sum(one.starts <= run.starts < one.ends for one in runs if one.starts and one.ends)
        assert under_way <= schedule.max_active_runs

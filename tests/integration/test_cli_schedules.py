"""Schedules that tell no times are told before anything runs; those that do, with their next times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import penstock, penstock_json, write

FLOW = """\
    from datetime import timedelta

    from penstock import task, workflow
    from penstock.timetable import At

    @task
    def load() -> None: ...

    @workflow(schedule="0 6 * * *", timezone="Europe/Berlin")
    def daily() -> None:
        load()

    @workflow(schedule=[timedelta(hours=1), At("2999-12-31 23:59:59")], start="2999-12-31T22:30")
    def far() -> None:
        load()

    @workflow(schedule="@once", end="2100-01-01")
    def once() -> None:
        load()

    @workflow(schedule="0 6 1 1 *", end="2001-01-01")
    def over() -> None:
        load()
    """
WRONG = """\
    from penstock import task, workflow

    @task
    def load() -> None: ...

    @workflow(schedule="0 25 * * *")
    def daily() -> None:
        load()

    @workflow
    def plain() -> None:
        load()
    """
MESSAGE = "workflow 'daily': cron expression '0 25 * * *': at character 3, hour: 25 is not from 0 to 23"


def test_check_shows_the_next_times_in_the_zone_of_the_workflow() -> None:
    write("flow.py", FLOW)
    lines = penstock("check", "flow.py").stdout.splitlines()
    assert lines[:2] == ["daily: 1 task, 0 edges, fine", "  at 06:00 every day, Europe/Berlin"]
    times = lines[2].removeprefix("  next: ").split(", ")
    assert [time.partition(" ")[2] for time in times] == ["06:00"] * 3
    assert lines[3:6] == [
        "far: 1 task, 0 edges, fine",
        "  every hour; at 2999-12-31 23:59:59 UTC, from 2999-12-31 22:30",
        "  next: 2999-12-31 22:30, 2999-12-31 23:30, 2999-12-31 23:59:59",
    ]
    assert lines[6:] == [
        "once: 1 task, 0 edges, fine",
        "  once, until 2100-01-01 23:59:59",
        "over: 1 task, 0 edges, fine",
        "  at 06:00 on January 1, UTC, until 2001-01-01 23:59:59",
        "  it is never due again",
    ]


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_schedule_that_tells_no_times_is_refused(command: str) -> None:
    write("flow.py", WRONG)
    done = penstock(command, "flow.py:daily", code=2)
    assert MESSAGE in done.stdout + done.stderr
    assert not list(Path(".").glob(".penstock/*.sqlite*")) or penstock_json("runs") == []


def test_check_tells_it_with_its_place_and_looks_at_the_others() -> None:
    write("flow.py", WRONG)
    assert penstock_json("check", "flow.py", code=2) == [
        {"file": "flow.py", "kind": "ScheduleError", "message": MESSAGE, "where": f"{Path('flow.py').absolute()}:6"}
    ]
    assert "plain: 1 task, 0 edges, fine" in penstock("check", "flow.py", code=2).stdout

"""The time that a run is for: given by hand, seen by its tasks, kept over a resume, shown, and given once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from penstock import Run, Task, Workflow, WorkflowManager, current, task, workflow
from penstock.errors import LogicalTimeTaken, PenstockError
from penstock.testing.store_schedules import due_run
from tests.integration.commands import read, read_json

BERLIN = ZoneInfo("Europe/Berlin")
SIX = datetime(2026, 7, 1, 6, tzinfo=BERLIN)


@task
def tell() -> list[str | None]:
    at = current()
    return [str(at.logical_time), str(at.logical_date), str(at.data_interval and [*map(str, at.data_interval)])]


@task(retries=0)
def fail_at_first(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        raise ValueError("the first time")
    return str(current().logical_time)


@workflow
def inner() -> None:
    tell()


@workflow(schedule="0 6 * * *", timezone="Europe/Berlin")
def daily() -> None:
    tell()


@workflow(schedule="0 6 * * *", timezone="Europe/Berlin")
def nested() -> None:
    inner()


@workflow(timezone="Europe/Berlin")
def shaky(marker: str) -> None:
    fail_at_first(marker)


def manager(executor: str = "inline") -> WorkflowManager:
    return WorkflowManager(executor=executor, observers=[])


def seen(run: Run) -> object:
    return run.task("tell").result


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_tasks_see_the_time_that_their_run_is_for(executor: str):
    with manager(executor) as opened:
        run = opened.run(daily, logical_time=SIX)
        assert seen(run) == [
            "2026-07-01 06:00:00+02:00",
            "2026-07-01",
            "['2026-06-30 06:00:00+02:00', '2026-07-01 06:00:00+02:00']",
        ]
        assert (run.logical_time, run.trigger) == (SIX, "manual")
        assert run.data_interval == (SIX - timedelta(days=1), SIX)
        assert run.data_interval.end == SIX
        assert seen(opened.run(daily)) == ["None", "None", "None"]


def test_the_day_is_that_of_the_workflows_zone():
    midnight = datetime(2026, 7, 1)
    days: list[date | None] = []
    flow = Workflow("midnight", schedule="@daily", timezone="Europe/Berlin")
    flow.add_task(Task("note", lambda: days.append(current().logical_date)))
    with manager() as opened:
        run = opened.run(flow, logical_time=midnight)
        assert days == [date(2026, 7, 1)]
        assert run.logical_time == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_a_time_that_is_no_tick_has_no_data_interval():
    with manager() as opened:
        for flow, at in ((daily, SIX + timedelta(hours=1)), (inner, SIX)):
            run = opened.run(flow, logical_time=at)
            assert (run.logical_time, run.data_interval) == (at, None)


def test_a_logical_time_is_given_once():
    with manager() as opened:
        first = opened.run(daily, logical_time=SIX)
        told = f"'daily' has had a run for 2026-07-01T04:00:00Z: run {first.id}"
        for start in (opened.run, opened.start):
            with pytest.raises(LogicalTimeTaken, match=told):
                start(daily, logical_time=SIX.astimezone(UTC))
        opened.delete(first.id)
        with pytest.raises(LogicalTimeTaken, match=first.id):
            opened.run(daily, logical_time=SIX)
        opened.run(inner, logical_time=SIX)
        opened.start(daily, logical_time=SIX + timedelta(days=1)).wait()
        assert len(opened.runs("daily")) == 1


def test_a_run_for_a_time_goes_on_and_is_for_it_still():
    with manager() as opened:
        first = opened.run(shaky, marker="a", logical_time=SIX, raise_on_failure=False)
        assert first.state == "failed"
        other = opened.run(shaky, marker="b", logical_time=SIX + timedelta(days=1), raise_on_failure=False)
        again = opened.run(shaky, marker="a", logical_time=SIX, resume=True)
        assert (again.id, again.state, again.logical_time) == (first.id, "success", SIX)
        assert again.task("fail_at_first").result == "2026-07-01 06:00:00+02:00"
        assert opened.resume(other.id, shaky).task("fail_at_first").result == "2026-07-02 06:00:00+02:00"
        with pytest.raises(LogicalTimeTaken):
            opened.run(shaky, marker="a", logical_time=SIX, resume=True)


def test_the_runs_of_tasks_are_for_the_time_of_the_whole():
    with manager("threads") as opened:
        opened.run(inner, logical_time=SIX)  # which does not stand in the way
        run = opened.run(nested, logical_time=SIX)
        [child] = run.children
        assert (child.logical_time, child.trigger) == (SIX, "workflow")
        assert child.data_interval == run.data_interval is not None
        assert "2026-07-01" in str(seen(child))


@pytest.mark.parametrize("at", ["2026-07-01", 5.0, date(2026, 7, 1)])
def test_what_is_no_datetime_is_refused(at: object):
    with manager() as opened, pytest.raises(PenstockError, match="is no datetime"):
        opened.run(daily, logical_time=at)  # type: ignore[arg-type]


def test_a_run_that_was_put_on_record_is_for_its_time_when_it_is_driven():
    """As a service has its drivers do."""
    with manager() as opened:
        model = opened.run(daily)
        store = opened.parts.store
        row = store.run(model.id)
        at, day = SIX.timestamp(), 86_400.0
        queued = due_run(
            *("queued", at),
            workflow="daily",
            params="{}",
            plan=row.plan,
            source=None,
            tasks=row.tasks,
            interval_start=at - day,
            timezone="Europe/Berlin",
        )
        store.create_run(queued, store.plan(row.plan))
        run = opened.resume("queued", daily)
        assert run.trigger == "schedule"
        assert seen(run)[0] == "2026-07-01 06:00:00+02:00"  # type: ignore[index]


# --- Shown


def test_the_time_is_shown():
    with manager() as opened:
        plain = opened.run(inner)
        assert "DUE" not in read("runs")
        run = opened.run(daily, logical_time=SIX)
        opened.run(daily, logical_time=SIX + timedelta(seconds=1))
    head = read("show", run.id).splitlines()
    assert "  due      2026-07-01 06:00 CEST" in head
    assert "  data     2026-06-30 06:00 CEST up to 2026-07-01 06:00 CEST" in head
    assert not any("due" in line for line in read("show", plain.id).splitlines())
    listed = read("runs").splitlines()
    assert "DUE" in listed[0]
    assert "2026-07-01 06:00:01 CEST" in listed[1]
    assert "2026-07-01 06:00 CEST" in listed[2]
    times = {
        "trigger": "manual",
        "logical_time": "2026-07-01T04:00:00.000Z",
        "data_interval": {"start": "2026-06-30T04:00:00.000Z", "end": "2026-07-01T04:00:00.000Z"},
        "timezone": "Europe/Berlin",
    }
    nothing = {"trigger": "manual", "logical_time": None, "data_interval": None, "timezone": None}
    for record in (read_json("show", run.id), read_json("runs", "daily")[1]):
        assert times.items() <= record.items()
    for record in (read_json("show", plain.id), read_json("runs", "inner")[0]):
        assert nothing.items() <= record.items()


def test_a_time_from_the_schedule_says_so():
    with manager() as opened:
        opened.run(inner)
        store = opened.parts.store
        plan = store.run(opened.get().id).plan
        store.create_run(due_run("queued", SIX.timestamp(), plan=plan, params="{}"), store.plan(plan))
    assert "due      2026-07-01 04:00 UTC, by its schedule" in read("show", "queued")

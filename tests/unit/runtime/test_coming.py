"""What would run when, by the schedules on record."""

from __future__ import annotations

import json
import zlib
from array import array
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock import Task, Workflow, WorkflowManager
from penstock.errors import ScheduleNotFound
from penstock.plan.codec import encode as encode_plan
from penstock.plan.fingerprint import fingerprint
from penstock.runtime.coming import Coming, coming
from penstock.store.base import Durations, RunChange, Store
from penstock.store.schedules import ScheduleRow
from penstock.testing.store_samples import new_run
from penstock.timetable.codec import encode
from penstock.timetable.reading import timetable_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def manager() -> WorkflowManager:
    return WorkflowManager("memory", observers=[])


def schedule(store: Store, name: str, given: Any, **more: Any) -> None:
    timetable = timetable_of(given)
    row: dict[str, Any] = {"timezone": "UTC", "catchup": "latest", "max_active_runs": 16, "deadline": None, **more}
    text = json.dumps(encode(timetable))
    store.put_schedules([ScheduleRow(name, None, "1", text, timetable.text, upto=NOON.timestamp(), **row)])


def told(store: Store, days: float = 1, workflow: str | None = None) -> list[Coming]:
    return list(coming(store, NOON.timestamp(), days, workflow))


def hours(found: list[Coming]) -> list[tuple[str, int]]:
    return [(one.workflow, one.tick.at.hour) for one in found]


def test_all_that_is_due_is_told_in_order(manager: WorkflowManager) -> None:
    store = manager.parts.store
    schedule(store, "a", "0 */8 * * *")
    schedule(store, "b", "0 6,18 * * *")
    assert hours(told(store)) == [("a", 16), ("b", 18), ("a", 0), ("b", 6), ("a", 8)]
    assert hours(told(store, 0.5, "b")) == [("b", 18)]
    with pytest.raises(ScheduleNotFound):
        told(store, 1, "c")


def test_what_does_not_run_is_not_told(manager: WorkflowManager) -> None:
    store = manager.parts.store
    for name in ("paused", "broken", "continuous"):
        given = "@continuous" if name == "continuous" else "@hourly"
        schedule(store, name, given, error="its file is gone" if name == "broken" else None)
    store.pause("paused", True)
    assert told(store) == []


def test_of_a_workflow_that_has_not_run_no_end_is_told(manager: WorkflowManager) -> None:
    schedule(manager.parts.store, "flow", "@hourly")
    (one,) = told(manager.parts.store, 0.05)
    assert (one.starts, one.ends) == (NOON + timedelta(hours=1), None)


def test_of_others_their_last_runs_tell_the_end(manager: WorkflowManager) -> None:
    flow = Workflow("flow")
    flow.add_task(Task("noop", print))
    run = manager.run(flow)
    schedule(manager.parts.store, "flow", "@hourly")
    (one,) = told(manager.parts.store, 0.05)
    assert run.duration is not None
    assert one.starts is not None
    assert one.ends is not None
    assert timedelta(0) < one.ends - one.starts <= timedelta(seconds=max(run.duration, 0.001), microseconds=1)


def test_what_is_under_way_holds_up_what_has_no_room_beside_it(manager: WorkflowManager) -> None:
    store = manager.parts.store
    schedule(store, "flow", "@hourly", max_active_runs=1)
    store.create_run(new_run("run", workflow="flow", created_at=NOON.timestamp() + 3600 * 1.5), b"plan")
    (one,) = told(store, 0.08)
    assert one.tick.at == NOON + timedelta(hours=1)
    assert one.starts == NOON + timedelta(hours=1.5)


def has_run(manager: WorkflowManager, name: str, seconds: float, **options: Any) -> None:
    """Put a run on record, of one task that takes half of its time."""
    flow = Workflow(name)
    flow.add_task(Task("only", print, **options))
    store, plan = manager.parts.store, encode_plan(manager.compile(flow))
    store.create_run(new_run(name, workflow=name, plan=fingerprint(plan), created_at=1.0), plan)
    took = zlib.compress(array("f", [seconds / 2]).tobytes())
    change = RunChange("success", started_at=1.0, ended_at=1.0 + seconds, durations=Durations(fingerprint(plan), took))
    lease = store.acquire(name)
    store.append(lease, [], change=change)
    lease.release()


@pytest.mark.parametrize(
    ("options", "at_once"),
    [({}, 4), ({"pool": "db"}, 4), ({"pool": "db", "pool_slots": 2}, 2), ({"pool": "none"}, 0)],
)
def test_runs_wait_until_the_pools_of_their_tasks_have_room(
    manager: WorkflowManager, options: dict[str, Any], at_once: int
) -> None:
    store = manager.parts.store
    store.set_pool("db", 2)
    store.set_pool("none", 1)
    for name in "abcd":
        has_run(manager, name, 3600.0, **options)
        schedule(store, name, "0 */12 * * *")
    store.set_pool("none", 0)
    starts = [one.starts and (one.starts - NOON).total_seconds() / 3600 for one in told(store, 0.6)]
    assert starts == [12.0 + number // at_once if at_once else None for number in range(4)]


def test_a_task_of_which_few_run_at_once_holds_up_runs_of_its_workflow(manager: WorkflowManager) -> None:
    has_run(manager, "flow", 4 * 3600.0, concurrency=1)
    schedule(manager.parts.store, "flow", "0 */1 * * *")
    starts = [one.starts and (one.starts - NOON).total_seconds() / 3600 for one in told(manager.parts.store, 0.25)]
    assert starts[:4] == [1.0, 2.0, 5.0, 6.0]  # it takes half of their time, so that two go on at once

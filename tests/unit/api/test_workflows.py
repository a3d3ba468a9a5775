"""Workflows, their schedules and their runs by tasks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from penstock import Task, Workflow
from penstock.store.schedules import ScheduleRow, TickRow
from penstock.timetable import Cron
from penstock.timetable.codec import encode
from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, etl, hello, paper, slow, wait_for_the_file


def scheduled(workflow: str, source: str | None = None, **changes: object) -> ScheduleRow:
    """What a service puts on record of a workflow."""
    cron = Cron("0 6 * * *", "Europe/Berlin")
    about = {
        "description": "Squares of numbers.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
    }
    row = ScheduleRow(
        workflow, source, "v1", json.dumps(encode(cron)), cron.text, "Europe/Berlin", "latest", 4, 60.0, time.time(),
        about=json.dumps(about),
    )  # fmt: skip
    return ScheduleRow(**{**{name: getattr(row, name) for name in ScheduleRow.__slots__}, **changes})


def test_workflows_are_those_of_the_service_and_those_with_runs(any_api: Api) -> None:
    store = any_api.manager.parts.store
    store.put_schedules([scheduled("etl"), scheduled("broken", error="SyntaxError: no", text=None, timetable=None)])
    run = any_api.manager.run(etl, raise_on_failure=False)
    any_api.manager.run(hello)
    found = {one["name"]: one for one in any_api.get("/workflows")["items"]}
    assert [*found] == ["broken", "etl", "hello"]
    assert found["etl"]["newest"]["id"] == run.id
    assert found["etl"]["counts"] == {"failed": 1}
    assert found["etl"]["schedule"]["text"]
    assert found["etl"]["schedule"]["next_at"][11:] in ("04:00:00.000Z", "05:00:00.000Z")
    assert found["etl"]["description"] == "Squares of numbers."
    assert found["broken"]["error"] == "SyntaxError: no"
    assert found["hello"]["schedule"] is None
    assert [one["name"] for one in any_api.get("/workflows", search="EL")["items"]] == ["hello"]


def test_workflows_come_by_pages(any_api: Api) -> None:
    any_api.manager.parts.store.put_schedules([scheduled(f"flow {number}") for number in range(7)])
    names, cursor = [], None
    while True:
        page = any_api.get("/workflows", limit=3, **({"cursor": cursor} if cursor else {}))
        names += [one["name"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == [f"flow {number}" for number in range(7)]


def test_a_workflow_is_told_with_its_parameters_its_graph_and_its_versions(any_api: Api) -> None:
    any_api.manager.parts.store.put_schedules([scheduled("etl")])
    for n in (2, 3):
        any_api.manager.run(etl, n=n, raise_on_failure=False)
    told = any_api.get("/workflows/etl")
    assert told["parameters"]["properties"]["n"]["default"] == 3
    assert [node["id"] for node in told["graph"]["tasks"]][:2] == ["numbers", "choose"]
    assert [version["runs"] for version in told["versions"]] == [2]
    assert len(told["runs"]) == 2
    assert any_api.refused(404, "/workflows/nobody")["type"] == "urn:penstock:workflow-not-found"


def test_the_source_of_a_workflow_is_its_file(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "flows.py"
    file.write_text("x = 'ü'\n")
    store = api.manager.parts.store
    store.put_schedules([scheduled("whole", str(file)), scheduled("named", f"{file}:named")])
    for name in ("whole", "named"):
        assert api.get(f"/workflows/{name}/source") == {"file": str(file), "text": "x = 'ü'\n"}


@pytest.mark.parametrize("source", ["/etc/passwd", "/etc/passwd:x", "/nowhere/flows.py", "/etc", "flows", None])
def test_what_is_no_source_is_not_shown(api: Api, source: str | None) -> None:
    api.manager.parts.store.put_schedules([scheduled("odd", source)])
    assert api.refused(404, "/workflows/odd/source")["type"] == "urn:penstock:no-source"


def test_the_grid_has_runs_by_tasks(any_api: Api) -> None:
    first = any_api.manager.run(etl, raise_on_failure=False)
    Path("mended").touch()
    second = any_api.manager.run(etl)
    grid = any_api.get("/workflows/etl/grid")
    assert [cell["run"]["id"] for cell in grid["runs"]] == [second.id, first.id]
    place = {name: number for number, name in enumerate(grid["tasks"])}
    new, old = grid["runs"]
    assert (new["states"][place["load"]], new["tries"][place["load"]]) == ("success", 1)
    assert (old["states"][place["load"]], old["tries"][place["load"]]) == ("failed", 2)
    assert old["states"][place["tell"]] == "upstream_failed"
    assert old["counts"] == {"square": {"success": 3}}
    page = any_api.get("/workflows/etl/grid", limit=1)
    assert [cell["run"]["id"] for cell in page["runs"]] == [second.id]
    assert [cell["run"]["id"] for cell in any_api.get("/workflows/etl/grid", cursor=page["next"])["runs"]] == [first.id]


def test_a_schedule_is_paused_and_goes_on(any_api: Api) -> None:
    store = any_api.manager.parts.store
    store.put_schedules([scheduled("etl")])
    assert any_api.post("/workflows/etl/pause")["paused"]
    assert store.schedule("etl").paused
    assert any_api.get("/schedules")[0]["next_at"] is None
    assert any_api.get("/next", days=30) == []
    assert not any_api.post("/workflows/etl/unpause")["paused"]
    assert any_api.get("/schedules")[0]["next_at"]
    assert any_api.refused(404, "/workflows/nobody/pause", "POST")["type"] == "urn:penstock:schedule-not-found"


def test_what_is_due_next_comes_in_order(any_api: Api) -> None:
    often = encode(Cron("0 * * * *", "UTC"))
    rows = [scheduled("daily"), scheduled("hourly", timetable=json.dumps(often), timezone="UTC")]
    any_api.manager.parts.store.put_schedules(rows)
    due = any_api.get("/next", days=3)
    assert [one["logical_time"] for one in due] == sorted(one["logical_time"] for one in due)
    assert sum(one["workflow"] == "hourly" for one in due) == 72
    assert sum(one["workflow"] == "daily" for one in due) == 3
    assert due[0]["data_interval"]["end"] == due[0]["logical_time"]
    assert {one["workflow"] for one in any_api.get("/next", workflow="daily")} == {"daily"}
    assert any_api.get("/home")["next"][0] == due[0]
    any_api.refused(404, "/next?workflow=nobody")


def test_what_was_decided_is_told_by_pages(any_api: Api) -> None:
    store = any_api.manager.parts.store
    store.put_schedules([scheduled("etl", upto=1.0)])
    at = 1.0
    for number in range(5):
        tick = TickRow("skipped", at + 1, at + 2, number + 1, None, at + 3)
        assert store.decide("etl", at, at + 10, missed=[tick])
        at += 10
    counts, cursor = [], None
    while True:
        page = any_api.get("/workflows/etl/ticks", limit=2, **({"cursor": cursor} if cursor else {}))
        counts += [(one["what"], one["count"]) for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert counts == [("skipped", number) for number in (5, 4, 3, 2, 1)]


def test_a_run_that_should_have_ended_is_late(any_api: Api) -> None:
    any_api.manager.parts.store.put_schedules([scheduled("slow", deadline=0.001), scheduled("paper", deadline=1e6)])
    unscheduled = Workflow("unscheduled")
    unscheduled.add_task(Task("hold", wait_for_the_file.func))
    runs = [any_api.manager.start(flow) for flow in (slow, paper, unscheduled)]
    wait_until(lambda: any_api.get("/home")["late"], "the first is late")
    home = any_api.get("/home")
    assert [run["id"] for run in home["late"]] == [runs[0].id]
    assert {run["id"] for run in home["unfinished"]} == {run.id for run in runs}
    assert any_api.get("/home", limit=1)["late"] == home["late"], "also where newer ones go on"
    known = {run["workflow"]: (run["zone"], run["ends_by"]) for run in home["unfinished"]}
    assert known["unscheduled"] == ("UTC", None)
    assert known["slow"][0] == "Europe/Berlin"
    assert known["slow"][1] < known["paper"][1] == any_api.get(f"/runs/{runs[1].id}")["ends_by"]
    for run in runs:
        run.cancel()
        run.wait()
    assert any_api.get("/home")["late"] == []

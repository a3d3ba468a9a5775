"""Lists of runs, and one run with all that belongs to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.api.models.runs import RunDetail
from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, etl, hello, idle, paper, slow


def test_runs_are_listed_newest_first_with_what_the_command_line_tells(api: Api, tmp_path: Path) -> None:
    ids = [api.manager.run(hello, name=name).id for name in ("a", "b")]
    listed = api.get("/runs")
    assert [run["id"] for run in listed["items"]] == ids[::-1]
    assert listed["next"] is None
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "penstock", "runs", "--json", "--store", f"sqlite:///{tmp_path / 'store'}"],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    assert [{name: run[name] for name in told[0]} for run in listed["items"]] == told


def test_pages_have_every_run_once_while_others_come(any_api: Api) -> None:
    ids = [any_api.manager.run(hello, name=str(number)).id for number in range(7)]
    seen, cursor = [], None
    while True:
        page = any_api.get("/runs", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [run["id"] for run in page["items"]]
        any_api.manager.run(hello)
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_runs_are_found_by_workflow_state_and_time(any_api: Api) -> None:
    failed = any_api.manager.run(etl, raise_on_failure=False)
    good = any_api.manager.run(hello)
    assert [run["id"] for run in any_api.get("/runs", state="failed")["items"]] == [failed.id]
    assert [run["id"] for run in any_api.get("/runs", workflow="hello")["items"]] == [good.id]
    assert {run["id"] for run in any_api.get("/runs", state=["failed", "success"])["items"]} == {failed.id, good.id}
    assert any_api.get("/runs", workflow="hello", state="failed")["items"] == []
    assert any_api.get("/runs", since="2100-01-01T00:00:00Z")["items"] == []
    assert any_api.get("/runs", until="2000-01-01T00:00:00Z")["items"] == []
    assert len(any_api.get("/runs", since="2000-01-01T00:00:00", until="2100-01-01T00:00:00Z")["items"]) == 2


def test_runs_that_are_tasks_of_others_are_listed_only_if_wanted(api: Api) -> None:
    from penstock import Workflow, task, workflow

    @task
    def one() -> None:
        pass

    @workflow
    def inner() -> None:
        one()

    with Workflow("outer") as outer:
        inner()
    run = api.manager.run(outer)
    assert [run["id"] for run in api.get("/runs")["items"]] == [run.id]
    child = run.task("inner").child
    assert [run["id"] for run in api.get("/runs", parts=True)["items"]] == [child, run.id]
    assert api.get(f"/runs/{run.id}")["children"] == [child]
    assert api.get(f"/runs/{child}")["part"] == "inner"


def test_a_run_is_told_as_by_the_command_line(api: Api, tmp_path: Path) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    detail = api.get(f"/runs/{run.id}")
    told = json.loads(
        subprocess.run(
            [sys.executable, "-m", "penstock", "show", run.id, "--json", "--store", f"sqlite:///{tmp_path / 'store'}"],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    assert {name: detail[name] for name in told if name != "tasks"} == {
        name: told[name] for name in told if name != "tasks"
    }
    assert detail["tasks"] == told["tasks"]


def test_a_run_is_found_by_the_beginning_of_its_id(api: Api) -> None:
    run = api.manager.run(hello)
    assert api.get(f"/runs/{run.id[:6]}")["id"] == run.id


def test_its_graph_attempts_and_reasons_come_with_it_if_wanted(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    detail = any_api.get(f"/runs/{run.id}", include=["graph", "attempts", "why"])
    nodes = {node["id"]: node for node in detail["graph"]["tasks"]}
    assert nodes["square"]["counts"] == {"success": 3}
    assert nodes["square"]["mapped"]
    assert nodes["load"]["upstreams"] == ["add_up"]
    assert nodes["load"]["error"] == "KeyError: 'day'"
    assert [nodes[name]["layer"] for name in ("numbers", "square", "add_up", "load", "tell")] == [0, 1, 2, 3, 4]
    assert [one["attempt"] for one in detail["attempts"] if one["task"] == "load"] == [1, 2]
    assert detail["why"]["first_causes"] == ["load"]
    assert any_api.get(f"/runs/{run.id}")["graph"] is None


def test_a_map_that_is_folded_tells_only_what_needs_attention(any_api: Api) -> None:
    run = any_api.manager.run(etl, n=50, raise_on_failure=False)
    whole, folded = any_api.get(f"/runs/{run.id}"), any_api.get(f"/runs/{run.id}", maps="fold")
    assert [task["id"] for task in whole["tasks"]].count("square") == 50
    assert [task["id"] for task in folded["tasks"]].count("square") == 0
    assert folded["folded"] == 50


def test_a_run_that_goes_on_is_told_as_it_is_each_time(any_api: Api) -> None:
    run = any_api.manager.start(slow)
    while any_api.get(f"/runs/{run.id}")["tasks"][0]["state"] != "running":
        pass
    detail = any_api.get(f"/runs/{run.id}")
    assert detail["state"] == "running"
    assert detail["driver"]["pid"]
    Path("open").touch()
    run.wait()
    after = any_api.get(f"/runs/{run.id}")
    assert (after["state"], after["tasks"][0]["state"], after["driver"]) == ("success", "success", None)
    assert after["position"] > detail["position"]


def test_why_a_run_and_a_task_stand_where_they_do(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    assert "load" in any_api.get(f"/runs/{run.id}/why")["text"]
    assert "'choose' chose 'small'" in any_api.get(f"/runs/{run.id}/tasks/large/why")["text"]
    assert any_api.get(f"/runs/{run.id}/tasks/tell/why")["first_causes"] == ["load"]
    skipped = any_api.manager.run(idle)
    assert "all is done" in any_api.get(f"/runs/{skipped.id}/tasks/nothing_to_do/why")["text"]


@pytest.mark.parametrize("path", ["/runs/ffffffffffff", "/runs/ffffffffffff/why", "/runs/ffffffffffff/logs"])
def test_a_run_that_is_not_there_is_a_problem(api: Api, path: str) -> None:
    assert api.refused(404, path)["type"] == "urn:penstock:run-not-found"


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    cursor = api.get(f"/runs/{run.id}/tasks", limit=1)["next"]
    assert api.refused(404, f"/runs?cursor={cursor}")["type"] == "urn:penstock:wrong-cursor"
    assert api.refused(404, "/runs?cursor=nonsense")["type"] == "urn:penstock:wrong-cursor"


def test_a_run_is_told_as_the_specification_says(any_api: Api) -> None:
    failed = any_api.manager.run(etl, raise_on_failure=False)
    asking = any_api.manager.start(paper)
    wait_until(lambda: any_api.get(f"/runs/{asking.id}")["approvals"], "it asks")
    for run in (failed, asking):
        for options in ({}, {"include": ["graph", "attempts", "why"], "maps": "fold"}):
            told = any_api.get(f"/runs/{run.id}", **options)
            assert RunDetail.model_validate(told).model_dump(mode="json", by_alias=True) == told
    asking.cancel()
    asking.wait()

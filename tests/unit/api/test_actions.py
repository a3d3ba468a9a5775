"""What is asked of runs: to end, to go on, to do parts again, to take a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, etl, hello, paper, served, slow


def test_a_run_that_goes_on_is_asked_to_end(any_api: Api) -> None:
    run = any_api.manager.start(slow)
    wait_until(lambda: any_api.get(f"/runs/{run.id}")["counts"].get("running"), "it runs")
    assert any_api.post(f"/runs/{run.id}/cancel", {"by": "anna"}, 202)["run"] == run.id
    assert run.wait().state == "cancelled"
    assert "anna" in any_api.get(f"/runs/{run.id}")["error"]
    told = any_api.refused(409, f"/runs/{run.id}/cancel", "POST")
    assert told["type"] == "urn:penstock:run-ended"


def test_a_run_that_failed_goes_on_when_the_cause_is_gone(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    Path("mended").touch()
    assert any_api.post(f"/runs/{run.id}/resume", {"by": "anna"}, 202)["run"] == run.id
    any_api.service.wait()
    assert any_api.get(f"/runs/{run.id}")["state"] == "success"
    assert any_api.service.asked == [("resume", run.id, "anna")]


def test_what_would_run_again_is_what_runs_again(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    Path("mended").touch()
    choice: dict[str, Any] = {"failed": True}
    preview = any_api.post(f"/runs/{run.id}/rerun/preview", choice)
    assert [(one["id"], one["because"]) for one in preview["tasks"]] == [
        ("load", "it failed"),
        ("tell", "it was held up by a failure"),
    ]
    assert preview["current"]
    assert preview["command"] == f"penstock rerun {run.id} --failed"
    assert any_api.get(f"/runs/{run.id}")["state"] == "failed"
    before = {(one["task"], one["attempt"]) for one in any_api.get(f"/runs/{run.id}/attempts")}
    any_api.post(f"/runs/{run.id}/rerun", choice, 202)
    any_api.service.wait()
    again = [one["task"] for one in any_api.get(f"/runs/{run.id}/attempts") if one["generation"] == 1]
    assert again == [one["id"] for one in preview["tasks"]]
    assert before
    assert any_api.get(f"/runs/{run.id}")["state"] == "success"


def test_what_is_named_and_what_follows_it_is_told_apart(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    preview = api.post(f"/runs/{run.id}/rerun/preview", {"from": ["square[1]"]})
    told = {(one["id"], one["map_index"]): one["because"] for one in preview["tasks"]}
    assert told == {
        ("square", 1): "it is named",
        ("add_up", None): "it comes after 'square[1]'",
        ("load", None): "it comes after 'square[1]'",
        ("tell", None): "it comes after 'square[1]'",
    }
    kept = {(one["id"], one["map_index"]): one["because"] for one in preview["kept"]}
    assert kept["square", 0] == "it succeeded, and is kept"
    assert kept["large", None] == "it was skipped"
    assert not {*told} & {*kept}


@pytest.mark.parametrize(
    ("choice", "status"),
    [({}, 422), ({"only": ["nobody"]}, 422), ({"where": ["happy"]}, 422), ({"then": True}, 422), ({"only": "a"}, 422)],
)
def test_a_choice_that_cannot_be_is_refused(api: Api, choice: Any, status: int) -> None:
    run = api.manager.run(hello)
    api.refused(status, f"/runs/{run.id}/rerun/preview", "POST", json=choice)
    api.refused(status, f"/runs/{run.id}/rerun", "POST", json=choice)
    assert api.service.asked == []


def test_parts_of_a_run_that_goes_on_do_not_run_again(api: Api) -> None:
    run = api.manager.start(slow)
    wait_until(lambda: api.get(f"/runs/{run.id}")["counts"].get("running"), "it runs")
    told = api.refused(409, f"/runs/{run.id}/rerun", "POST", json={"only": ["wait_for_the_file"]})
    assert told["type"] == "urn:penstock:run-not-ended"
    Path("open").touch()


def test_without_a_service_nobody_drives(tmp_path: Path) -> None:
    import httpx

    from penstock import WorkflowManager
    from penstock.api.server import serve

    store = f"sqlite:///{tmp_path / 'store'}"
    with WorkflowManager(store, observers=[]) as manager:
        run = manager.run(etl, raise_on_failure=False)
    with serve(store, port=0) as server:
        for path, body in (("resume", {}), ("rerun", {"failed": True})):
            answer = httpx.post(f"{server.url}/api/v1/runs/{run.id}/{path}", json=body)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:penstock:nobody-drives")
        preview = httpx.post(f"{server.url}/api/v1/runs/{run.id}/rerun/preview", json={"failed": True}).json()
        assert not preview["current"]
        assert httpx.get(f"{server.url}/api/v1/health").json()["drives"] is False


def test_what_somebody_is_asked_is_listed_and_decided(any_api: Api) -> None:
    run = any_api.manager.start(paper)
    wait_until(lambda: any_api.get("/approvals"), "it asks")
    (asked,) = any_api.get("/approvals")
    assert (asked["run"], asked["task"], asked["question"]) == (run.id, "publish", "Is it fit to be printed?")
    assert asked["inputs"]["properties"]["copies"]["default"] == 2
    assert any_api.get("/runs")["items"][0]["approvals"] == ["publish"]
    assert any_api.get(f"/runs/{run.id}")["approvals"] == [asked]
    wrong = any_api.refused(
        422, f"/runs/{run.id}/approve", "POST", json={"task": "publish", "values": {"copies": "many"}}
    )
    assert "copies" in wrong["detail"]
    any_api.post(f"/runs/{run.id}/reject", {"task": "publish", "by": "anna"})
    assert run.wait().task("publish").result == "False 2"
    late = any_api.refused(409, f"/runs/{run.id}/approve", "POST", json={"task": "publish"})
    assert late["type"] == "urn:penstock:run-ended"


def test_a_run_is_triggered_once_for_one_key(any_api: Api) -> None:
    key = {"Idempotency-Key": "order 66"}
    first = any_api.post("/workflows/hello/runs", {"params": {"name": "anna"}}, 201, **key)
    again = any_api.post("/workflows/hello/runs", {"params": {"name": "anna"}}, 201, **key)
    other = any_api.post("/workflows/hello/runs", {"params": {"name": "anna"}}, 201)
    any_api.service.wait()
    assert again["id"] == first["id"] != other["id"]
    assert len(any_api.get("/runs")["items"]) == 2
    assert any_api.get(f"/runs/{first['id']}")["params"] == {"name": "anna"}


def test_the_same_key_for_something_else_is_refused(api: Api) -> None:
    key = {"Idempotency-Key": "order 66"}
    api.post("/workflows/hello/runs", {"params": {"name": "anna"}}, 201, **key)
    told = api.refused(409, "/workflows/hello/runs", "POST", json={"params": {"name": "bob"}}, headers=key)
    assert told["type"] == "urn:penstock:key-used"


def test_two_at_once_with_one_key_make_one_run(api: Api) -> None:
    from concurrent.futures import ThreadPoolExecutor

    key = {"Idempotency-Key": "order 66"}
    with ThreadPoolExecutor(8) as threads:
        made = [*threads.map(lambda _: api.post("/workflows/hello/runs", {}, 201, **key)["id"], range(8))]
    assert len({*made}) == 1
    assert len(api.get("/runs")["items"]) == 1


def test_a_service_that_is_not_well_says_so(tmp_path: Path) -> None:
    with served("memory") as api:
        assert api.get("/health")["status"] == "ok"
        api.service.problem = "the scheduler has died"
        answer = api.http.get("/api/v1/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "the scheduler has died")

"""Pools over HTTP."""

from __future__ import annotations

import pytest

from tests.unit.api.served import Api


def test_a_pool_is_made_resized_and_forgotten(any_api: Api) -> None:
    made = any_api.http.put("/api/v1/pools/warehouse", json={"slots": 3})
    assert made.json() == {"name": "warehouse", "slots": 3, "used": 0, "waiting": 0, "runs": []}
    any_api.http.put("/api/v1/pools/warehouse", json={"slots": 0})
    assert [pool["slots"] for pool in any_api.get("/pools")] == [0]
    assert any_api.get("/pools/warehouse")["slots"] == 0
    assert any_api.http.delete("/api/v1/pools/warehouse").status_code == 204
    assert any_api.refused(404, "/pools/warehouse")["type"] == "urn:penstock:pool-not-found"
    any_api.refused(404, "/pools/warehouse", "DELETE")


@pytest.mark.parametrize("name", ["%20a", "a%00", "%0a", "x" * 201])
def test_a_name_that_cannot_be_is_refused(api: Api, name: str) -> None:
    api.refused(422, f"/pools/{name}", "PUT", json={"slots": 1})


def test_who_has_slots_is_told(api: Api) -> None:
    from pathlib import Path

    from penstock import Task, Workflow
    from tests.integration.waiting import wait_until
    from tests.unit.api.served import wait_for_the_file

    api.manager.set_pool("warehouse", 1)
    flow = Workflow("pooled")
    flow.add_task(Task("hold", wait_for_the_file.func, pool="warehouse"))
    flow.add_task(Task("wants", print, pool="warehouse"))
    run = api.manager.start(flow)
    wait_until(lambda: api.get("/pools/warehouse")["used"], "it holds a slot")
    wait_until(lambda: api.get("/pools/warehouse")["waiting"], "another waits")
    (use,) = api.get("/pools/warehouse")["runs"]
    assert (use["run"], use["used"], use["wanted"]) == (run.id, 1, 2)
    why = api.get(f"/runs/{run.id}/tasks/wants/why")["text"]
    assert "pool 'warehouse'" in why
    Path("open").touch()
    run.wait()

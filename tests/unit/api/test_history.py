"""A task over the runs of its workflow."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.unit.api.served import Api, etl, hello


def test_a_task_is_told_in_each_run_oldest_first(any_api: Api) -> None:
    failed = any_api.manager.run(etl, raise_on_failure=False)
    Path("mended").touch()
    good = any_api.manager.run(etl)
    pasts = any_api.get("/workflows/etl/history", task="load")
    assert [(one["run"], one["state"], one["attempts"]) for one in pasts] == [
        (failed.id, "failed", 2),
        (good.id, "success", 1),
    ]
    first, second = pasts[0]["tries"]
    assert (first["state"], second["state"], second["because"]) == ("failed", "failed", "attempt 1 failed")
    gap = datetime.fromisoformat(second["started_at"]) - datetime.fromisoformat(first["ended_at"])
    assert second["waited"] == pytest.approx(gap.total_seconds(), abs=0.002)
    for past in pasts:
        assert past["duration"] == past["tries"][-1]["duration"] >= 0.0
        assert past["waited"] == past["tries"][-1]["waited"] >= 0.0
        assert (past["cpu"], past["memory"]) == (past["tries"][-1]["cpu"], past["tries"][-1]["memory"])
    above = any_api.get(f"/runs/{good.id}/tasks/add_up")
    waited = datetime.fromisoformat(pasts[1]["started_at"]) - datetime.fromisoformat(above["ended_at"])
    assert pasts[1]["waited"] == pytest.approx(waited.total_seconds(), abs=0.002)


def test_a_map_is_told_as_a_whole_and_by_instances(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    api.manager.run(etl, params={"n": 1}, raise_on_failure=False)
    three, one = api.get("/workflows/etl/history", task="square")
    assert (three["run"], three["attempts"], three["tries"], one["attempts"]) == (run.id, 3, [], 1)
    instances = [api.get(f"/runs/{run.id}/tasks/square[{index}]") for index in range(3)]
    assert three["started_at"] == min(each["started_at"] for each in instances)
    assert three["ended_at"] == max(each["ended_at"] for each in instances)
    (only,) = api.get("/workflows/etl/history", task="square[2]")
    assert (only["run"], only["attempts"], len(only["tries"])) == (run.id, 1, 1)


def test_what_an_ended_run_tells_is_told_anew_when_it_has_gone_on(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    assert [one["state"] for one in api.get("/workflows/etl/history", task="tell")] == ["upstream_failed"]
    Path("mended").touch()
    api.manager.resume(run.id, etl)
    assert [one["state"] for one in api.get("/workflows/etl/history", task="tell")] == ["success"]


def test_a_task_that_no_run_has_is_not_there(api: Api) -> None:
    for path in ("/workflows/hello/history?task=nobody", "/workflows/nothing/history?task=greet"):
        told = api.refused(404, path)
        assert told["type"] == "urn:penstock:task-not-found"
    api.manager.run(hello)
    api.refused(404, "/workflows/hello/history?task=greet[0]")
    api.refused(422, "/workflows/hello/history")
    assert len(api.get("/workflows/hello/history", task="greet", limit=1)) == 1

"""The API over a store in Postgres, where it may differ: pages, what changes, and counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.api.served import Api, etl, hello, served

pytest_plugins = ("tests.postgres_fixtures",)


@pytest.fixture
def api(postgres_url: str) -> Iterator[Api]:
    with served(postgres_url) as api:
        yield api


def test_pages_have_every_run_once(api: Api) -> None:
    ids = [api.manager.run(hello, name=str(number)).id for number in range(5)]
    first = api.get("/runs", limit=2)
    second = api.get("/runs", limit=2, cursor=first["next"])
    third = api.get("/runs", limit=2, cursor=second["next"])
    assert [run["id"] for page in (first, second, third) for run in page["items"]] == ids[::-1]
    assert third["next"] is None


def test_what_changes_is_told(api: Api) -> None:
    position = api.get("/home")["position"]
    run = api.manager.run(etl, raise_on_failure=False)
    with api.events("/events", after=position) as events:
        assert any((run.id, "failed") in [(one["id"], one["state"]) for one in data["runs"]] for _, data, _ in events)
    with api.events(f"/runs/{run.id}/events", "1") as events:
        assert next(events)[1]["run"]["state"] == "failed"


def test_runs_are_counted_and_failures_told(api: Api) -> None:
    api.manager.run(etl, raise_on_failure=False)
    assert 'penstock_runs{state="failed",workflow="etl"} 1.0' in api.http.get("/api/v1/metrics").text
    assert api.get("/home")["failures"][0]["error"] == "KeyError: 'day'"
    assert api.get("/health")["store"] == "postgres"
    assert api.get("/workflows")["items"][0]["counts"] == {"failed": 1}


def test_a_run_is_triggered_once_for_one_key(api: Api) -> None:
    made = [api.post("/workflows/hello/runs", {}, 201, **{"Idempotency-Key": "k"})["id"] for _ in range(2)]
    api.service.wait()
    assert made[0] == made[1]
    assert len(api.get("/runs")["items"]) == 1

"""`penstock db` over a store in Postgres: what serves every store serves it too, and the rest is refused by name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from penstock import WorkflowManager, task, workflow
from penstock.runtime.store_check import LOGS, VALUES
from penstock.testing.store_schedules import due_run, new_schedule
from tests.integration.commands import penstock, penstock_json, read_json
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)


@task
def make(letter: str) -> str:
    print("making", letter)
    return letter * 10_000


@workflow
def flow(letter: str = "a") -> None:
    make(letter)


@pytest.fixture
def store(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store with two runs."""
    monkeypatch.setenv("PENSTOCK_STORE", postgres_url)
    monkeypatch.setenv("PENSTOCK_RESULTS", str(Path("files").absolute()))
    with WorkflowManager(observers=[]) as opened:
        opened.run(flow)
        opened.run(flow, letter="b")
    return postgres_url


def test_a_store_in_postgres_is_checked_and_repaired(store: str, admin: Admin):
    assert penstock_json("db", "check")["whole"]
    assert penstock_json("db", "info")["runs"] == {"success": 2}
    [newest, oldest] = [run["id"] for run in read_json("runs")]
    admin.rows("UPDATE run SET state = 'failed' WHERE id = %s", newest)
    assert [problem["kind"] for problem in penstock_json("db", "check", code=1)["problems"]] == ["row"]
    assert penstock_json("db", "check", "--repair")["whole"]
    assert penstock_json("db", "check")["problems"] == []
    with WorkflowManager(observers=[]) as opened:
        opened.parts.store.delete_run(oldest)
    for path in Path("files/results").glob("??/*"):
        os.utime(path, (time.time() - 10_000,) * 2)
    assert penstock_json("db", "check")["leftovers"] == {LOGS: 1, VALUES: 1}
    assert penstock_json("db", "check", "--repair")["problems"] == []
    assert penstock_json("db", "check")["leftovers"] == {}
    assert [path.name for path in Path("files/logs").iterdir()] == [newest]
    admin.rows("UPDATE journal SET checksum = body")
    assert {problem["kind"] for problem in penstock_json("db", "check", code=1)["problems"]} == {"journal"}


def test_what_postgres_does_itself_is_left_to_it(store: str):
    told = penstock_json("db", "backup", "copy", code=2)
    assert "a store in Postgres is backed up by Postgres's own means: pg_dump" in told["error"]["message"]
    assert "autovacuum" in penstock_json("db", "vacuum", code=2)["error"]["message"]
    assert "pg_dump" in penstock("db", "backup", "copy", "--store", store, code=2).stderr
    assert not Path("copy").exists()


def test_a_logical_time_that_could_have_a_second_run_is_found_in_postgres(store: str, admin: Admin):
    with WorkflowManager(observers=[]) as opened:
        kept = opened.parts.store
        plan = kept.runs(limit=1)[0].plan
        kept.put_schedules([new_schedule("flow")])
        run = due_run("run-1", 1.0, workflow="flow", plan=plan, source=None, params='{"letter":"c"}')
        assert kept.decide("flow", 0.0, 1.0, [(run, kept.plan(plan))])
        opened.resume("run-1", flow)
    assert penstock_json("db", "check")["problems"] == []
    admin.rows("UPDATE schedule SET upto = 0.5")
    admin.rows("DELETE FROM tick")
    texts = [problem["text"] for problem in penstock_json("db", "check", code=1)["problems"]]
    assert len(texts) == 2
    assert "run run-1 is due after the cursor of the schedule of 'flow'" in texts[0]
    assert "run run-1 is the one of 'flow' for its logical time" in texts[1]

"""What is said of tasks by hand, what is sent to runs, and runs that are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock import current, task, workflow
from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, etl, hello, slow


@contextmanager
def going(api: Api) -> Iterator[Any]:
    """A run whose task runs until this is left."""
    run = api.manager.start(slow)
    try:
        wait_until(lambda: api.get(f"/runs/{run.id}")["counts"].get("running"), "it runs")
        yield run
    finally:
        Path("open").touch()
        run.wait()


def test_what_marking_would_do_is_what_it_does(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    ask = {"tasks": ["load"], "as": "success"}
    preview = any_api.post(f"/runs/{run.id}/mark/preview", ask)
    assert [(one["id"], one["state"], one["because"]) for one in preview["tasks"]] == [
        ("load", "failed", "is taken for success")
    ]
    assert [(one["id"], one["state"], one["because"]) for one in preview["follows"]] == [
        ("tell", "upstream_failed", "can run then")
    ]
    assert preview["goes_on"]
    assert preview["command"] == f"penstock mark {run.id} load --as success"
    assert any_api.get(f"/runs/{run.id}")["state"] == "failed"
    told = any_api.post(f"/runs/{run.id}/mark", ask | {"note": "done by hand", "by": "anna"})
    assert told["state"] == "interrupted"
    found = any_api.get(f"/runs/{run.id}/tasks/load")
    assert found["state"] == "success"
    assert "anna" in found["reason"]
    assert "done by hand" in found["reason"]
    any_api.post(f"/runs/{run.id}/resume", {}, 202)
    any_api.service.wait()
    assert any_api.get(f"/runs/{run.id}")["state"] == "success"


def test_marks_that_end_a_run_say_so_before(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    preview = api.post(f"/runs/{run.id}/mark/preview", {"tasks": ["load", "tell"], "as": "skipped"})
    assert {one["id"] for one in preview["tasks"]} == {"load", "tell"}
    assert (preview["follows"], preview["goes_on"]) == ([], False)
    assert api.post(f"/runs/{run.id}/mark", {"tasks": ["load", "tell"], "as": "skipped"})["state"] != "interrupted"


@pytest.mark.parametrize("way", ["mark", "mark/preview"])
@pytest.mark.parametrize(
    ("ask", "status"),
    [
        ({"tasks": ["nobody"], "as": "success"}, 422),
        ({"tasks": [], "as": "success"}, 422),
        ({"tasks": ["greet"], "as": "happy"}, 422),
        ({"tasks": ["greet"]}, 422),
    ],
)
def test_what_cannot_be_marked_is_refused(api: Api, way: str, ask: Any, status: int) -> None:
    run = api.manager.run(hello)
    api.refused(status, f"/runs/{run.id}/{way}", "POST", json=ask)
    assert api.get(f"/runs/{run.id}")["state"] == "success"


def test_what_runs_is_not_marked(any_api: Api) -> None:
    ask = {"tasks": ["wait_for_the_file"], "as": "success"}
    with going(any_api) as run:
        for way in ("mark", "mark/preview"):
            told = any_api.refused(409, f"/runs/{run.id}/{way}", "POST", json=ask)
            assert told["type"] == "urn:penstock:run-locked"


# --- Messages


@task
def receive() -> Any:
    return current().receive("rates")


@workflow
def waiting() -> None:
    receive()


def test_a_message_reaches_the_task_that_waits_for_it(any_api: Api) -> None:
    run = any_api.manager.start(waiting)
    wait_until(lambda: any_api.get(f"/runs/{run.id}")["topics"], "it waits")
    assert any_api.get(f"/runs/{run.id}")["topics"] == [{"topic": "rates", "task": "receive"}]
    told = any_api.post(f"/runs/{run.id}/messages", {"topic": "rates", "value": {"eur": 1.5}, "by": "anna"}, 202)
    assert told["run"] == run.id
    assert told["told"].startswith("it is sent")
    assert run.wait().task("receive").result == {"eur": 1.5}
    late = any_api.refused(409, f"/runs/{run.id}/messages", "POST", json={"topic": "rates"})
    assert late["type"] == "urn:penstock:run-ended"


def test_a_message_with_a_key_is_sent_once(api: Api) -> None:
    key = {"Idempotency-Key": "letter 1"}
    with going(api) as run:
        path = f"/runs/{run.id}/messages"
        with ThreadPoolExecutor(4) as threads:
            sent = threads.map(lambda _: api.post(path, {"topic": "a", "value": 1}, 202, **key), range(4))
            assert len([*sent]) == 4
        other = api.refused(409, path, "POST", json={"topic": "a", "value": 2}, headers=key)
        assert other["type"] == "urn:penstock:key-used"
        api.post(path, {"topic": "a", "value": 3}, 202)
    store = api.manager.parts.store
    taken = [event for _, batch in store.read(run.id) for event in batch if type(event).__name__ == "MessageReceived"]
    left = [message for message in store.messages(run.id) if message.kind == "message"]
    assert len(taken) + len(left) == 2


@pytest.mark.parametrize(
    "ask", [{}, {"topic": ""}, {"topic": "approval:a"}, {"topic": "a", "to": "b"}, {"topic": "\x07"}]
)
def test_what_cannot_be_sent_is_refused(api: Api, ask: Any) -> None:
    with going(api) as run:
        api.refused(422, f"/runs/{run.id}/messages", "POST", json=ask)


# --- Runs that are forgotten


@workflow
def outer() -> None:
    hello("anna")


def test_a_run_that_has_ended_is_forgotten_with_its_parts(any_api: Api) -> None:
    run = any_api.manager.run(outer)
    (child,) = any_api.get(f"/runs/{run.id}")["children"]
    preview = any_api.post(f"/runs/{run.id}/delete/preview")
    assert preview == {"id": run.id, "runs": [run.id, child], "tasks": 2}
    told = any_api.refused(404, f"/runs/{run.id[:-1]}", "DELETE")
    assert run.id in told["detail"]
    answer = any_api.http.delete(f"/api/v1/runs/{run.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (run.id, child):
        any_api.refused(404, f"/runs/{gone}")
        any_api.refused(404, f"/runs/{gone}", "DELETE")


def test_a_run_that_goes_on_is_not_forgotten(any_api: Api) -> None:
    with going(any_api) as run:
        told = any_api.refused(409, f"/runs/{run.id}", "DELETE")
        assert "cancel it first" in told["detail"]
    assert any_api.get(f"/runs/{run.id}")["state"] == "success"


def test_no_other_site_has_anything_marked_sent_or_forgotten(api: Api) -> None:
    run = api.manager.run(hello)
    elsewhere = {"Origin": "https://elsewhere.example"}
    mark, letter = {"tasks": ["greet"], "as": "failed"}, {"topic": "a"}
    api.refused(403, f"/runs/{run.id}/mark", "POST", json=mark, headers=elsewhere)
    api.refused(403, f"/runs/{run.id}/messages", "POST", json=letter, headers=elsewhere)
    api.refused(403, f"/runs/{run.id}", "DELETE", headers=elsewhere)
    assert api.get(f"/runs/{run.id}")["state"] == "success"

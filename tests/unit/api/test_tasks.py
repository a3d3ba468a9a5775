"""Tasks, attempts and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import Workflow, task
from tests.unit.api.served import Api, etl, hello, paper


def test_a_task_is_told_with_all_that_is_known_of_it(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    told = any_api.get(f"/runs/{run.id}/tasks/square[2]")
    assert (told["name"], told["map_index"], told["value"]["plain"]) == ("square[2]", 2, 4)
    assert told["inputs"] == [
        {
            "task": "numbers",
            "value": {"preview": "[0, 1, 2]", "format": "json", "size": 7, "plain": [0, 1, 2], "note": None},
        }
    ]
    failed = any_api.get(f"/runs/{run.id}/tasks/load")
    assert [one["attempt"] for one in failed["tries"]] == [1, 2]
    assert failed["error"] == "KeyError: 'day'"
    assert failed["traceback"].startswith("Traceback")
    assert failed["value"] is None
    assert any_api.get(f"/runs/{run.id}/tasks/square")["instances"] == {"success": 3}


def test_tasks_are_listed_by_state_and_by_pages(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    assert [one["id"] for one in any_api.get(f"/runs/{run.id}/tasks", state="failed")["items"]] == ["load"]
    names, cursor = [], None
    while True:
        page = any_api.get(f"/runs/{run.id}/tasks", limit=2, **({"cursor": cursor} if cursor else {}))
        names += [(one["id"], one["map_index"]) for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == [(one.task, None if one.map_index < 0 else one.map_index) for one in run.tasks]
    only = any_api.get(f"/runs/{run.id}/tasks", task="square")["items"]
    assert [one["map_index"] for one in only] == [0, 1, 2]


def test_attempts_are_listed_in_the_order_in_which_they_began(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    attempts = any_api.get(f"/runs/{run.id}/attempts")
    assert [one["started_at"] for one in attempts] == sorted(one["started_at"] for one in attempts)
    assert [one["state"] for one in any_api.get(f"/runs/{run.id}/attempts", task="load")] == ["failed", "failed"]


class Trap:
    """What does harm when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path("sprung").touch, ()


def test_a_value_is_never_unpickled(api: Api) -> None:
    @task
    def lay() -> Any:
        return Trap()

    @task
    def step_on(trap: Any) -> None:
        pass

    with Workflow("traps") as flow:
        lay()
    run = api.manager.run(flow)
    for path in ("", "/tasks/lay", "/tasks/lay/value", "/tasks/lay/why"):
        api.get(f"/runs/{run.id}{path}")
    value = api.get(f"/runs/{run.id}/tasks/lay/value")
    assert value["format"] == "pickle"
    assert value["preview"].startswith("Trap(), ")
    assert value["plain"] is None
    assert not Path("sprung").exists()


def test_a_task_without_a_value_says_so(api: Api) -> None:
    run = api.manager.run(etl, raise_on_failure=False)
    assert "failed" in api.refused(409, f"/runs/{run.id}/tasks/load/value")["detail"]
    assert "map" in api.refused(409, f"/runs/{run.id}/tasks/square/value")["detail"]
    assert api.get(f"/runs/{run.id}/tasks/square[1]/value")["plain"] == 1


def test_a_task_that_is_not_there_is_told_with_the_nearest(api: Api) -> None:
    run = api.manager.run(hello)
    told = api.refused(404, f"/runs/{run.id}/tasks/gret")
    assert "did you mean 'greet'" in told["detail"]


def test_names_of_tasks_may_be_any_text(api: Api) -> None:
    from urllib.parse import quote

    from penstock import Task

    flow = Workflow("odd")
    names = ["a/b", "ünï cødé", "50%", "what?", "#1", "x&y=z", "a.b"]
    for name in names:
        flow.add_task(Task(name, print))
    run = api.manager.run(flow)
    for name in names:
        assert api.get(f"/runs/{run.id}/tasks/{quote(name, safe='')}")["name"] == name
        assert api.get(f"/runs/{run.id}/tasks/{quote(name, safe='')}/why")["task"] == name


def test_a_decision_is_told_with_its_task(api: Api) -> None:
    run = api.manager.start(paper)
    while not api.get("/approvals"):
        pass
    api.post(f"/runs/{run.id}/approve", {"task": "publish", "values": {"copies": 5}, "by": "anna", "note": "fine"})
    run.wait()
    decision = api.get(f"/runs/{run.id}/tasks/publish")["decision"]
    assert (decision["approved"], decision["by"], decision["note"], decision["inputs"]["copies"]) == (
        True,
        "anna",
        "fine",
        5,
    )


def test_what_a_large_value_is_is_told_without_reading_it(any_api: Api) -> None:
    @task
    def lay() -> list[dict[str, int]]:
        return [{"n": number, "square": number * number} for number in range(1_000)]

    @task
    def count(rows: list[dict[str, int]]) -> int:
        return len(rows)

    flow = Workflow("large")
    with flow:
        count(lay())
    run = any_api.manager.run(flow)
    value = any_api.get(f"/runs/{run.id}/tasks/lay/value")
    assert value["plain"] is None
    assert value["preview"].startswith("list 1,000 x 2, ")
    assert value["note"]["columns"] == [{"name": "n", "type": "int"}, {"name": "square", "type": "int"}]
    assert value["note"]["rows"][2] == ["2", "4"]
    (given,) = any_api.get(f"/runs/{run.id}/tasks/count")["inputs"]
    assert given["value"] == value
    assert run.task("lay").result[3] == {"n": 3, "square": 9}

"""What tasks printed and logged, by ranges."""

from __future__ import annotations

import pytest

from tests.unit.api.served import Api, etl, hello


def test_a_range_goes_on_where_the_one_before_ended(any_api: Api) -> None:
    run = any_api.manager.run(etl, n=9, raise_on_failure=False)
    whole = any_api.get(f"/runs/{run.id}/logs")
    assert whole["next"] is None
    assert "".join(one["text"] for one in whole["items"] if one["task"] == "load") == run.task("load").log
    pieces, after = [], None
    while True:
        page = any_api.get(f"/runs/{run.id}/logs", limit=2, **({"after": after} if after else {}))
        pieces += page["items"]
        after = page["next"]
        if after is None:
            break
    assert pieces == whole["items"]


def test_logs_are_narrowed_to_a_task_an_instance_and_an_attempt(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    assert {one["task"] for one in any_api.get(f"/runs/{run.id}/logs", task="square")["items"]} == {
        "square[0]",
        "square[1]",
        "square[2]",
    }
    assert [one["text"] for one in any_api.get(f"/runs/{run.id}/logs", task="square[1]")["items"]] == ["square of 1\n"]
    second = any_api.get(f"/runs/{run.id}/logs", task="load", attempt=2)["items"]
    assert [(one["attempt"], one["text"]) for one in second] == [(2, "about to load 5\n")]


def test_the_newest_entries_come_first_if_wanted(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    whole = any_api.get(f"/runs/{run.id}/logs")["items"]
    assert any_api.get(f"/runs/{run.id}/logs", limit=2, newest=True)["items"] == whole[-2:]


@pytest.mark.parametrize("after", ["x", "1", "1.2.3", "-1.2", "1.-2", "../1", "1.9999999999999999"])
def test_a_place_that_is_none_is_refused(api: Api, after: str) -> None:
    run = api.manager.run(hello)
    api.refused(422, f"/runs/{run.id}/logs", params={"after": after})


def test_a_place_after_the_end_has_nothing_after_it(any_api: Api) -> None:
    run = any_api.manager.run(hello)
    assert any_api.get(f"/runs/{run.id}/logs", after="999.0")["items"] == []


def test_the_logs_of_a_task_that_is_not_there_are_a_problem(api: Api) -> None:
    run = api.manager.run(hello)
    api.refused(404, f"/runs/{run.id}/logs", params={"task": "nobody"})
    api.refused(404, f"/runs/{run.id}/logs/follow", params={"task": "nobody"})

"""What changes, told as it comes."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

from penstock.api.following import Follower
from penstock.api.reading import Reading
from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, etl, hello, slow


def test_a_run_is_told_of_as_it_goes_on(any_api: Api) -> None:
    run = any_api.manager.start(slow)
    wait_until(lambda: any_api.get(f"/runs/{run.id}")["counts"].get("running"), "it runs")
    position = any_api.get(f"/runs/{run.id}")["position"]
    with any_api.events(f"/runs/{run.id}/events", after=position) as events:
        Path("open").touch()
        for name, data, number in events:
            assert name == "run"
            assert number == str(data["position"])
            if data["run"]["state"] == "success":
                break
    assert [(one["id"], one["state"]) for one in data["tasks"]] == [("wait_for_the_file", "success")]
    assert [(one["task"], one["state"]) for one in data["attempts"]] == [("wait_for_the_file", "success")]
    run.wait()


def test_who_comes_back_hears_what_was_missed(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    last = any_api.get(f"/runs/{run.id}")
    for position in range(last["position"]):
        with any_api.events(f"/runs/{run.id}/events", str(position)) as events:
            name, data, _ = next(events)
        assert name == "run"
        assert data["position"] == last["position"]
        assert data["run"]["state"] == "failed"
        assert data["run"]["counts"] == last["counts"]


def test_what_is_told_piece_by_piece_makes_the_whole(any_api: Api) -> None:
    """Whoever applies each update to what was there has in the end what is there."""
    run = any_api.manager.run(etl, n=5, raise_on_failure=False)
    whole = any_api.get(f"/runs/{run.id}")
    known: dict[Any, Any] = {}
    for position in range(whole["position"] + 1):
        with any_api.events(f"/runs/{run.id}/events", str(position)) as events:
            if position < whole["position"]:
                _, data, _ = next(events)
                known |= {(one["id"], one["map_index"]): one for one in data["tasks"]}
    assert known == {(one["id"], one["map_index"]): {**one, "usual": None} for one in whole["tasks"]}


def test_a_finished_run_that_goes_on_again_is_told_of(any_api: Api) -> None:
    run = any_api.manager.run(etl, raise_on_failure=False)
    position = any_api.get(f"/runs/{run.id}")["position"]
    with any_api.events(f"/runs/{run.id}/events", after=position) as events:
        Path("mended").touch()
        any_api.post(f"/runs/{run.id}/resume", None, 202)
        states = [data["run"]["state"] for _, data, _ in _until_success(events)]
    assert states[-1] == "success"


def _until_success(events: Any) -> Any:
    for one in events:
        yield one
        if one[1]["run"]["state"] == "success":
            return


def test_how_a_run_stands_is_told_at_once_while_it_has_not_ended(any_api: Api) -> None:
    """Its driver may have died before anybody listened, and a driver that dies writes nothing."""
    run = any_api.manager.start(slow)
    wait_until(lambda: any_api.get(f"/runs/{run.id}")["counts"].get("running"), "it runs")
    position = any_api.get(f"/runs/{run.id}")["position"]
    with any_api.events(f"/runs/{run.id}/events", after=position) as events:
        _, data, number = next(events)
    assert (data["run"]["state"], data["tasks"], number) == ("running", [], str(position))
    run.cancel()
    run.wait()


def test_a_position_that_is_not_there_yet_says_to_ask_anew(api: Api) -> None:
    run = api.manager.run(hello)
    with api.events(f"/runs/{run.id}/events", "1000") as events:
        assert next(events)[1]["reload"]


def test_a_run_that_is_deleted_is_gone(api: Api) -> None:
    run = api.manager.run(hello)
    with api.events(f"/runs/{run.id}/events") as events:
        api.manager.delete(run.id)
        assert next(events)[0] == "gone"
    api.refused(404, f"/runs/{run.id}/events")


def test_all_runs_are_told_of(any_api: Api) -> None:
    position = any_api.get("/home")["position"]
    run = any_api.manager.run(hello)
    with any_api.events("/events", after=position) as events:
        for name, data, last in events:  # noqa: B007  # it is where to go on
            assert name == "runs"
            if [(one["id"], one["state"]) for one in data["runs"]] == [(run.id, "success")]:
                break
        other = any_api.manager.run(etl, raise_on_failure=False)
    with any_api.events("/events", last) as events:  # what came between two connections is not missed
        for _, data, _ in events:
            if [(one["id"], one["state"]) for one in data["runs"]] == [(other.id, "failed")]:
                break


def test_a_run_that_is_deleted_is_told_to_all(api: Api) -> None:
    run = api.manager.start(slow)
    position = api.get("/home")["position"]
    run.cancel()
    run.wait()
    with api.events("/events", after=position) as events:
        next(events)
    api.manager.delete(run.id)
    assert run.id not in [one["id"] for one in api.get("/home")["recent"]]


def test_who_has_been_away_too_long_begins_anew(api: Api) -> None:
    with api.events("/events", "0123abcd-7") as events:
        assert next(events)[0] == "reset"
    with api.events("/events", "nonsense") as events:
        assert next(events)[0] == "reset"


def test_who_begins_is_told_where(api: Api) -> None:
    with api.events("/events") as events:
        name, _, position = next(events)
    assert name == "begin"
    run = api.manager.run(hello)
    with api.events("/events", position) as events:
        for _, data, _ in events:
            if run.id in [one["id"] for one in data["runs"]]:
                break


def test_no_more_than_ten_updates_come_in_a_second(api: Api) -> None:
    """A run of many short tasks is told in few updates: each has all that came since the one before."""
    from tests.unit.api.served import line

    with api.events("/events") as events:
        next(events)
        run = api.manager.run(line("long", 300))
        seen = []
        for _, data, _ in events:
            seen.append(data)
            if any(one["state"] == "success" for one in data["runs"]):
                break
    assert run.duration is not None
    assert len(seen) <= 2 + run.duration / 0.1 + 10


def test_a_follower_has_nothing_to_tell_where_nothing_has_changed(api: Api) -> None:
    run = api.manager.run(hello)
    follower = Follower(Reading(api.manager), run.id, None)
    assert follower.look() is None
    assert follower.look() is None


def test_a_malformed_place_is_refused(api: Api) -> None:
    run = api.manager.run(hello)
    for last in ("x", "-1", "9" * 30, "٣"):
        api.refused(422, f"/runs/{run.id}/events", headers={"Last-Event-ID": last.encode()})


def test_logs_are_followed_to_the_end(any_api: Api) -> None:
    run = any_api.manager.start(slow)
    with any_api.events(f"/runs/{run.id}/logs/follow") as events:
        name, entries, last = next(events)
        assert name == "log"
        assert [one["text"] for one in entries] == ["waiting\n"]
        Path("open").touch()
        assert [*takewhile(lambda one: one[0] != "end", events)] == []
    with any_api.events(f"/runs/{run.id}/logs/follow", last) as events:
        assert next(events)[0] == "end"
    run.wait()

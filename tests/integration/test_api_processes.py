"""The API beside processes that drive runs: what it tells of them, as they go on and die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.command import Command
from tests.integration.commands import start, write
from tests.integration.waiting import wait_until
from tests.unit.api.served import Api, served

FLOW = """\
    import time
    from pathlib import Path
    from penstock import WorkflowManager, current, task, workflow

    @task
    def hold() -> None:
        print("holding")
        while not Path("open").exists() and not current().cancelled:
            time.sleep(0.01)

    @task
    def after(held: None) -> None:
        print("let go")

    @workflow
    def held() -> None:
        after(hold())

    if __name__ == "__main__":
        WorkflowManager().run(held)
    """


def running(api: Api) -> str:
    """The id of the run that another process has begun, when its task runs."""
    wait_until(lambda: any(run["state"] == "running" for run in api.get("/runs")["items"]), "it runs")
    (run,) = api.get("/runs")["items"]
    wait_until(lambda: api.get(f"/runs/{run['id']}")["counts"].get("running"), "its task runs")
    return str(run["id"])


def ended(process: Command) -> int:
    """The exit code of a process, when it has one."""
    process.communicate()
    return process.wait()


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / ".penstock").mkdir()
    write("held.py", FLOW)
    return f"sqlite:///{tmp_path / '.penstock'}"


def test_what_another_process_does_is_told_as_it_comes(store: str) -> None:
    with served(store) as api:
        process = start("run", "held.py")
        run = running(api)
        with api.events(f"/runs/{run}/events", after=api.get(f"/runs/{run}")["position"]) as events:
            Path("open").touch()
            told = []
            for _, data, _ in events:
                told += [(task["id"], task["state"]) for task in data["tasks"]]
                if data["run"]["state"] == "success":
                    break
        assert ended(process) == 0
        assert told[-1] == ("after", "success")
        assert [entry["text"] for entry in api.get(f"/runs/{run}/logs")["items"]] == ["holding\n", "let go\n"]


def test_a_driver_that_dies_is_noticed_though_it_writes_nothing(store: str) -> None:
    with served(store) as api:
        process = start("run", "held.py")
        run = running(api)
        position = api.get("/home")["position"]
        with api.events(f"/runs/{run}/events") as events, api.events("/events", after=position) as all_runs:
            os.kill(process.pid, signal.SIGKILL)
            ended(process)
            assert any(data["run"]["state"] == "interrupted" for _, data, _ in events)
            assert any(one["state"] == "interrupted" for _, data, _ in all_runs for one in data["runs"])
        assert [one["id"] for one in api.get("/runs", state="interrupted")["items"]] == [run]
        assert api.get("/runs", state="running")["items"] == []
        assert "nobody drives it" in api.get(f"/runs/{run}/why")["text"]


def test_a_run_of_another_process_is_cancelled(store: str) -> None:
    with served(store) as api:
        process = start("run", "held.py")
        run = running(api)
        api.post(f"/runs/{run}/cancel", {"by": "anna"}, 202)
        assert ended(process) == 1
        assert api.get(f"/runs/{run}")["state"] == "cancelled"


def test_two_servers_on_one_store_tell_the_same(store: str) -> None:
    with served(store) as one, served(store) as other:
        process = start("run", "held.py")
        run = running(one)
        position = one.get(f"/runs/{run}")["position"]
        Path("open").touch()
        assert ended(process) == 0
        with other.events(f"/runs/{run}/events", str(position)) as events:  # what one server told, another goes on with
            _, data, _ = next(events)
        assert data["run"]["state"] == "success"
        assert one.get(f"/runs/{run}") == other.get(f"/runs/{run}")

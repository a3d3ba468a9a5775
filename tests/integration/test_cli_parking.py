"""Parked runs on the command line: in processes that end, are stopped or killed, and wake each other's runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock import WorkflowManager
from penstock.runtime import mail
from tests.integration.command import Command
from tests.integration.commands import penstock, penstock_json, read, read_json, start, write
from tests.integration.waiting import wait_until
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)

FLOW = """\
    import os, time
    from pathlib import Path
    from penstock import Defer, task, workflow

    def note(text):
        with Path("notes").open("a") as file:
            file.write(text + "\\n")

    @task
    def first(name: str) -> str:
        note(f"first {name}")
        return name

    @task.sensor(poll_interval=float(os.environ.get("POLL", "3600")), timeout=None)
    def look(name: str) -> bool:
        note(f"look {name}")
        return Path("come").exists()

    @task
    def last(seen: object, name: str) -> None:
        note(f"last {name}")
        while Path("hold").exists():
            time.sleep(0.01)

    @workflow
    def flow(name: str = "a"):
        last(look(first(name)), name)

    @task
    def ask() -> None:
        note("ask")
        if not Path("asked").exists():
            Path("asked").touch()
            raise Defer(topic="news")

    @workflow
    def asking():
        ask()
    """


def notes() -> list[str]:
    path = Path("notes")
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(autouse=True)
def flow(monkeypatch: pytest.MonkeyPatch) -> None:
    write("flow.py", FLOW)
    monkeypatch.setenv("PENSTOCK_PARK_AFTER", "0.05")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor looks often, and its run is parked as soon as it has nothing to do but wait for that."""
    monkeypatch.setenv("POLL", "0.1")
    monkeypatch.setenv("PENSTOCK_PARK_AFTER", "0")


@pytest.fixture
def started() -> Iterator[list[Command]]:
    """Processes that are killed in the end if they still live."""
    processes: list[Command] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def run_parked(name: str = "a") -> str:
    run = penstock_json("run", "flow.py:flow", "--park", "--param", f"name={name}")
    assert run["state"] == "waiting"
    return str(run["id"])


def until_due() -> None:
    """Wait until every parked run is to be woken."""
    last = max(datetime.fromisoformat(row["wakes_at"]) for row in read_json("runs"))
    wait_until(lambda: datetime.now(UTC) > last, "they are due")


def test_a_run_that_only_waits_comes_back_and_says_when_it_goes_on():
    done = penstock("run", "flow.py:flow", "--park")
    assert "is parked after" in done.stdout
    assert "penstock resume --all" in done.stdout
    run = read_json("show")
    assert (run["state"], run["driver"]) == ("waiting", None)
    assert run["wakes_at"] is not None
    assert [(row["state"], row["wakes_at"]) for row in read_json("runs")] == [("waiting", run["wakes_at"])]
    assert "goes on  at" in read("show")
    assert "is parked, and goes on at" in read("why")
    assert "goes on at" in read("runs")
    assert penstock_json("db", "info")["runs"] == {"waiting": 1}
    assert "Nothing is to be taken over" in penstock("resume", "--all").stdout
    assert "waiting" in penstock("resume", "--park", "--json").stdout
    assert penstock_json("db", "check")["whole"]
    assert notes() == ["first a", "look a"]


def test_resume_all_wakes_what_is_due_and_parks_it_again(often: None):
    run_parked()
    until_due()
    assert [run["state"] for run in penstock_json("resume", "--all")] == ["waiting"]
    seen = len(notes())
    until_due()
    Path("come").touch()
    assert [run["state"] for run in penstock_json("resume", "--all")] == ["success"]
    assert notes() == ["first a", *["look a"] * (seen - 1), "look a", "last a"]
    assert seen >= 3
    assert penstock_json("resume", "--all") == []


def test_a_message_wakes_it_whoever_sends_it():
    run = penstock_json("run", "flow.py:asking", "--park")
    assert (run["state"], run["wakes_at"]) == ("waiting", None)
    assert "goes on when a message comes" in read("runs")
    assert penstock_json("resume", "--all") == []
    with WorkflowManager() as manager:
        mail.send(manager.parts.store, run["id"], "news", None, "ann")
    assert [run["state"] for run in penstock_json("resume", "--all")] == ["success"]
    assert notes() == ["ask", "ask"]


def test_cancelled_from_another_terminal_it_ends():
    run_parked()
    assert penstock_json("cancel")["state"] == "cancelled"
    assert penstock_json("resume", "--all") == []


def test_one_that_cannot_be_woken_says_so_and_is_woken_when_it_is_mended(often: None):
    run_parked()
    until_due()
    write("flow.py", FLOW.replace("def first(", "def before(").replace("first(name)", "before(name)"))
    assert "cannot be taken over" in penstock("resume", "--all", code=4).stderr
    assert "could not be woken" in read("runs")
    [row] = read_json("runs")
    assert (row["state"], row["error"][:22]) == ("waiting", "it could not be woken:")
    write("flow.py", FLOW)
    Path("come").touch()
    assert [run["state"] for run in penstock_json("resume", "--all")] == ["success"]
    assert read_json("runs")[0]["error"] is None


def state_is(*states: str) -> Callable[[], bool]:
    return lambda: tuple(row["state"] for row in read_json("runs")) == states


def test_watching_wakes_runs_until_it_is_stopped(often: None, started: list[Command]):
    watching = start("resume", "--all", "--watch", "--json")
    started.append(watching)
    for name in ("a", "b"):
        run_parked(name)
    wait_until(lambda: notes().count("look a") > 2 and notes().count("look b") > 2, "both were woken")
    Path("come").touch()
    wait_until(state_is("success", "success"), "both have ended")
    watching.send_signal(signal.SIGTERM)
    told, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    records: list[Any] = [json.loads(line) for line in told.splitlines()]
    assert [record["state"] for record in records].count("success") == 2
    assert {record["state"] for record in records} == {"waiting", "success"}
    assert notes().count("last a") == notes().count("last b") == 1


def test_what_runs_when_watching_ends_is_interrupted(
    often: None, started: list[Command], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PENSTOCK_GRACE", "0.1")  # the last task does not look whether it should end
    Path("hold").touch()
    Path("come").touch()
    process = start("run", "flow.py:flow")
    started.append(process)
    wait_until(lambda: "last a" in notes(), "the last task runs")
    process.kill()
    process.communicate()
    watching = start("resume", "--all", "--watch")
    started.append(watching)
    wait_until(lambda: notes().count("last a") == 2, "it was taken over")
    watching.send_signal(signal.SIGINT)
    told, _ = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "interrupted" in told
    Path("hold").unlink()
    assert [run["state"] for run in penstock_json("resume", "--all")] == ["success"]


def test_a_waker_that_is_killed_leaves_its_runs_to_the_next(often: None, started: list[Command]):
    run_parked()
    for _ in range(3):
        seen = notes().count("look a")
        watching = start("resume", "--all", "--watch")
        started.append(watching)
        wait_until(lambda seen=seen: notes().count("look a") > seen, "it was woken")  # type: ignore[misc]
        watching.kill()
        watching.communicate()
    Path("come").touch()
    wait_until(lambda: penstock_json("resume", "--all") and state_is("success")(), "it has ended")
    assert notes().count("first a") == 1
    assert notes().count("last a") == 1
    assert penstock_json("db", "check")["whole"]


def test_two_that_wake_share_the_runs(often: None, started: list[Command]):
    for name in "abcd":
        run_parked(name)
    until_due()
    Path("come").touch()
    both = [start("resume", "--all") for _ in range(2)]
    started += both
    assert [process.wait(100) for process in both] == [0, 0]
    wait_until(state_is(*["success"] * 4), "all have ended")
    assert sorted(line for line in notes() if line.startswith("last")) == ["last a", "last b", "last c", "last d"]


def test_in_postgres_too(often: None, started: list[Command], postgres_url: str, admin: Admin, monkeypatch):
    monkeypatch.setenv("PENSTOCK_STORE", postgres_url)
    run_parked()
    process = start("resume", "--all", "--watch")
    started.append(process)
    wait_until(lambda: notes().count("look a") > 2, "it was woken")
    process.kill()
    process.communicate()
    admin.end_sessions()
    admin.pass_time(3600)  # its run was parked and is free, or is free when the database has not heard of it for long
    Path("come").touch()
    wait_until(lambda: penstock_json("resume", "--all") and state_is("success")(), "it has ended")
    assert notes().count("first a") == notes().count("last a") == 1
    assert penstock_json("db", "check")["whole"]


def test_watch_goes_with_all():
    assert "--watch goes with --all" in penstock("resume", "--watch", code=2).stderr

"""What waits in a PostgreSQL store: for a slot that processes share, for runs of tasks, for people and for messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command import Command
from tests.integration.commands import penstock, penstock_json, read_json, start, write
from tests.integration.slot_book import Book
from tests.integration.waiting import wait_until

pytest_plugins = ("tests.postgres_fixtures",)

ROOT = Path(__file__).parents[2]
FLOW = """\
    import time
    from pathlib import Path
    from penstock import current, task, wait_for_message, workflow
    from tests.integration.slot_book import Book

    @task(pool="db")
    def load(name: str) -> str:
        with Book().using(name):
            Path(f"holds-{name}").touch()
            while not Path("go").exists():
                time.sleep(0.005)
        return f"rows of {name}"

    @workflow
    def part(name: str) -> str:
        return load(name)

    @task.approval
    def release(rows: str, approved: bool, limit: int = 5) -> str:
        return f"{rows} {approved} {limit} {current().decision.by}"

    @task
    def last(released: str, paid: object) -> None:
        with open("notes", "a") as notes:
            notes.write(f"{released} {paid}\\n")

    @workflow
    def flow(name: str):
        last(release(part(name)), wait_for_message("paid"))
    """


@pytest.fixture(autouse=True)
def flow(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_STORE", postgres_url)
    monkeypatch.setenv("PENSTOCK_PARK_AFTER", "0.05")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    write("flow.py", FLOW)


def states() -> list[tuple[str, str, str]]:
    return sorted((run["workflow"], run["params"]["name"], run["state"]) for run in read_json("runs"))


def resumed() -> list[Any]:
    return [(run["params"]["name"], run["state"]) for run in penstock_json("resume", "--all")]


Begin = Callable[..., Command]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins a run in a process, which is killed in the end if it still lives."""
    begun: list[Command] = []

    def begin(name: str, *options: str) -> Command:
        begun.append(start("run", "flow.py:flow", "--param", f"name={name}", *options))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def end(process: Command) -> None:
    told = process.communicate(timeout=60)
    assert process.returncode == 0, told


def test_two_processes_share_a_pool_and_their_runs_are_decided_and_woken_by_others(begin: Begin):
    penstock("pool", "set", "db", "1")
    here = begin("here")
    wait_until(Path("holds-here").exists, "the first has the slot")
    away = begin("away", "--park")
    wait_until(lambda: read_json("pool", "list")[0]["waiting"] == 1, "the other waits for it")
    Path("go").touch()
    end(away)
    assert (Book().begun, Book().most) == (["here", "away"], 1)
    wait_until(lambda: len(read_json("approvals")) == 2, "both runs wait for somebody")
    ids = {run["params"]["name"]: run["id"] for run in read_json("runs") if run["workflow"] == "flow"}
    assert states() == [
        ("flow", "away", "waiting"),
        ("flow", "here", "running"),
        ("part", "away", "success"),
        ("part", "here", "success"),
    ]
    penstock("approve", ids["here"], "release", "limit=7", "--by", "maria")
    penstock("send", ids["here"], "paid", "2")
    end(here)
    assert resumed() == []
    penstock("reject", ids["away"], "release", "--by", "nick")
    assert resumed() == [("away", "waiting")], "it goes on, and waits for its message"
    penstock("send", ids["away"], "paid", "3")
    assert resumed() == [("away", "success")]
    assert Path("notes").read_text() == "rows of here True 7 maria 2\nrows of away False 5 nick 3\n"
    assert read_json("pool", "list") == [{"name": "db", "slots": 1, "used": 0, "waiting": 0, "runs": []}]
    assert penstock_json("db", "check")["whole"]

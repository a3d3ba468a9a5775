"""Pools that processes share, some of them killed: on SQLite and on Postgres, never more slots than there are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import WorkflowManager
from penstock.store.base import Pool
from tests.integration.commands import penstock, penstock_json, write
from tests.integration.slot_book import Book
from tests.integration.waiting import wait_until
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)

FLOW = """\
    import os, sys, time
    from pathlib import Path
    from penstock import WorkflowManager, task, workflow
    from tests.integration.slot_book import Book

    def me() -> str:
        return sys.argv[2]

    @task(pool="db")
    def use(index: int) -> None:
        with Book().using(me()):
            pass

    @task(pool="db", concurrency=1)
    def hold(after: object) -> None:
        with Book().using(me()):
            Path(f"holds-{me()}").touch()
            while not Path("go").exists():
                time.sleep(0.005)

    @workflow
    def many():
        use.expand(index=list(range(15)))

    @workflow
    def holds():
        hold(None)

    @workflow
    def both():
        hold(use(0))

    if __name__ == "__main__":
        flow = {"many": many, "holds": holds, "both": both}[sys.argv[3]]
        executor = sys.argv[4] if len(sys.argv) > 4 else "threads"
        print(WorkflowManager(sys.argv[1], executor, workers=3, observers=[]).run(flow).id)
    """
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path(".penstock").mkdir()
    write("flow.py", FLOW)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    return "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def manager(store: str) -> Iterator[WorkflowManager]:
    with WorkflowManager(store, observers=[]) as manager:
        yield manager


@pytest.fixture
def leases_run_out(store: str, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Lets so much time pass that a dead driver's run is free."""
    if store == "sqlite":
        return lambda: None  # it is free at once
    admin: Admin = request.getfixturevalue("admin")
    return lambda: admin.pass_time(3600)


Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(store: str) -> Iterator[Begin]:
    begun: list[subprocess.Popen[str]] = []

    def start(who: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "flow.py", store, who, *words]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> str:
    told, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return told.strip()


def begin_to_hold(begin: Begin, who: str, flow: str = "holds") -> subprocess.Popen[str]:
    process = begin(who, flow)
    wait_until(Path(f"holds-{who}").exists, "it has the slot", 100)
    return process


def wait_for_waiters(manager: WorkflowManager, number: int) -> None:
    wait_until(lambda: manager.pools()[0].waiting >= number, f"{number} runs wait for a slot", 100)


@pytest.mark.parametrize("executors", [("threads", "threads", "inline"), ("processes", "threads", "processes")])
def test_runs_of_several_processes_use_no_more_than_there_is(
    manager: WorkflowManager, begin: Begin, executors: tuple[str, ...]
):
    manager.set_pool("db", 2)
    processes = [begin(f"p{number}", "many", executor) for number, executor in enumerate(executors)]
    for process in processes:
        end(process)
    book = Book()
    assert (book.most <= 2, len(book.begun)) == (True, 45)
    assert manager.pools() == [Pool("db", 2, 0, 0)]


def test_who_waits_in_another_process_goes_on_when_the_slot_is_given_back(manager: WorkflowManager, begin: Begin):
    manager.set_pool("db", 1)
    holder = begin_to_hold(begin, "first")
    waits = begin("second", "many")
    wait_for_waiters(manager, 1)
    Path("go").touch()
    end(holder)
    end(waits)
    assert (Book().begun[0], Book().most) == ("first", 1)


def test_the_slots_of_a_process_that_is_killed_come_back_and_its_run_is_resumed(
    manager: WorkflowManager, begin: Begin, leases_run_out: Callable[[], None]
):
    manager.set_pool("db", 1)
    holder = begin_to_hold(begin, "killed", "both")
    waits = begin("waits", "many")
    wait_for_waiters(manager, 1)
    killed = next(run for run in manager.runs() if run.workflow == "both")
    Book().forget("killed")  # it holds on until it is killed; once it is dead, who waits may be quicker than this test
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    leases_run_out()
    end(waits)
    assert Book().most == 1
    assert manager.pools() == [Pool("db", 1, 0, 0)]
    Path("go").touch()
    sys.argv[1:] = ["sqlite", "killed"]
    assert manager.resume(killed.id, _workflow()).state == "success"
    assert (Book().begun.count("killed"), Book().most) == (3, 1), "what had ended does not run again"


def test_a_run_that_is_stopped_while_it_waits_waits_again_when_it_is_resumed(
    manager: WorkflowManager, begin: Begin, monkeypatch: pytest.MonkeyPatch
):
    manager.set_pool("db", 1)
    holder = begin_to_hold(begin, "first")
    waits = begin("stopped", "many")
    wait_for_waiters(manager, 1)
    waits.send_signal(signal.SIGINT)
    waits.communicate(timeout=100)
    wait_until(lambda: manager.pools() == [Pool("db", 1, 1, 0)], "nobody waits")
    Path("go").touch()
    end(holder)
    stopped = next(run for run in manager.runs() if run.workflow == "many")
    monkeypatch.setattr(sys, "argv", ["flow.py", "", "stopped"])
    assert manager.resume(stopped.id, _workflow("many")).state == "success"
    assert Book().begun.count("stopped") == 15


def _workflow(name: str = "both") -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("flow", Path("flow.py").absolute())
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


# --- The command line and the settings


def test_pools_from_the_command_line():
    penstock("pool", "set", "db", "3")
    assert penstock("pool", "set", "db", "2").stdout == "Pool db has 2 slots; it had 3\n"
    assert penstock("pool", "list").stdout.splitlines() == ["POOL  SLOTS  USED  WAITING", "db        2     0        0"]
    assert penstock_json("pool", "list") == [{"name": "db", "slots": 2, "used": 0, "waiting": 0, "runs": []}]
    assert "did you mean 'db'?" in penstock("pool", "delete", "dbb", code=3).stderr
    assert penstock_json("pool", "delete", "db") == {"name": "db", "deleted": True, "waiting": 0}
    assert penstock("pool", "list").stdout == "There are no pools; penstock pool set NAME SLOTS makes one\n"


def test_pools_are_not_listed_by_making_a_store():
    os.rmdir(".penstock")
    assert penstock_json("pool", "list") == []
    assert not Path(".penstock").exists()


def test_what_is_no_pool_is_refused():
    penstock("pool", "set", "db", "-1", code=2)
    assert "is no name for a pool" in penstock("pool", "set", " db", "1", code=2).stderr
    assert "pool='db' does not exist" in penstock("run", "flow.py:many", code=2).stderr


def test_pools_of_the_settings_are_put_on_record_and_a_changed_one_is_left_alone():
    write("penstock.toml", "[pools]\ndb = 2\napi = 1\n")
    Path("go").touch()
    penstock("pool", "set", "api", "5")
    penstock("run", "flow.py:holds")
    assert {pool["name"]: pool["slots"] for pool in penstock_json("pool", "list")} == {"api": 5, "db": 2}
    assert "The settings name it" in penstock("pool", "delete", "db").stderr
    assert [pool["name"] for pool in penstock_json("pool", "list")] == ["api", "db"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("pools = 3", "pools = 3 is no table"),
        ("[pools]\ndb = -1", "pools.db = -1 is not a whole number of slots"),
        ("[pools]\ndb = true", "pools.db = True is not"),
        ('[pools]\n"[x" = 1', "begins with '['"),
    ],
)
def test_settings_that_make_no_pool_are_refused(table: str, said: str):
    write("penstock.toml", table)
    assert said in penstock("pool", "list", code=2).stderr

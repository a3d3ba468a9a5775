"""Runs that are tasks of others, in processes that are killed, stopped and resumed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command import Command
from tests.integration.commands import penstock, penstock_json, read, read_json, start, write
from tests.integration.waiting import wait_until
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)

FLOWS = """\
    import os, signal, sys, time
    from pathlib import Path
    from penstock import WorkflowManager, current, task, workflow

    def note(text):
        with open("ledger", "a") as ledger:
            ledger.write(text + "\\n")

    @task
    def before() -> int:
        note("before")
        return 1

    @task
    def first(n: int) -> int:
        note(f"first {n}")
        return n + 1

    @task
    def second(n: int) -> int:
        note(f"second {n}")
        if Path("hold").exists():
            Path("held").touch()
            while Path("hold").exists() and not current().cancelled:
                time.sleep(0.005)
            if current().cancelled:
                raise RuntimeError("ended")
        if Path("broken").exists():
            raise ValueError("it is broken")
        return n + 1

    @task
    def after(n: int) -> None:
        note(f"after {n}")

    @workflow
    def inner(n: int) -> int:
        return second(first(n))

    @workflow
    def middle(n: int) -> int:
        return inner(n)

    @workflow
    def outer() -> None:
        after(middle(before()))
    """

DYING = """\
    import os, signal, sys
    import flows
    from penstock import WorkflowManager
    from penstock.runtime.children import Children
    from penstock.store.sqlite.store import SQLiteStore

    moment, workflow = sys.argv[1:]

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    start_run = SQLiteStore.start_run

    def dying_start(self, row, plan):
        if row.workflow == workflow and moment == "before the row":
            die()
        lease = start_run(self, row, plan)
        if row.workflow == workflow and moment == "after the row":
            die()
        return lease

    tell = Children._tell

    def dying_tell(self, id):
        if self._nest.row.workflow == workflow:
            die()
        tell(self, id)

    SQLiteStore.start_run = dying_start
    if moment == "after the end":
        Children._tell = dying_tell
    WorkflowManager(executor=os.environ.get("EXECUTOR", "threads"), workers=None).run(flows.outer)
    """


@pytest.fixture(autouse=True)
def flows() -> None:
    write("flows.py", FLOWS)
    write("dying.py", DYING)


def ledger() -> Counter[str]:
    file = Path("ledger")
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


ONCE = Counter(["before", "first 1", "second 2", "after 3"])


def runs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json("runs")
    return found


def states() -> dict[str, str]:
    return {run["workflow"]: run["state"] for run in runs()}


def resume(how: str) -> None:
    parent = next(run["id"] for run in runs() if run["workflow"] == "outer")
    if how == "all":
        penstock("resume", "--all")
    else:
        penstock("resume", parent)


@pytest.mark.parametrize("how", ["by hand", "all"])
@pytest.mark.parametrize(
    ("moment", "workflow"),
    [
        ("before the row", "middle"),
        ("before the row", "inner"),
        ("after the row", "middle"),
        ("after the row", "inner"),
        ("after the end", "outer"),
        ("after the end", "middle"),
    ],
)
def test_nothing_is_begun_twice_wherever_the_driver_dies(moment: str, workflow: str, how: str):
    # A script that imports its workflow came from itself: let the run come from the file that can be loaded.
    dead = subprocess.Popen([sys.executable, "dying.py", moment, workflow], stderr=subprocess.PIPE)
    told = dead.communicate(timeout=60)
    assert dead.returncode == -signal.SIGKILL, told
    write("dying.py", "from flows import outer\nfrom penstock import WorkflowManager\nWorkflowManager().run(outer)\n")
    resume(how)
    assert ledger() == ONCE
    assert Counter(run["workflow"] for run in runs()) == Counter(["outer", "middle", "inner"])
    assert set(states().values()) == {"success"}


def begin(*options: str) -> Command:
    """A run whose innermost task holds."""
    Path("hold").touch()
    process = start("run", "flows.py:outer", *options)
    wait_until(Path("held").exists, "the innermost task runs")
    return process


@pytest.mark.parametrize(
    ("executor", "how"), [("threads", "by hand"), ("threads", "all"), ("processes", "all"), ("inline", "by hand")]
)
def test_one_that_is_killed_while_they_run_goes_on_where_it_was(executor: str, how: str):
    process = begin("--executor", executor)
    process.kill()
    process.communicate(timeout=60)
    Path("hold").unlink()
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "interrupted")
    resume(how)
    assert ledger() == ONCE + Counter(["second 2"])  # what was running runs again
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")
    assert len(runs()) == 3


@pytest.mark.parametrize(
    ("executor", "number"),
    [
        ("threads", signal.SIGINT),
        ("threads", signal.SIGTERM),
        ("processes", signal.SIGINT),
        ("processes", signal.SIGTERM),
        ("inline", signal.SIGINT),
    ],
)
def test_one_that_is_stopped_stops_those_of_its_tasks(executor: str, number: int):
    process = begin("--executor", executor)
    process.send_signal(number)
    told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "interrupted")
    Path("hold").unlink()
    resume("by hand")
    assert ledger() == ONCE + Counter(["second 2"])
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")


def test_another_process_cancels_it_with_those_of_its_tasks():
    process = begin()
    parent = next(run["id"] for run in runs() if run["workflow"] == "outer")
    penstock("cancel", parent)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "cancelled")


def test_one_that_nobody_drives_is_cancelled_with_those_of_its_tasks():
    process = begin()
    process.kill()
    process.communicate(timeout=60)
    parent = next(run["id"] for run in runs() if run["workflow"] == "outer")
    penstock("cancel", parent)
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "cancelled")


def test_after_a_repair_the_parent_is_resumed_and_the_same_runs_go_on():
    Path("broken").touch()
    penstock("run", "flows.py:outer", code=1)
    failed = read("show", next(run["id"] for run in runs() if run["workflow"] == "outer"))
    inner = next(run["id"] for run in runs() if run["workflow"] == "inner")
    assert "RunFailed" in failed
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "failed")
    Path("broken").unlink()
    resume("by hand")
    assert ledger() == ONCE + Counter(["second 2"])
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")
    assert next(run["id"] for run in runs() if run["workflow"] == "inner") == inner


def test_one_of_them_is_resumed_alone_and_then_its_parent_finds_it_done():
    Path("broken").touch()
    penstock("run", "flows.py:outer", code=1)
    inner = next(run["id"] for run in runs() if run["workflow"] == "inner")
    Path("broken").unlink()
    penstock("resume", inner)
    assert states() == {"outer": "failed", "middle": "failed", "inner": "success"}
    assert ledger() == Counter(["before", "first 1", "second 2", "second 2"])
    resume("by hand")
    assert ledger() == ONCE + Counter(["second 2"])
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")


def test_one_that_was_lost_is_adopted_alone_and_wakes_its_parent_when_that_goes_on():
    process = begin()
    process.kill()
    process.communicate(timeout=60)
    Path("hold").unlink()
    inner = next(run["id"] for run in runs() if run["workflow"] == "inner")
    penstock("resume", inner)
    assert states() == {"outer": "interrupted", "middle": "interrupted", "inner": "success"}
    resume("all")
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")
    assert ledger() == ONCE + Counter(["second 2"])


def test_those_in_other_processes_are_waited_for():
    """A run is resumed while its child goes on elsewhere: it hears of the end."""
    process = begin()
    process.kill()
    process.communicate(timeout=60)
    Path("held").unlink()
    inner = next(run["id"] for run in runs() if run["workflow"] == "inner")
    parent = next(run["id"] for run in runs() if run["workflow"] == "outer")
    child = start("resume", inner)
    wait_until(Path("held").exists, "the child goes on elsewhere")
    going = start("resume", parent)
    wait_until(lambda: states()["middle"] == "running", "the parent goes on")
    Path("hold").unlink()
    for one in (child, going):
        told = one.communicate(timeout=60)
        assert one.returncode == 0, told
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")
    assert ledger() == ONCE + Counter(["second 2"])


def test_it_works_in_postgres(postgres_url: str, admin: Admin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_STORE", postgres_url)
    process = begin()
    process.kill()
    process.communicate(timeout=60)
    Path("hold").unlink()
    admin.end_sessions()
    admin.pass_time(3600)  # until the leases have run out
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "interrupted")
    resume("all")
    assert states() == dict.fromkeys(("outer", "middle", "inner"), "success")
    assert ledger() == ONCE + Counter(["second 2"])


BEGINS = """\
    from flows import inner
    from penstock import workflow

    @workflow
    def begins() -> None:
        inner.detached(1)
    """


@pytest.mark.parametrize("executor", ["threads", "processes", "inline"])
def test_one_that_is_only_begun_goes_on_and_the_process_with_it(executor: str):
    write("begins.py", BEGINS)
    Path("hold").touch()
    process = start("run", "begins.py", "--executor", executor)
    wait_until(Path("held").exists, "its task runs")
    wait_until(lambda: states()["begins"] == "success", "the run that began it has ended")
    assert states() == {"begins": "success", "inner": "running"}
    Path("hold").unlink()
    told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert states() == {"begins": "success", "inner": "success"}
    begun = next(run for run in runs() if run["workflow"] == "inner")
    assert (begun["parent"] is not None, begun["part"]) == (True, None)


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_only_begun_is_stopped_with_its_process_and_resumed_by_itself(executor: str, number: int):
    write("begins.py", BEGINS)
    Path("hold").touch()
    process = start("run", "begins.py", "--executor", executor)
    wait_until(Path("held").exists, "its task runs")
    wait_until(lambda: states()["begins"] == "success", "the run that began it has ended")
    process.send_signal(number)
    told = process.communicate(timeout=60)
    # Who only waits for others may end by the signal itself: for a shell that is the same.
    assert process.returncode in (130, -number), told
    assert states() == {"begins": "success", "inner": "interrupted"}
    Path("hold").unlink()
    penstock("resume", "--all")
    assert states() == {"begins": "success", "inner": "success"}
    assert ledger() == Counter(["first 1", "second 2", "second 2"])


def test_commands_lead_from_a_run_to_those_of_its_tasks_and_back():
    penstock("run", "flows.py:outer")
    by_name = {run["workflow"]: run for run in runs()}
    outer, middle, inner = (by_name[name]["id"] for name in ("outer", "middle", "inner"))
    assert (by_name["inner"]["parent"], by_name["inner"]["part"]) == (middle, "inner")
    assert (by_name["outer"]["parent"], by_name["outer"]["part"]) == (None, None)
    newest = read_json("show")
    assert newest["id"] == outer
    assert {task["id"]: task["child"] for task in newest["tasks"]} == {"before": None, "middle": middle, "after": None}
    assert f"run {middle}" in read("show")
    assert f"task of  run {middle}, as inner" in read("show", inner)
    listed = [line.split()[:2] for line in read("runs").splitlines()[1:]]
    assert listed == [[outer, "outer"], [middle, "middle"], [inner, "inner"]]
    graph = penstock_json("graph", "flows.py:outer")
    assert {task["id"]: task["kind"] for task in graph["tasks"]} == {
        "before": None,
        "middle": "workflow",
        "after": None,
    }
    assert "RunNotFound" in penstock("show", "0000", "--json", code=3).stdout


def test_of_many_children_a_few_are_listed():
    write(
        "many.py",
        """\
        from penstock import task, workflow

        @task
        def check(n: int) -> int:
            if n == 7:
                raise ValueError("seven")
            return n

        @workflow
        def one(n: int) -> int:
            return check(n)

        @workflow
        def all_of_them() -> None:
            one.expand(n=list(range(9)))
        """,
    )
    penstock("run", "many.py:all_of_them", code=1)
    told = read("runs").splitlines()
    assert len(told) == 1 + 1 + 5 + 1
    assert "failed" in told[2]
    assert re.fullmatch(r"  … 4 more  +penstock show \w+ has them", told[-1])
    assert len(runs()) == 10

"""`penstock resume --all`: what a crash left behind is taken over, once, and what lives is left alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.integration.command import Command
from tests.integration.commands import penstock, penstock_json, read, read_json, start, write
from tests.integration.waiting import state_of, wait_until

FLOW = """\
    import os, signal, time
    from pathlib import Path
    from penstock import task, workflow

    def note(text):
        with Path("ran").open("a") as file:
            file.write(text + "\\n")

    @task
    def first(name: str) -> str:
        note(f"first {name}")
        return name

    @task
    def gate(name: str) -> str:
        note(f"gate {name}")
        while not Path("open").exists():
            time.sleep(0.01)
        return name

    @task
    def last(name: str) -> None:
        note(f"last {name}")

    @workflow
    def flow(name: str):
        last(gate(first(name)))

    @task
    def poison() -> None:
        note("poison")
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def bystander() -> None:
        note("bystander")

    @workflow
    def poisoned():
        poison()
        bystander()

    @task
    def fails() -> None:
        note("fails")
        raise ValueError("as ever")

    @workflow
    def failing():
        fails()
        gate("failing")
    """


def ran() -> list[str]:
    path = Path("ran")
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(autouse=True)
def flow() -> None:
    write("flow.py", FLOW)


@pytest.fixture
def drivers() -> Iterator[list[Command]]:
    """Processes that drive a run each, and are killed in the end if they still live."""
    started: list[Command] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def drive_to_gate(drivers: list[Command], name: str) -> Command:
    process = start("run", "flow.py:flow", "--param", f"name={name}")
    drivers.append(process)
    wait_until(lambda: f"gate {name}" in ran(), "the run is at its gate")
    return process


def kill(process: Command) -> None:
    process.kill()
    process.wait()


def test_every_run_whose_driver_died_is_taken_over_and_no_other(drivers: list[Command]):
    for name in ("a", "b"):
        kill(drive_to_gate(drivers, name))
    alive = drive_to_gate(drivers, "c")
    assert [run["state"] for run in read_json("runs")] == ["running", "interrupted", "interrupted"]
    Path("open").touch()
    runs = penstock_json("resume", "--all")
    assert [(run["params"]["name"], run["state"]) for run in runs][:2] == [("a", "success"), ("b", "success")]
    assert alive.wait(60) == 0
    assert ran().count("last c") == 1
    assert sorted(line for line in ran() if line.startswith("first")) == ["first a", "first b", "first c"]
    assert ran().count("gate a") == 2
    assert "Nothing is to be taken over" in penstock("resume", "--all").stdout
    assert penstock_json("resume", "--all") == []


def test_two_that_take_over_at_once_share_the_runs(drivers: list[Command]):
    for name in ("a", "b", "c"):
        kill(drive_to_gate(drivers, name))
    Path("open").touch()
    both = [start("resume", "--all") for _ in range(2)]
    drivers += both
    assert [process.wait(100) for process in both] == [0, 0]
    assert {run["state"] for run in read_json("runs")} == {"success"}
    assert sorted(line for line in ran() if line.startswith("last")) == ["last a", "last b", "last c"]


def test_a_stopped_driver_keeps_its_run(drivers: list[Command]):
    process = drive_to_gate(drivers, "a")
    assert read_json("show")["driver"]["pid"] == process.pid
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert penstock_json("resume", "--all") == []
        penstock("resume", code=4)
        assert f"process {process.pid} on" in read("show")
    finally:
        os.kill(process.pid, signal.SIGCONT)
    Path("open").touch()
    assert process.wait(60) == 0


def test_a_task_that_kills_its_driver_is_not_started_a_fourth_time():
    penstock("run", "flow.py:poisoned", "--workers", "1", code=None)
    for _ in range(2):
        penstock("resume", "--all", "--workers", "1", code=None)
    assert ran() == ["poison", "poison", "poison"]
    [run] = penstock_json("resume", "--all", code=1)
    assert run["state"] == "failed"
    assert [(task["id"], task["state"]) for task in run["tasks"]] == [("poison", "failed"), ("bystander", "success")]
    assert "died 3 times" in run["tasks"][0]["error"]
    assert ran() == ["poison", "poison", "poison", "bystander"]


def test_what_had_failed_is_left_alone(drivers: list[Command]):
    process = start("run", "flow.py:failing", "--workers", "1")
    drivers.append(process)
    wait_until(lambda: "gate failing" in ran(), "the run is at its gate")
    kill(process)
    Path("open").touch()
    assert "1 failed" in penstock("resume", "--all", code=1).stderr
    assert ran() == ["fails", "gate failing", "gate failing"]


def cancel_behind_the_back_of(process: Command) -> None:
    """Ask for the end of a run whose driver is stopped, and reads nothing. One that was stopped in the middle of a
    commit holds up all others: it goes on for a moment, and is stopped again."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(process.pid) == "T", "it is stopped")
        if may_write():
            asked = penstock("cancel", "--no-wait", code=None)
            if asked.returncode == 0:
                return
            assert f"process {process.pid} was stopped while it wrote" in asked.stderr, asked.stderr
        os.kill(process.pid, signal.SIGCONT)
        wait_until(may_write, "its commit has ended")


def may_write() -> bool:
    """Whether nobody is in the middle of a commit."""
    database = apsw.Connection(str(Path(".penstock/penstock.db")))
    try:
        database.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        return False
    finally:
        database.close()
    return True


def test_a_request_to_cancel_outlives_the_driver_that_did_not_read_it(
    drivers: list[Command], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PENSTOCK_GRACE", "0.1")  # the gate does not look whether it should end
    process = drive_to_gate(drivers, "a")
    cancel_behind_the_back_of(process)
    kill(process)
    [run] = penstock_json("resume", "--all", code=1)
    assert run["state"] == "cancelled"
    assert "last a" not in ran()


def test_a_resume_by_hand_overrules_an_earlier_request_to_cancel(drivers: list[Command]):
    process = drive_to_gate(drivers, "a")
    cancel_behind_the_back_of(process)
    kill(process)
    Path("open").touch()
    penstock("resume")
    assert read_json("show")["state"] == "success"


def test_one_that_cannot_be_loaded_any_more_does_not_hold_up_the_others(drivers: list[Command]):
    kill(drive_to_gate(drivers, "a"))
    write("other.py", FLOW)
    process = start("run", "other.py:flow", "--param", "name=b")
    drivers.append(process)
    wait_until(lambda: "gate b" in ran(), "the run is at its gate")
    kill(process)
    Path("flow.py").unlink()
    Path("open").touch()
    done = penstock("resume", "--all", code=2)
    assert "cannot be taken over" in done.stderr
    assert "flow.py" in done.stderr
    assert [run["state"] for run in read_json("runs")] == ["success", "interrupted"]


def test_all_comes_without_a_run():
    assert "without RUN" in penstock("resume", "--all", "abc", code=2).stderr

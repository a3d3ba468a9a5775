"""The flights example, killed by SIGKILL at ten random moments and resumed each time, ends as if undisturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from penstock import WorkflowManager
from tests.faults.drive_flights import WORKERS

DRIVER = Path(__file__).with_name("drive_flights.py")
KILLS = 10


def tables(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with duckdb.connect(database, read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in names}


def drive(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(DRIVER), str(folder)], stdout=subprocess.DEVNULL)


def lines(folder: Path) -> list[str]:
    path = folder / "bodies"
    return path.read_text().splitlines() if path.exists() else []


def kill_after(process: subprocess.Popen[bytes], folder: Path, more_lines: int, then: float) -> None:
    """SIGKILL once the process has written so many more lines, and a moment later; or let it end before that."""
    goal = len(lines(folder)) + more_lines
    deadline = time.monotonic() + 100
    while process.poll() is None and len(lines(folder)) < goal:
        assert time.monotonic() < deadline, "the example does not get on"
        time.sleep(0.002)
    time.sleep(then)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(300)
def test_killed_ten_times_and_resumed_the_flights_are_as_undisturbed(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    undisturbed.mkdir()
    disturbed.mkdir()
    assert drive(undisturbed).wait(100) == 0

    chance = random.Random(2013)
    kills = 0
    while kills < KILLS:
        process = drive(disturbed)
        kill_after(process, disturbed, chance.randint(1, 4), chance.uniform(0, 0.1))
        assert process.returncode in (0, -signal.SIGKILL), "the example failed by itself"
        assert process.returncode != 0, f"the example ended after {kills} kills, before it could be disturbed again"
        kills += 1
    assert drive(disturbed).wait(100) == 0

    run = WorkflowManager(f"sqlite:///{disturbed}/store").get()
    assert run.state == "success"
    assert tables(disturbed / "flights.duckdb") == tables(undisturbed / "flights.duckdb")
    assert_only_those_in_flight_ran_twice(lines(disturbed), {task.name for task in run.tasks})


def assert_only_those_in_flight_ran_twice(written: list[str], names: set[str]) -> None:
    """A task whose success was on record never starts again, and no kill catches more than the workers have in hand."""
    recorded: set[str] = set()
    in_flight: set[str] = set()
    for line in written:
        sign, name = line.split(" ", 1)
        if sign == "+":
            assert name not in recorded, f"{name} was done and ran again"
            in_flight.add(name)
        elif sign == "-":
            in_flight.discard(name)
            recorded.add(name)
        else:
            # Each worker may have begun a task while the end of the one before was still being written.
            assert len(in_flight) <= 2 * WORKERS
            in_flight.clear()
    assert recorded <= names

"""Services that decide about the same schedules at one store, some of them killed, some stopped and continued: no due
time has two runs, and none is passed over."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.store.base import Store
from penstock.store.postgres import PostgresStore
from penstock.store.sqlite import SQLiteStore
from penstock.store.upkeep import upkeep_of
from penstock.testing.store_schedules import new_schedule

pytest_plugins = ("tests.postgres_fixtures",)

WORKFLOWS = "abc"
TICKS = 80
OPEN = {
    SQLiteStore: "from penstock.store.sqlite import SQLiteStore\nstore = SQLiteStore(Path(sys.argv[1]))\n",
    PostgresStore: "from penstock.store.postgres import PostgresStore\nstore = PostgresStore(sys.argv[1])\n",
}
SERVE = """
rng = random.Random(int(sys.argv[2]))
last = int(sys.argv[3])
print("o", end="", flush=True)
while open_ones := [row for row in store.schedules() if row.upto < last]:
    row = rng.choice(open_ones)
    upto = min(last, row.upto + rng.randint(1, 4))
    first_run = row.upto + rng.randint(1, 4)  # what is before is skipped
    ticks = [row.upto + number for number in range(1, int(upto - row.upto) + 1)]
    runs = [due_run(uuid4().hex, at, workflow=row.workflow) for at in ticks if at >= first_run]
    missed = [at for at in ticks if at < first_run]
    note = [skipped(missed[0], missed[-1], len(missed))] if missed else []
    try:
        done = store.decide(row.workflow, row.upto, upto, [(run, b"a plan") for run in runs], note)
        print("!" if done else ".", end="", flush=True)
        if rng.random() < 0.1:
            at = row.upto + rng.randint(1, 9)
            store.start_run(due_run(uuid4().hex, at, workflow=row.workflow, trigger="manual"), b"a plan")
    except LogicalTimeTaken:
        pass
    except StoreError as error:  # in doubt: the cursor tells
        print(error, file=sys.stderr)
"""
IMPORTS = """
import random, sys
from pathlib import Path
from uuid import uuid4
from penstock.errors import LogicalTimeTaken, StoreError
from penstock.testing.store_schedules import due_run, skipped
"""


@pytest.fixture(params=[SQLiteStore, PostgresStore])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param is SQLiteStore:
        opened: Store = SQLiteStore(tmp_path / "store")
    else:
        urls: Callable[[str], str] = request.getfixturevalue("postgres_urls")
        opened = PostgresStore(urls("decisions"))
    yield opened
    opened.close()


@pytest.fixture
def service(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[int], subprocess.Popen[bytes]]:
    if isinstance(store, SQLiteStore):
        place = str(tmp_path / "store")
    else:
        place = request.getfixturevalue("postgres_urls")("decisions")

    def begin(seed: int) -> subprocess.Popen[bytes]:
        code = IMPORTS + OPEN[type(store)] + SERVE
        return subprocess.Popen([sys.executable, "-c", code, place, str(seed), str(TICKS)], stdout=subprocess.PIPE)

    return begin


def read(process: subprocess.Popen[bytes], many: int) -> None:
    assert process.stdout
    process.stdout.read(many)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_tick_is_doubled_and_none_is_missed(
    store: Store, service: Callable[[int], subprocess.Popen[bytes]], seed: int
) -> None:
    rng = random.Random(seed)
    store.put_schedules([new_schedule(workflow) for workflow in WORKFLOWS])
    services = [service(seed * 100 + number) for number in range(4)]
    try:
        for number in range(3):
            victim = services[number]
            read(victim, rng.randint(2, 9))  # so many decisions were tried, if there were so many left
            victim.send_signal(rng.choice([signal.SIGKILL, signal.SIGSTOP]))
            services.append(service(seed * 100 + 50 + number))
            read(services[-1], 1)  # it has opened the store
            victim.send_signal(signal.SIGCONT)
        for one in services:
            one.communicate()
        assert {one.returncode for one in services[3:]} == {0}
        assert {one.returncode for one in services[:3]} <= {0, -signal.SIGKILL}
    finally:
        for one in services:
            with one:
                one.kill()
    assert {row.workflow: row.upto for row in store.schedules()} == dict.fromkeys(WORKFLOWS, float(TICKS))
    runs = store.runs()
    for workflow in WORKFLOWS:
        times = [run.logical_at for run in runs if run.workflow == workflow]
        assert len(set(times)) == len(times)
        ticks = store.ticks(workflow)
        created = {tick.last: tick.run_id for tick in ticks if tick.what == "created"}
        assert created == {run.logical_at: run.id for run in runs if run.workflow == workflow}
        skipped = [
            float(at) for tick in ticks if tick.what == "skipped" for at in range(int(tick.first), int(tick.last) + 1)
        ]
        assert len(set(skipped)) == len(skipped), "each is skipped once"
        assert set(range(1, TICKS + 1)) <= set(skipped) | set(created)
    upkeep = upkeep_of(store)
    assert upkeep is not None
    assert [*upkeep.faults()] == []

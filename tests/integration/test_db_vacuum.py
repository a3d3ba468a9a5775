"""`penstock db vacuum`: the database gives back the room that it does not use, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from penstock import WorkflowManager, task, workflow
from penstock.engine.events import AttemptLost, ErrorText, RunStarted
from penstock.errors import RunLocked, StoreError
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run
from tests.integration.commands import penstock, penstock_json

HOME = Path(".penstock")


@task
def say() -> str:
    return "x" * 4_000  # which lies in the journal


@workflow
def flow() -> None:
    say()


TEXT = Random(7).randbytes(20_000).hex()  # which does not become smaller than its bytes


@pytest.fixture
def store() -> SQLiteStore:
    """A store of which most is unused: a run with a large journal was deleted."""
    store = SQLiteStore(HOME)
    for id in ("kept", "gone"):
        lease = store.start_run(new_run(id), b"a plan")
        for _ in range(2 if id == "kept" else 100):
            store.append(lease, [RunStarted(1.0), AttemptLost(0, 1, 1.0, ErrorText("E", TEXT))])
        lease.release()
    store.delete_run("gone")
    return store


def test_room_that_is_not_used_goes_back_to_the_disk(store: SQLiteStore):
    kept = list(store.read("kept"))
    store.close()
    before = (HOME / "penstock.db").stat().st_size
    told = penstock_json("db", "vacuum")
    assert told["bytes_before"] >= before > 2_000_000
    assert told["bytes_after"] == (HOME / "penstock.db").stat().st_size < 200_000
    assert sorted(path.name for path in HOME.glob("penstock.db*")) == ["penstock.db"]
    again = SQLiteStore(HOME)
    assert list(again.read("kept")) == kept
    assert again.acquire("kept").token == 2
    assert again.start_run(new_run("next"), b"a plan").number == 3  # numbers are not given again
    again.close()
    assert penstock("db", "vacuum").stdout.endswith(" KB now, 0 bytes less than before\n")


def test_a_driven_run_is_not_kept_waiting(store: SQLiteStore):
    lease = store.acquire("kept")
    assert store.upkeep
    with pytest.raises(RunLocked, match="kept"):
        store.upkeep.vacuum()
    told = penstock_json("db", "vacuum", code=4)
    assert told["error"]["kind"] == "RunLocked"
    assert "run kept is being driven by process" in told["error"]["message"]
    lease.release()
    penstock("db", "vacuum")
    store.close()


POST = """
import sys
from pathlib import Path
from penstock.store.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100):
    store.post("kept", "mark", str(number))
store.close()
"""


def test_who_writes_meanwhile_waits_and_loses_nothing(store: SQLiteStore):
    child = subprocess.Popen([sys.executable, "-c", POST, HOME], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    vacuumed = 0
    while child.poll() is None:
        try:
            store.upkeep.vacuum()
            vacuumed += 1
        except StoreError as error:  # somebody reads at this moment
            assert "another program holds it" in str(error)  # noqa: PT017
    with child:
        assert child.returncode == 0
    assert vacuumed > 0
    assert [message.body for message in store.messages("kept")] == [str(number) for number in range(100)]
    store.close()


def test_a_store_that_is_no_folder_is_refused():
    told = penstock_json("db", "vacuum", "--store", "memory", code=2)
    assert told["error"]["message"] == "this store is no folder that could be vacuumed"
    assert penstock_json("db", "vacuum", code=3)["error"]["kind"] == "RunNotFound"


def test_runs_after_a_vacuum():
    with WorkflowManager(observers=[]) as opened:
        first = opened.run(flow)
        penstock("db", "vacuum")  # while this process has the store open
        assert opened.run(flow).state == "success"
        assert opened.get(first.id).task("say").result == "x" * 4_000
    assert penstock_json("db", "check")["whole"]

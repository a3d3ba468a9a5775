"""A store of an older Penstock is brought up to date, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from itertools import count
from pathlib import Path

import apsw
import pytest

from penstock.engine.events import RetryDue, RunResumed, RunStarted
from penstock.errors import StoreCorrupt, StoreError
from penstock.store.base import RunChange
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.schema import VERSION, backup_path, prepare
from penstock.testing.store_samples import new_run
from penstock.testing.store_schedules import due_run, new_schedule
from tests.faults.disk import failing_disk
from tests.unit.store.sqlite import version_1
from tests.unit.store.sqlite.version_1 import FirstPenstock

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
JOURNAL = [(number + 1, [RunStarted(float(number))] * 50) for number in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    version_1.make(tmp_path / "store")
    return tmp_path / "store"


def version(path: Path) -> int:
    db = apsw.Connection(str(path))
    try:
        [(found,)] = db.execute("PRAGMA user_version").fetchall()
        assert isinstance(found, int)
        return found
    finally:
        db.close()


def check_old_runs(store: SQLiteStore) -> None:
    assert {run.id: run.state for run in store.runs()} == {"run-1": "running", "run-2": "success", "run-3": "queued"}
    assert store.run("run-1") == new_run(params="{}", source=None, state="running", tasks=10)
    assert list(store.read("run-1")) == JOURNAL
    assert [message.kind for message in store.messages("run-1")] == ["cancel"]
    assert store.plan("plan-a") == b"a plan"


def test_nothing_is_lost_and_everything_new_works(folder: Path):
    store = SQLiteStore(folder)
    check_old_runs(store)
    assert [run.id for run in store.unfinished()] == ["run-1", "run-3"]
    lease = store.acquire("run-1")
    assert lease.token == 2
    store.append(lease, [RunResumed(20.0)], change=RunChange(state="failed", undelivered=2))
    assert store.run("run-1").undelivered == 2
    assert [run.id for run in store.unfinished()] == ["run-1", "run-3"]
    store.start_run(new_run("run-4"), b"a plan").release()
    store.delete_run("run-2")
    store.put_schedules([new_schedule()])
    assert store.decide("flights", 0.0, 1.0, [(due_run("run-5", 1.0), b"a plan")])
    assert [row.id for row in store.runs("flights", states=["queued"])] == ["run-5", "run-4", "run-3"]
    store.close()


def test_parts_of_runs_were_begun_by_these(folder: Path):
    db = apsw.Connection(str(folder / "penstock.db"))
    for step in (2, 3, 4):
        db.execute((Path(prepare.__code__.co_filename).parent / "migrations" / f"{step}.sql").read_text("utf-8"))
    db.execute("PRAGMA user_version = 4")
    db.execute("UPDATE run SET parent = 'run-1' WHERE id = 'run-2'")
    db.close()
    store = SQLiteStore(folder)
    assert {run.id: run.trigger for run in store.runs()} == {"run-1": "manual", "run-2": "workflow", "run-3": "manual"}
    store.close()


def described(db: apsw.Connection) -> dict[str, object]:
    """Tables, columns and indexes, as SQLite understands them."""
    tables = db.execute("SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    found: dict[str, object] = {}
    for name, *rest in sorted(tables):
        found[f"table {name}"] = rest
        found[f"columns of {name}"] = db.execute(f"PRAGMA table_xinfo({name})").fetchall()
        found[f"references of {name}"] = db.execute(f"PRAGMA foreign_key_list({name})").fetchall()
        for _, index, *kind in db.execute(f"PRAGMA index_list({name})").fetchall():
            found[f"index {index}"] = kind, db.execute(f"PRAGMA index_xinfo({index})").fetchall()
    found["conditions"] = db.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' ORDER BY name"
    ).fetchall()
    return found


def test_a_migrated_database_is_like_a_new_one(folder: Path, tmp_path: Path):
    SQLiteStore(folder).close()
    SQLiteStore(tmp_path / "new").close()
    migrated, new = (apsw.Connection(str(place / "penstock.db")) for place in (folder, tmp_path / "new"))
    assert described(migrated) == described(new)
    assert version(folder / "penstock.db") == VERSION
    assert migrated.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    migrated.close()
    new.close()


def test_what_was_is_kept_in_a_copy_that_can_take_its_place(folder: Path, tmp_path: Path):
    SQLiteStore(folder).close()
    copy = backup_path(folder / "penstock.db", 1)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert version(copy) == 1
    before = copy.read_bytes()
    store = SQLiteStore(folder)
    store.delete_run("run-2")
    store.close()
    assert copy.read_bytes() == before, "it is not made again"
    assert sorted(path.name for path in folder.glob("penstock.db*")) == ["penstock.db", "penstock.db.v1-backup"]

    put_back = tmp_path / "put back"
    put_back.mkdir(0o700)
    shutil.copyfile(copy, put_back / "penstock.db")
    store = SQLiteStore(put_back)
    check_old_runs(store)
    store.close()


def test_the_copy_is_kept_until_the_next_migration(folder: Path, tmp_path: Path):
    SQLiteStore(folder).close()
    (tmp_path / "migrations").mkdir()
    for step in (1, 2):
        (tmp_path / "migrations" / f"{VERSION + step}.sql").write_text(f"CREATE TABLE new_{step} (a TEXT) STRICT;")
    db = apsw.Connection(str(folder / "penstock.db"))
    db.execute("BEGIN IMMEDIATE")
    prepare(db, folder / "penstock.db", VERSION + 2, tmp_path)
    db.execute("COMMIT")
    db.close()
    assert version(folder / "penstock.db") == VERSION + 2
    assert [path.name for path in folder.glob("*-backup*")] == [f"penstock.db.v{VERSION}-backup"]
    with pytest.raises(StoreCorrupt, match=rf"newer Penstock \(its schema is {VERSION + 2}.*upgrade"):
        SQLiteStore(folder)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # errors that SQLite does not pass on
@pytest.mark.parametrize("for_ever", [True, False])
def test_a_migration_that_fails_anywhere_leaves_the_store_as_it_was(folder: Path, tmp_path: Path, for_ever: bool):
    original = folder
    failures = 0
    for number in count(1):
        folder = Path(shutil.copytree(original, tmp_path / f"{number}"))
        with failing_disk() as disk:
            again = 10_000 if for_ever else 1
            disk.fail = lambda operation, name: (
                apsw.FullError if number <= disk.operations < number + again else None  # noqa: B023
            )
            error = refusal(folder)
            if error is not None:
                assert "full" in str(error)
                failures += 1
                disk.fail = lambda operation, name: None
                assert version(folder / "penstock.db") == 1
                if backup_path(folder / "penstock.db", 1).exists():
                    assert version(backup_path(folder / "penstock.db", 1)) == 1
                assert not (folder / "penstock.db.v1-backup.new").exists()
                store = SQLiteStore(folder)
                check_old_runs(store)
                store.close()
            if disk.operations < number:
                break
    assert failures > 5


KILLED = """
import os, sys
from pathlib import Path
import apsw
from penstock.store.sqlite import SQLiteStore
from tests.faults.disk import failing_disk

def die(operation, name):
    if disk.operations >= int(sys.argv[2]):
        os.kill(os.getpid(), 9)

with failing_disk() as disk:
    disk.fail = die
    SQLiteStore(Path(sys.argv[1])).close()
"""


@pytest.mark.parametrize("operation", [1, 4, 7, 10, 13, 16, 19])
def test_a_kill_in_the_middle_of_a_migration_costs_nothing(folder: Path, operation: int):
    done = subprocess.run([sys.executable, "-c", KILLED, folder, str(operation)], check=False, env=ENVIRONMENT)
    assert done.returncode == -9
    store = SQLiteStore(folder)
    check_old_runs(store)
    store.append(store.acquire("run-1"), [RunResumed(20.0)])
    store.close()
    assert version(backup_path(folder / "penstock.db", 1)) == 1


def test_a_damaged_database_is_not_migrated(folder: Path):
    whole = (folder / "penstock.db").read_bytes()
    (folder / "penstock.db").write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    with pytest.raises(StoreCorrupt, match="damaged"):
        SQLiteStore(folder)
    assert list(folder.glob("*backup*")) == []


OPEN = """
import sys
from pathlib import Path
from penstock.store.sqlite import SQLiteStore
sys.stdin.readline()
store = SQLiteStore(Path(sys.argv[1]))
print(len(store.runs()), store.unfinished()[0].undelivered)
"""


def test_processes_that_find_an_old_store_at_once_migrate_it_once(folder: Path):
    children = [
        subprocess.Popen([sys.executable, "-c", OPEN, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write(b"\n")
        child.stdin.flush()
    assert [child.communicate()[0] for child in children] == [b"3 0\n"] * 6
    assert version(folder / "penstock.db") == VERSION
    assert [path.name for path in folder.glob("*-backup*")] == ["penstock.db.v1-backup"]


def test_a_process_of_the_first_penstock_goes_on_while_a_newer_one_migrates(folder: Path):
    """It drives a run with its own statements, before, during and after; neither harms the other."""
    old = subprocess.Popen(
        [sys.executable, version_1.__file__, folder, "old"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert old.stdin
    assert old.stdout
    assert old.stdout.readline() == b"driving\n"
    store = SQLiteStore(folder)
    seen = sum(1 for _ in store.read("old"))
    lease = store.start_run(new_run("new"), b"a plan")
    for number in range(200):
        store.append(lease, [RetryDue(number, 1.0)], change=RunChange(undelivered=number))
    while sum(1 for _ in store.read("old")) < seen + 200:
        pass
    old.stdin.close()
    with old:
        batches = int(old.stdout.read())
    assert old.returncode == 0
    assert list(store.read("old")) == [(number + 1, [RetryDue(number, 1.0)]) for number in range(batches)]
    assert (store.run("old").tasks, store.run("old").undelivered) == (batches, 0)
    assert [row.id for row in store.unfinished()].count("old-later") == 1
    assert len(list(store.read("new"))) == 200
    assert store.run("new").undelivered == 199
    assert list(store.read("run-1")) == JOURNAL
    store.close()


def refusal(folder: Path) -> StoreError | None:
    try:
        SQLiteStore(folder).close()
    except StoreError as error:
        return error
    return None


def test_a_reader_of_the_first_penstock_sees_the_store_as_it_was_until_it_looks_again(folder: Path):
    first = FirstPenstock(folder)
    first.db.execute("BEGIN")
    before = first.do("runs", -1)
    store = SQLiteStore(folder)
    store.start_run(new_run("run-4"), b"a plan")
    assert first.do("runs", -1) == before
    first.db.execute("COMMIT")
    assert len(first.do("runs", -1)) == len(before) + 1
    store.close()
    first.close()

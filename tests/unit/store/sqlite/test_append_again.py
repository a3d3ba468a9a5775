"""A batch whose commit fails is written again, and is in the journal once, whatever became of the first try."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from penstock.engine.events import Event, RetryDue, RunStarted
from penstock.errors import LeaseLost, StoreError
from penstock.store.base import Lease, Message, RunChange, RunRow
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run
from tests.faults.disk import Disk, DiskFile

BEFORE: list[Event] = [RunStarted(1.0)]
BATCH: list[Event] = [RetryDue(2, 2.0)] * 300  # more than a page
CHANGE = RunChange(state="running", tasks=7)
AFTER: list[Event] = [RetryDue(3, 3.0)]


class AnsweringDisk(Disk):
    """A disk of which also the answer to a commit may get lost: all is written by then, and visible to everybody."""

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return AnsweringFile(self, name, flags)


class AnsweringFile(DiskFile):
    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802
        if op == apsw.SQLITE_FCNTL_COMMIT_PHASETWO:
            self.disk.does("answer", self.name)
        return super().xFileControl(op, ptr)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = AnsweringDisk()
    yield disk
    disk.unregister()
    apsw.set_default_vfs(disk.base)


@pytest.fixture
def store(disk: Disk, tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "store")
    store.create_run(new_run(), b"a plan")
    store.post("run-1", "mark")
    store.post("run-1", "cancel")
    yield store
    store.close()


@pytest.fixture
def lease(store: SQLiteStore) -> Lease:
    lease = store.acquire("run-1")
    store.append(lease, BEFORE)
    return lease


def fail_at(disk: Disk, number: int) -> None:
    """Let the operation of this number fail, counted from now, and no other."""
    disk.operations = 0
    disk.fail = lambda operation, name: apsw.IOError if disk.operations == number else None


def found(store: SQLiteStore) -> tuple[list[list[Event]], RunRow, list[str]]:
    inbox: list[Message] = store.messages("run-1")
    return [events for _, events in store.read("run-1")], store.run("run-1"), [message.kind for message in inbox]


WITHOUT = [BEFORE], new_run(), ["mark", "cancel"]
WITH = [BEFORE, BATCH], replace(new_run(), state="running", tasks=7), ["cancel"]


def after_a_crash(folder: Path, scratch: Path) -> tuple[list[list[Event]], RunRow, list[str]]:
    """What another process would find if all those died that have the store open."""
    scratch.mkdir()
    for name in ("penstock.db", "penstock.db-wal"):
        shutil.copyfile(folder / name, scratch / name)
    store = SQLiteStore(scratch)
    try:
        return found(store)
    finally:
        store.close()


@pytest.mark.parametrize("safe", [True, False])
def test_whichever_operation_fails_the_batch_is_there_once(disk: Disk, tmp_path: Path, safe: bool) -> None:
    came_through, survived = [], []
    for number in count(1):
        folder = tmp_path / f"{number}"
        store = SQLiteStore(folder)
        store.create_run(new_run(), b"a plan")
        store.post("run-1", "mark")
        store.post("run-1", "cancel")
        lease, first = store.acquire("run-1"), store.messages("run-1")[0].id
        store.append(lease, BEFORE)

        fail_at(disk, number)
        try:
            store.append(lease, BATCH, change=CHANGE, taken=[first], safe=safe)
            came_through.append(number)
        except StoreError:
            disk.fail = lambda operation, name: None
            state = found(store)
            assert state in (WITHOUT, WITH)
            crashed = after_a_crash(folder, tmp_path / f"{number}-crashed")
            assert crashed in (WITHOUT, WITH) if state == WITHOUT else crashed == WITH
            survived.append((state == WITH, crashed == WITH))
            store.append(lease, BATCH, change=CHANGE, taken=[first], safe=safe)
        disk.fail = lambda operation, name: None
        assert found(store) == WITH
        store.append(lease, AFTER)
        assert found(store)[0] == [BEFORE, BATCH, AFTER]
        assert after_a_crash(folder, tmp_path / f"{number}-after")[0] == [BEFORE, BATCH, AFTER]
        store.close()
        if came_through:
            break
    # Some tries left nothing, and one was committed in spite of its error. What fails while it is synced is found only
    # by those who come after a crash.
    assert (False, False) in survived
    assert (True, True) in survived
    assert ((False, True) in survived) == safe


def lose_the_answer(disk: Disk) -> None:
    disk.fail = lambda operation, name: apsw.IOError if operation == "answer" else None


def test_a_batch_that_was_committed_in_spite_of_an_error_is_made_safe(
    disk: Disk, store: SQLiteStore, lease: Lease
) -> None:
    lose_the_answer(disk)
    with pytest.raises(StoreError):
        store.append(lease, BATCH)
    assert len(found(store)[0]) == 2
    with pytest.raises(StoreError):
        store.append(lease, BATCH, safe=True)  # which finds it there, and cannot sync
    disk.fail = lambda operation, name: None
    seen: list[str] = []
    disk.fail = lambda operation, name: seen.append(operation)
    store.append(lease, BATCH, safe=True)
    assert "sync" in seen
    assert found(store)[0] == [BEFORE, BATCH]


def test_another_batch_comes_after_one_that_was_committed_in_spite_of_an_error(
    disk: Disk, store: SQLiteStore, lease: Lease
) -> None:
    lose_the_answer(disk)
    with pytest.raises(StoreError):
        store.append(lease, BATCH)
    disk.fail = lambda operation, name: None
    store.append(lease, AFTER)
    store.append(lease, AFTER)
    assert found(store)[0] == [BEFORE, BATCH, AFTER, AFTER]


def test_the_same_batch_of_a_newer_driver_is_not_taken_for_ones_own(
    disk: Disk, store: SQLiteStore, lease: Lease, tmp_path: Path
) -> None:
    disk.fail = lambda operation, name: apsw.IOError if operation == "write" else None
    with pytest.raises(StoreError):
        store.append(lease, [], change=RunChange(error="mine"))
    disk.fail = lambda operation, name: None
    (tmp_path / "store" / "lease.lock").unlink()  # as somebody may who tidies up
    other = SQLiteStore(tmp_path / "store")
    other.append(other.acquire("run-1"), [], change=RunChange(error="theirs"))
    assert not lease.lost
    with pytest.raises(LeaseLost):
        store.append(lease, [], change=RunChange(error="mine"))
    assert lease.lost
    assert store.run("run-1").error == "theirs"
    other.close()


def test_a_run_that_could_not_be_started_has_no_driver(disk: Disk, store: SQLiteStore) -> None:
    for number in count(1):
        row = new_run(f"new-{number}")
        fail_at(disk, number)
        try:
            lease = store.start_run(row, b"a plan")
        except StoreError:
            disk.fail = lambda operation, name: None
        else:
            break
        if row in store.runs():  # the answer was lost
            assert store.holder(row.id) is None
            store.acquire(row.id).release()
    assert number > 3
    disk.fail = lambda operation, name: None
    store.append(lease, BEFORE)
    store.append(store.start_run(new_run("last"), b"a plan"), BEFORE)

"""A disk that fails to sync forgets: Linux reports the error once, takes what it could not write for written, and the
next sync succeeds without it. See Rebello et al., "Can Applications Recover from fsync Failures?", 2020."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from penstock.engine.events import AttemptLost, ErrorText, Event, RetryDue
from penstock.errors import StoreError
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run
from tests.faults.disk import Disk, DiskFile


class ForgetfulDisk(Disk):
    """Knows what is on the platter: what was synced, but for what a failed sync has dropped since it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.platter: dict[str, bytearray] = {}
        self.dirty: dict[str, list[tuple[int, bytes] | int]] = {}

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return ForgetfulFile(self, name, flags)

    def cut_power(self, folder: Path) -> None:
        folder.mkdir(0o700)
        for name in ("penstock.db", "penstock.db-wal"):
            for path, content in self.platter.items():
                if Path(path).name == name:
                    (folder / name).write_bytes(content)


class ForgetfulFile(DiskFile):
    disk: ForgetfulDisk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self.disk.dirty.setdefault(self.name, []).append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self.disk.dirty.setdefault(self.name, []).append(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        dirty = self.disk.dirty.pop(self.name, [])
        self.disk.does("sync", self.name)
        content = self.disk.platter.setdefault(self.name, bytearray())
        for change in dirty:
            if isinstance(change, int):
                del content[change:]
                continue
            offset, data = change
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data


@pytest.fixture
def disk() -> Iterator[ForgetfulDisk]:
    disk = ForgetfulDisk()
    yield disk
    disk.unregister()
    apsw.set_default_vfs(disk.base)


@pytest.mark.parametrize("written", [0, 1, 40])
@pytest.mark.parametrize("by", ["append", "sync"])
def test_what_is_said_to_be_safe_after_a_failed_sync_is_safe(
    disk: ForgetfulDisk, tmp_path: Path, written: int, by: str
) -> None:
    store = SQLiteStore(tmp_path / "store")
    store.create_run(new_run(), b"a plan")
    lease = store.acquire("run-1")
    batches: list[list[Event]] = [[RetryDue(number, 1.0)] * 100 for number in range(written + 3)]
    for batch in batches[:written]:
        store.append(lease, batch)
    disk.fail = lambda operation, name: apsw.IOError if operation == "sync" else None
    with pytest.raises(StoreError):
        store.append(lease, batches[written], safe=True)
    disk.fail = lambda operation, name: None
    if by == "append":
        store.append(lease, batches[written], safe=True)
    else:
        store.append(lease, batches[written])
        store.sync()
    store.append(lease, batches[written + 1], safe=True)
    store.append(lease, batches[written + 2])
    disk.cut_power(tmp_path / "after")
    store.close()
    again = SQLiteStore(tmp_path / "after")
    assert [events for _, events in again.read("run-1")] == batches[: written + 2]
    again.close()


def test_a_database_into_which_the_log_was_copied_is_whole_before_the_log_begins_anew(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    store = SQLiteStore(tmp_path / "store")
    store.create_run(new_run(), b"a plan")
    lease = store.acquire("run-1")
    large: list[Event] = [AttemptLost(1, 1, 1.0, ErrorText("E", os.urandom(500_000).hex()))]
    syncs = 0

    def fail(operation: str, name: str) -> type[apsw.Error] | None:
        nonlocal syncs
        syncs += (operation, name) == ("sync", "penstock.db")
        return apsw.IOError if syncs == 1 and operation == "sync" else None

    disk.fail = fail
    for _ in range(40):
        store.append(lease, large)
    assert syncs > 1
    store.sync()
    disk.cut_power(tmp_path / "after")
    store.close()
    again = SQLiteStore(tmp_path / "after")
    assert [events for _, events in again.read("run-1")] == [large] * 40
    again.close()

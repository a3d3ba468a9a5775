"""A copy of a database as it is at one moment, while others read and write it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from penstock.store.sqlite.connection import connect

_STEP = 1_000  # pages at a time


def copy_database(source: Path, target: Path, told: Callable[[int, int], None] | None = None) -> None:
    """Copy a database into one file, synced, which takes the place of `target`: nobody ever sees a part of it there.

    `told` is called now and then with how many pages are copied, and of how many. apsw.Error or OSError leave a
    `target` that was there as it was.
    """
    new = target.with_name(f"{target.name}.new")
    _remove(new)
    try:
        _copy(source, new, told)
        _sync(new)
        os.replace(new, target)
    except BaseException:
        _remove(new)
        raise
    _sync(target.parent)


def _copy(source: Path, new: Path, told: Callable[[int, int], None] | None) -> None:
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    reading, writing = connect(source), apsw.Connection(os.fspath(new))
    try:
        writing.execute("PRAGMA journal_mode = OFF")
        # Within one transaction, or what others write meanwhile would make the copy begin anew.
        reading.execute("BEGIN; SELECT count(*) FROM sqlite_schema")
        with writing.backup("main", reading, "main") as backup:
            while not backup.done:
                backup.step(_STEP)
                if told is not None:
                    told(backup.page_count - backup.remaining, backup.page_count)
        writing.execute("PRAGMA journal_mode = DELETE")  # or it would be two files as soon as somebody looks into it
    finally:
        writing.close()
        reading.close()


def _remove(path: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

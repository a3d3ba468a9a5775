"""Connections to the database: how they are set up, and what is made of SQLite's errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from penstock.errors import StoreCorrupt, StoreError

Row: TypeAlias = tuple[Any, ...]

_BUSY_MS = 10_000
_PRAGMAS = (
    "synchronous = NORMAL",
    "wal_autocheckpoint = 0",
    "journal_size_limit = 16777216",  # bytes that a log may keep when it begins anew
    "foreign_keys = ON",
    "fullfsync = ON",  # macOS: a sync that reaches the disk and not only its cache
    "checkpoint_fullfsync = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)

_CORRUPT = "it is damaged or no SQLite database: restore a backup, or move the folder away to begin a new store"
_TEXTS: tuple[tuple[type[apsw.Error], type[StoreError], str], ...] = (
    (apsw.CorruptError, StoreCorrupt, _CORRUPT),
    (apsw.NotADBError, StoreCorrupt, _CORRUPT),
    (apsw.FullError, StoreError, "the disk is full: make room and try again"),
    (apsw.ReadOnlyError, StoreError, "it may not be written: see to the permissions of the file and its folder"),
    (apsw.CantOpenError, StoreError, "it cannot be opened: see to the permissions of the file and its folder"),
    (apsw.BusyError, StoreError, "another program holds it: end that program, or try again"),
    (apsw.LockedError, StoreError, "another program holds it: end that program, or try again"),
    (apsw.IOError, StoreError, "the disk reports an error"),
)


def store_error(error: apsw.Error | OSError | UnicodeDecodeError, path: Path) -> StoreError:
    """The error to raise in place of one of SQLite's, or of the system's."""
    if isinstance(error, UnicodeDecodeError):
        return StoreCorrupt(f"{path}: {_CORRUPT} ({error.reason})")
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror}")
    for kind, family, text in _TEXTS:
        if isinstance(error, kind):
            return family(f"{path}: {text} ({error})")
    return StoreError(f"{path}: {error}")


def connect(path: Path, check: Callable[[apsw.Connection], None] | None = None) -> apsw.Connection:
    """A connection to the database, for one thread at a time. `check` may refuse it before anything in it is changed.
    apsw's errors are the caller's to translate."""
    db = apsw.Connection(os.fspath(path))
    try:
        db.set_busy_timeout(_BUSY_MS)
        if check is not None:
            check(db)
        if db.execute("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:
            raise StoreError(f"{path}: this file system lacks the shared memory that the store needs: choose another")
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def storable(*values: Any) -> Row:
    """The values, with what SQLite cannot keep in a text (lone surrogates) as backslash escapes."""
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in values
    )


def typed(row: Row, shape: tuple[tuple[type, ...], ...], what: str) -> Row:
    """The row, if its values have the types of its shape. StoreCorrupt else: a damaged page may hold anything."""
    if len(row) != len(shape) or any(type(value) not in kinds for value, kinds in zip(row, shape, strict=True)):
        raise StoreCorrupt(
            f"a {what} on record has fields that it cannot have: the store was damaged; restore a backup"
        )
    return row


class Guarded:
    """A connection that many threads share, one at a time, and that no forked child may use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._db: apsw.Connection | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            self._db = connect(self.path)
        except apsw.Error as error:
            raise store_error(error, self.path) from error

    def check(self) -> apsw.Connection:
        """The connection. StoreError if it was closed, or opened by another process."""
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store {self.path} was opened by process {self._pid}, of which this is a fork: open it again here"
            )
        if self._db is None:
            raise StoreError(f"the store {self.path} was closed")
        return self._db

    def close(self) -> None:
        """Let go of the database. Closing twice is harmless."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None:
                try:
                    db.close()
                except apsw.Error:
                    pass  # the log could not be copied into the database, and stays for whoever opens it next


class Reader(Guarded):
    """Reads, in transactions that end before a result is handed out."""

    def rows(self, query: str, *values: Any) -> list[Row]:
        """All rows that a query gives."""
        self.check()  # before the lock, which a fork may have left locked for ever
        with self._lock:
            db = self.check()
            try:
                found: list[Row] = db.execute(query, storable(*values)).fetchall()
                return found
            except (apsw.Error, UnicodeDecodeError) as error:
                raise store_error(error, self.path) from error

    def row(self, query: str, *values: Any) -> Row | None:
        """The first row that a query gives, if it gives any."""
        rows = self.rows(query, *values)
        return rows[0] if rows else None

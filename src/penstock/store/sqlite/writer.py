"""The one connection through which a store writes, and what makes its commits survive.

A commit with synchronous=NORMAL is *written*: it is with the operating system, and outlives this process. A commit with
synchronous=FULL syncs the write-ahead log, so that it and all earlier ones, of every process, are *safe*.

Processes queue for the write lock at a lock of the operating system, where SQLite itself would have them poll, some of
them for seconds; SQLite's own lock is taken all the same, and is the one that counts. The write-ahead log is copied
into the database by whoever finds it long and gets the lock for it: first without stopping anybody, then what came
meanwhile under the write lock, since only a log that was copied in full begins anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from penstock.errors import StoreError
from penstock.store.sqlite.connection import Guarded, connect, store_error
from penstock.store.sqlite.locks import LockFile
from penstock.store.sqlite.schema import is_current, prepare

_WRITE, _CHECKPOINT = 0, 1  # bytes of the lock file
_LONG = 1024  # pages of 4 KiB in the log
_T = TypeVar("_T")


class Writer(Guarded):
    """Commits, one at a time."""

    def __init__(self, path: Path, locks: LockFile, barrier: str) -> None:
        self._locks = locks
        self._barrier = barrier
        self._full = False  # what `synchronous` is set to
        self._unsafe = False  # whether something was written since the last safe commit
        self._pages = 0
        self._checkpoint_at = _LONG
        self._checkpointing = threading.Lock()
        super().__init__(path)

    def _open(self) -> None:
        try:
            self._locks.queue(_WRITE)  # so that one process alone makes the database
            db = self._db = connect(self.path)
            db.set_wal_hook(self._see_log)
            if not is_current(db):
                db.execute("BEGIN IMMEDIATE")
                prepare(db, self.path)
                db.execute("COMMIT")
        except (apsw.Error, OSError) as error:
            raise store_error(error, self.path) from error
        finally:
            self._locks.leave(_WRITE)

    def commit(self, work: Callable[[apsw.Connection], _T], *, safe: bool = False) -> _T:
        """Do `work` in one transaction, and give what it gives. Any error undoes all of it."""
        self.check()  # before the lock, which a fork may have left locked for ever
        with self._lock:
            db = self.check()
            try:
                self._locks.queue(_WRITE)
                if safe is not self._full:
                    db.execute("PRAGMA synchronous = FULL" if safe else "PRAGMA synchronous = NORMAL")
                    self._full = safe
                self._unsafe = True
                db.execute("BEGIN IMMEDIATE")
                result = work(db)
                db.execute("COMMIT")
            except BaseException as error:
                _undo(db)
                if isinstance(error, (apsw.Error, OSError)):
                    raise store_error(error, self.path) from error
                raise
            finally:
                self._locks.leave(_WRITE)
            self._unsafe = not safe  # a safe commit makes all earlier ones safe
        if self._pages > self._checkpoint_at:
            self._checkpoint()
        return result

    def sync(self) -> None:
        """Make all that was written safe."""
        self.check()
        if self._unsafe:
            self.commit(lambda db: db.execute(self._barrier), safe=True)

    def close(self) -> None:
        """Let go of the database. The last process to do so has SQLite copy the log and remove it."""
        with self._checkpointing:
            super().close()

    def _see_log(self, db: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._pages:
            self._checkpoint_at = _LONG  # the log has begun anew
        self._pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        if not self._checkpointing.acquire(blocking=False):
            return
        try:
            # Even a log that was copied in full begins anew only when nobody reads it: look again when it is longer.
            self._checkpoint_at = self._pages + _LONG
            if self._db is not None and self._locks.take(_CHECKPOINT):
                try:
                    self._copy_log()
                finally:
                    self._locks.give_back(_CHECKPOINT)
        except (apsw.Error, OSError, StoreError):
            pass  # what was committed is in the log, so nothing is lost but time
        finally:
            self._checkpointing.release()

    def _copy_log(self) -> None:
        db = connect(self.path)  # its own, so that the other threads go on
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            with self._lock:
                try:
                    self._locks.queue(_WRITE)
                    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                finally:
                    self._locks.leave(_WRITE)
        finally:
            db.close()


def _undo(db: apsw.Connection) -> None:
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except apsw.Error:
        pass  # SQLite has rolled back already

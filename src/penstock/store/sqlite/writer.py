"""The one connection through which a store writes, and what makes its commits survive.

A commit with synchronous=NORMAL is *written*: it is with the operating system, and outlives this process. A commit with
synchronous=FULL syncs the write-ahead log, so that it and all earlier ones, of every process, are *safe*.

Processes queue for the write lock at a lock of the operating system, where SQLite itself would have them poll, some of
them for seconds; SQLite's own lock is taken all the same, and is the one that counts. The write-ahead log is copied
into the database by whoever finds it long and gets the lock for it: first without stopping anybody, then what came
meanwhile under the write lock, since only a log that was copied in full begins anew.

Where a sync fails, Linux takes for written what it could not write, so that the next sync succeeds without it (Rebello
et al., "Can Applications Recover from fsync Failures?", 2020). What it has in memory is still right. So after such an
error the file is written over itself before anything counts as safe.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from penstock.errors import StoreError
from penstock.store.sqlite.connection import Guarded, connect, store_error
from penstock.store.sqlite.locks import LockFile, Stopped
from penstock.store.sqlite.schema import check_ours, is_current, prepare

_WRITE, _CHECKPOINT = 0, 1  # bytes of the lock file
_CHUNK = 1 << 16  # bytes: SQLite writes less than 2^17 at a time
_LONG = 1024  # pages of 4 KiB in the log
_T = TypeVar("_T")


class Writer(Guarded):
    """Commits, one at a time."""

    def __init__(self, path: Path, locks: LockFile, barrier: str) -> None:
        self._locks = locks
        self._barrier = barrier
        self._full = False  # what `synchronous` is set to
        self._unsafe = False  # whether something was written since the last safe commit
        self._log_has_holes = self._database_has_holes = False  # possibly, since a sync failed
        self._pages = 0
        self._checkpoint_at = _LONG
        self._checkpointing = threading.Lock()
        super().__init__(path)

    def _open(self) -> None:
        try:
            self._queue_to_open()
            db = self._db = connect(self.path, lambda db: check_ours(db, self.path))
            db.set_wal_hook(self._see_log)
            if not is_current(db):
                db.execute("BEGIN IMMEDIATE")
                prepare(db, self.path)
                db.execute("COMMIT")
        except (apsw.Error, OSError) as error:
            raise store_error(error, self.path) from error
        finally:
            self._locks.leave(_WRITE)

    def _queue_to_open(self) -> None:
        """See that one process alone makes the database, and that nobody opens it while another one does."""
        try:
            self._locks.queue(_WRITE)
        except Stopped:
            pass  # in the middle of a write, so that it is made: who only reads need not wait

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
                if safe and self._log_has_holes:
                    _write_again(self.path.with_name(f"{self.path.name}-wal"), apsw.SQLITE_OPEN_WAL)
                    self._log_has_holes = False
                result = work(db)
                db.execute("COMMIT")
            except BaseException as error:
                _undo(db)
                self._log_has_holes |= safe and isinstance(error, apsw.IOError)
                if isinstance(error, (apsw.Error, OSError, UnicodeDecodeError)):
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

    def vacuum(self) -> None:
        """Write the database anew without its free pages, safely. All other writers wait."""
        self.check()
        with self._checkpointing, self._lock:
            db = self.check()
            try:
                self._locks.queue(_WRITE)
                self._locks.queue(_CHECKPOINT)
                db.execute("PRAGMA synchronous = FULL")
                self._full = True
                db.execute("VACUUM")
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except (apsw.Error, OSError) as error:
                raise store_error(error, self.path) from error
            finally:
                self._locks.leave(_CHECKPOINT)
                self._locks.leave(_WRITE)

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
                    if self._database_has_holes:
                        _write_again(self.path, apsw.SQLITE_OPEN_MAIN_DB)
                        self._database_has_holes = False
                    self._copy_log()
                finally:
                    self._locks.give_back(_CHECKPOINT)
        except (apsw.Error, OSError, StoreError) as error:
            # What was committed is in the log, so nothing is lost but time.
            self._log_has_holes |= isinstance(error, apsw.IOError)
            self._database_has_holes |= isinstance(error, apsw.IOError)
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


def _write_again(path: Path, kind: int) -> None:
    """Write a file over itself and sync it, while nobody else writes to it."""
    file = apsw.VFSFile("", os.fspath(path), [kind | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        size = file.xFileSize()
        for offset in range(0, size, _CHUNK):
            file.xWrite(file.xRead(min(_CHUNK, size - offset), offset), offset)
        file.xSync(apsw.SQLITE_SYNC_FULL)
    finally:
        file.xClose()


def _undo(db: apsw.Connection) -> None:
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except apsw.Error:
        pass  # SQLite has rolled back already

"""Who drives which run: a lock of the operating system for each, and a row that says who took it and how often."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.errors import LeaseLost, RunLocked, RunNotFound, StoreError
from penstock.store.base import Holder, Lease
from penstock.store.sqlite.connection import Reader, Row, store_error
from penstock.store.sqlite.locks import LockFile
from penstock.store.sqlite.writer import Writer

LEASE_LOCK = "lease.lock"


class SQLiteLease:
    """The right to drive one run of a SQLiteStore."""

    def __init__(self, leases: Leases, run_id: str, number: int, token: int) -> None:
        self.run_id = run_id
        self.token = token
        self.number = number
        self.lock = threading.Lock()
        """Held by whoever writes under this lease: a batch is chained to the one before."""
        self.tip: tuple[int, bytes] | None = None
        """Number and checksum of the last batch; None if they are to be looked up."""
        self._leases = leases

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._leases.release(self)


class Leases:
    """The leases of one store."""

    def __init__(self, locks: LockFile, reader: Reader, writer: Writer, sql: dict[str, str]) -> None:
        self._locks = locks
        self._reader = reader
        self._writer = writer
        self._sql = sql
        self._held: dict[str, SQLiteLease] = {}

    def acquire(self, run_id: str, number: int) -> SQLiteLease:
        """A new lease. RunLocked if somebody alive has one."""
        values = (number, os.getpid(), os.uname().nodename, time.time())
        query = self._sql["lease"]
        self._lock(run_id, number)
        try:
            rows: list[Row] = self._writer.commit(lambda db: db.execute(query, values).fetchall())
            if not rows:
                raise RunNotFound(f"run {run_id} was deleted")
        except BaseException:
            self._locks.give_back(number)
            raise
        lease = self._held[run_id] = SQLiteLease(self, run_id, number, rows[0][0])
        return lease

    def release(self, lease: SQLiteLease) -> None:
        """Give a lease back, if it still is one."""
        with lease.lock:
            if self._held.get(lease.run_id) is not lease:
                return
            del self._held[lease.run_id]
            try:
                self._writer.commit(lambda db: db.execute(self._sql["release"], (lease.number, lease.token)))
            except StoreError:
                pass  # the row is for show: what counts is the lock
            finally:
                self._locks.give_back(lease.number)

    def own(self, lease: Lease) -> SQLiteLease:
        """The lease, if it is one of this store that was not given back; LeaseLost otherwise."""
        own = self._held.get(lease.run_id)
        if own is not lease:
            raise lost(lease)
        return own

    def holder(self, run_id: str, number: int) -> Holder | None:
        """Who has the lease of a run."""
        pid = self._locks.owner(number)
        if pid is None:
            return None
        row = self._reader.row(self._sql["holder"], number)
        return Holder(*row) if row else Holder(pid, os.uname().nodename, time.time())  # he has yet to sign

    @contextmanager
    def nobody(self, run_id: str, number: int) -> Iterator[None]:
        """Keep a run from being driven meanwhile. RunLocked if it is."""
        self._lock(run_id, number)
        try:
            yield
        finally:
            self._locks.give_back(number)

    def close(self) -> None:
        """Give every lease back, without a note."""
        while self._held:
            self._locks.give_back(self._held.popitem()[1].number)

    def _lock(self, run_id: str, number: int) -> None:
        while not self._take(number):
            holder = self.holder(run_id, number)
            if holder is not None:
                since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
                raise RunLocked(
                    f"run {run_id} has been driven by process {holder.pid} on {holder.host} since {since}: "
                    "wait for its end, or cancel it"
                )

    def _take(self, number: int) -> bool:
        try:
            return self._locks.take(number)
        except OSError as error:
            raise store_error(error, self._reader.path.with_name(LEASE_LOCK)) from error


def lost(lease: Lease) -> LeaseLost:
    """The error for a write under a lease that counts no more."""
    return LeaseLost(f"run {lease.run_id} is not driven under lease {lease.token} any more: nothing is written")

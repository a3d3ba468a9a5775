"""Who drives which run: a lock of the operating system for each, and a row that says who took it and how often."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from penstock.errors import LeaseLost, RunLocked, RunNotFound, StoreError
from penstock.store.base import Holder, Lease
from penstock.store.sqlite.connection import Reader, Row, store_error
from penstock.store.sqlite.locks import LockFile
from penstock.store.sqlite.pools import Pools
from penstock.store.sqlite.wake import heard_at
from penstock.store.sqlite.writer import Writer

LEASE_LOCK = "lease.lock"


class SQLiteLease:
    """The right to drive one run of a SQLiteStore."""

    def __init__(self, leases: Leases, run_id: str, number: int, token: int) -> None:
        self.run_id = run_id
        self.token = token
        self.lost = False
        """See `Lease.lost`. Here nobody can take a run whose driver lives, but where somebody has removed the file of
        locks; `append` finds that out and nothing else, so that no listener need be woken."""
        self.number = number
        self.lock = threading.Lock()
        """Held by whoever writes under this lease: a batch is chained to the one before."""
        self.tip: tuple[int, bytes] | None = None
        """Number and checksum of the last batch; None if they are to be looked up."""
        self.doubtful: tuple[bytes, int, bytes] | None = None
        """Of a batch whose commit has failed, and which may be on record all the same: the checksum before it, its
        number and its checksum."""
        self._leases = leases

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._leases.release(self)


class Leases:
    """The leases of one store."""

    def __init__(
        self,
        locks: LockFile,
        reader: Reader,
        writer: Writer,
        sql: dict[str, str],
        pipe: Callable[[int], Path],
        pools: Pools,
    ) -> None:
        self._locks = locks
        self._reader = reader
        self._writer = writer
        self._sql = sql
        self._pipe = pipe
        self._pools = pools
        self._held: dict[str, SQLiteLease] = {}

    def acquire(self, run_id: str, number: int) -> SQLiteLease:
        """A new lease. RunLocked if somebody alive has one."""
        self._lock(run_id, number)
        try:
            rows = self._writer.commit(lambda db: self._sign(db, number))
            if not rows:
                raise RunNotFound(f"run {run_id} was deleted")
        except BaseException:
            self._locks.give_back(number)
            raise
        return self._given(run_id, number, rows)

    def create(self, run_id: str, insert: Callable[[apsw.Connection], int]) -> SQLiteLease:
        """The first lease of a run, which `insert` puts on record, giving its number: both in one transaction, so that
        whoever sees the run sees it driven."""
        locked: list[int] = []

        def work(db: apsw.Connection) -> list[Row]:
            number = insert(db)
            if not self._take(number):  # as for a moment after another process failed to create a run of this number
                raise StoreError(f"run {run_id} cannot be created, since its lock is in use: try again")
            locked.append(number)
            return self._sign(db, number)

        try:
            rows = self._writer.commit(work, safe=True)
        except BaseException:
            for number in locked:
                self._locks.give_back(number)
            raise
        return self._given(run_id, locked[0], rows)

    def _sign(self, db: apsw.Connection, number: int) -> list[Row]:
        signature = (number, os.getpid(), os.uname().nodename, time.time())
        return db.execute(self._sql["lease"], signature).fetchall()

    def _given(self, run_id: str, number: int, rows: list[Row]) -> SQLiteLease:
        lease = self._held[run_id] = SQLiteLease(self, run_id, number, rows[0][0])
        return lease

    def release(self, lease: SQLiteLease) -> None:
        """Give a lease back, if it still is one."""

        def write(db: apsw.Connection) -> tuple[int, ...]:
            db.execute(self._sql["release"], (lease.number, lease.token))
            return self._pools.let_go(db, lease.number, lease.token)

        with lease.lock:
            if self._held.get(lease.run_id) is not lease:
                return
            del self._held[lease.run_id]
            waiting: tuple[int, ...] = ()
            try:
                waiting = self._writer.commit(write)
            except StoreError:
                pass  # the rows are for show: what counts is the lock
            finally:
                self._locks.give_back(lease.number)
        self._pools.poke(waiting)

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
        # Without a row, he has yet to sign.
        owner, host, since = row if row is not None else (pid, os.uname().nodename, time.time())
        return Holder(owner, host, since, max(since, heard_at(self._pipe(number)) or since))

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

"""Who drives which run.

A lease is two things: a lock that the keeper's session holds in the server, which the server frees when that session
ends with its process or machine, and a row with a heartbeat by the server's clock. A run is taken from its driver only
when the lock is free *and* the heartbeat has been silent for the driver's own period, or when it was given back. So a
process that is stopped or hangs keeps its run while its session lives, and one whose connection broke has a period to
take up its locks again in a new session. Clocks of the drivers' machines do not matter.

None of this is exact: that a driver which was too late writes nothing is the work of the token, which every append
compares under a lock on the row.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from psycopg import OperationalError, errors

from penstock.errors import LeaseLost, RunLocked, StoreError
from penstock.store.base import Holder, Lease, RunRow
from penstock.store.lookup import given_twice
from penstock.store.postgres.connection import Connection, execute, storable
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.postgres.keeper import Keeper
from penstock.store.postgres.logical_times import taking_its_time
from penstock.store.postgres.pools import Pools

_TRIES, _A_MOMENT = 100, 0.01


class PostgresLease:
    """The right to drive one run of a PostgresStore."""

    def __init__(self, leases: Leases, run_id: str, number: int, token: int) -> None:
        self.run_id = run_id
        self.token = token
        self.lost = False
        self.number = number
        self.locked = True
        """Whether the keeper's session has the lock on the run, as far as is known."""
        self.lock = threading.Lock()
        """Held by whoever writes under this lease: a batch is chained to the one before."""
        self.tip: tuple[int, bytes] | None = None
        """Number and checksum of the last batch; None if they are to be looked up."""
        self.doubtful: tuple[bytes, int, bytes] | None = None
        """Of a batch whose commit has failed, and which may be on record all the same: the checksum before it, its
        number and its checksum."""
        self.claimed: set[str] = set()
        """The pools to whose slots this lease has laid claim."""
        self._leases = leases

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._leases.release(self)


class Leases:
    """The leases of one store. A duty of the keeper."""

    def __init__(self, pool: ConnectionPool, keeper: Keeper, pools: Pools, wake: Callable[[int], None]) -> None:
        self._period = pool.address.lease
        self.every = self._period / 3
        self._pool = pool
        self._pools = pools
        self._keeper = keeper
        keeper.assume(self)
        self._key = pool.address.key
        self._wake = wake
        self._lock = threading.Lock()
        self._held: dict[str, PostgresLease] = {}

    # --- Taking and giving back

    def acquire(self, run_id: str, find: Callable[[str], int]) -> PostgresLease:
        """A new lease. RunLocked if somebody alive has one."""
        for _ in range(_TRIES):
            number = find(run_id)
            lease = self._try(run_id, number)
            if lease is not None:
                return lease
            holder = self.holder(number)
            if holder is not None:
                since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
                raise RunLocked(
                    f"run {run_id} has been driven by process {holder.pid} on {holder.host} since {since}: "
                    "wait for its end, or cancel it"
                )
            time.sleep(_A_MOMENT)  # somebody else is taking it, or giving it back
        raise RunLocked(f"run {run_id} is being taken over by another process: try again")

    def _try(self, run_id: str, number: int) -> PostgresLease | None:
        with self._keeper.session() as db:
            if run_id in self._held:
                raise RunLocked(f"run {run_id} is being driven already, by this process")
            [(token, _)] = execute(db, "lease", self._key, number, *self._signature())
            return None if token is None else self._given(run_id, number, token)

    def start(self, run: RunRow, values: list[object]) -> PostgresLease:
        """Put a run on record, with its first lease: whoever sees the run sees it driven.

        When the connection is lost under it, it is tried once more, and finds what the first try has done: or else a
        run would wait for whoever takes it over, of which its caller was told that it could not be started."""
        try:
            return self._start(run, values)
        except StoreError as error:
            if not isinstance(error.__cause__, OperationalError):
                raise
        return self._start(run, values, again=True)

    def _start(self, run: RunRow, values: list[object], *, again: bool = False) -> PostgresLease:
        signature = self._signature()
        with self._keeper.session() as db:
            try:
                with taking_its_time(db, self._key, run):
                    [(number, locked)] = execute(db, "start_run", *values, *signature)
            except (errors.UniqueViolation, StoreError) as error:
                found = execute(db, "started", *storable(run.id), *signature[:2]) if again else []
                if not found:
                    raise given_twice(run.id) from error
                [(number,)] = found
                locked = execute(db, "lock", self._key, number)[0][0]
            lease = self._given(run.id, number, 1)
            lease.locked = locked
            return lease

    def _signature(self) -> list[object]:
        return storable(os.getpid(), os.uname().nodename, self._period)

    def _given(self, run_id: str, number: int, token: int) -> PostgresLease:
        lease = PostgresLease(self, run_id, number, token)
        with self._lock:
            self._held[run_id] = lease
        return lease

    def release(self, lease: PostgresLease, tries: int = 2) -> None:
        """Give a lease back, if it still is one."""
        if not self._pool.is_open():
            return  # or this is a fork: then it is for the parent to do
        with lease.lock:
            if not self._forget(lease):
                return
            with suppress(StoreError):  # what is left of it does not count, once the lease is given back
                self._pools.let_go(lease.number, lease.claimed)
            for _ in range(tries):
                try:
                    with self._keeper.session() as db:
                        execute(db, "release", self._key, lease.number, lease.token)
                    return
                except StoreError:
                    pass  # the session was given up, and the lock with it; if need be, the heartbeat runs out

    def close(self) -> None:
        """Give every lease back."""
        for lease in self._all():
            self.release(lease, tries=1)

    # --- What is known of leases

    def own(self, lease: Lease) -> PostgresLease:
        """The lease, if it is one of this store that was neither given back nor lost; LeaseLost otherwise."""
        own = self._held.get(lease.run_id)
        if own is not lease:
            raise lost(lease)
        return own

    def number(self, run_id: str) -> int | None:
        """The number of a run that is driven under a lease of this store."""
        lease = self._held.get(run_id)
        return lease.number if lease is not None else None

    def holder(self, number: int) -> Holder | None:
        """Who has the lease of a run."""
        rows = self._pool.read("holder", self._key, number)
        return Holder(*rows[0]) if rows else None

    def lose(self, lease: PostgresLease) -> None:
        """An append has found that somebody else took the run."""
        try:
            with self._keeper.session() as db:
                self._lose(db, lease)
        except StoreError:
            pass  # the session was given up, and finds out again

    # --- Duty of the keeper, which sees to it that one thread at a time is here

    def wanted(self) -> bool:
        """Whether any lease is held."""
        return bool(self._held)

    def begin(self, db: Connection) -> None:
        """Take the locks again in a new session."""
        for lease in self._all():
            lease.locked = False
        self.renew(db)

    def renew(self, db: Connection) -> None:
        """The heartbeat. It also shows which leases are lost, and takes the locks that this session could not take when
        it began, e.g. since the server had yet to find out that the one before was gone."""
        held = self._all()
        if not held:
            return
        rows = execute(db, "beat", [lease.number for lease in held], [lease.token for lease in held])
        ours = {number for (number,) in rows}
        for lease in held:
            if lease.number not in ours:
                self._lose(db, lease)
        free = [lease for lease in held if lease.number in ours and not lease.locked]
        if free:
            locked: dict[int, bool] = dict(execute(db, "lock_again", self._key, [lease.number for lease in free]))
            for lease in free:
                lease.locked = locked[lease.number]

    def _lose(self, db: Connection, lease: PostgresLease) -> None:
        if self._forget(lease):
            lease.lost = True
            self._wake(lease.number)
            if lease.locked:
                execute(db, "unlock", self._key, lease.number)

    def _forget(self, lease: PostgresLease) -> bool:
        """Hold a lease no more; whether it was held."""
        with self._lock:
            if self._held.get(lease.run_id) is not lease:
                return False
            del self._held[lease.run_id]
            return True

    def _all(self) -> list[PostgresLease]:
        with self._lock:
            return list(self._held.values())


def lost(lease: Lease) -> LeaseLost:
    """The error for a write under a lease that counts no more."""
    return LeaseLost(f"run {lease.run_id} is not driven under lease {lease.token} any more: nothing is written")

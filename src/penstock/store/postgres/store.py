"""The store in a PostgreSQL database, for drivers on any number of machines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from penstock.engine.events import Event
from penstock.errors import LeaseLost, RunLocked
from penstock.store.base import Claim, Holder, Lease, Message, Pool, PoolUse, RunChange, RunRow
from penstock.store.postgres.address import LEASE, read_url
from penstock.store.postgres.connection import execute, refuse_transaction_pooling, storable
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.postgres.journal import read_batches, write_batch
from penstock.store.postgres.keeper import Keeper
from penstock.store.postgres.leases import Leases, PostgresLease, lost
from penstock.store.postgres.listener import Listeners, PostgresListener
from penstock.store.postgres.pools import Pools
from penstock.store.postgres.rows import not_found
from penstock.store.postgres.schedules import Schedules
from penstock.store.postgres.schema import prepare
from penstock.store.postgres.upkeep import PLANS, PostgresUpkeep
from penstock.store.records import encode_events
from penstock.store.slots import Stake


class PostgresStore(Schedules):
    """Keeps runs in the database of a URL, in the schema "penstock" or the one that `penstock_schema=` in it names.

    `lease` is after how many seconds of silence a driver's run may be taken over, once its session with the server has
    ended too; `penstock_lease=` in the URL outweighs it. The schema and its tables are made if they are not there.

    StoreError if the server cannot be reached or cannot hold a store, StoreCorrupt for a schema of another program or
    of a newer Penstock. A forked child must open a store of its own.
    """

    durable = True
    always_safe = True  # every session commits to the server's disk

    def __init__(self, url: str, *, lease: float = LEASE) -> None:
        address = read_url(url, lease)
        self._key = address.key
        self._channel = address.channel
        self._pid = os.getpid()
        with ExitStack() as opened:
            self._pool = ConnectionPool(address)
            opened.callback(self._pool.close)
            with self._pool.connection() as db:
                refuse_transaction_pooling(db, address)
                prepare(db, address)
            self._listeners = Listeners(address.channel)
            self._keeper = Keeper(self._pool, self._listeners.hear)
            opened.callback(self._keeper.close)
            self._keeper.assume(self._listeners)
            self._pools = Pools(self._pool)
            self._leases = Leases(self._pool, self._keeper, self._pools, self._listeners.poke)
            opened.callback(self._leases.close)
            self.upkeep = PostgresUpkeep(self._pool, self._pools)
            self._opened = opened.pop_all()

    @property
    def identity(self) -> str:
        """What tells this store from all others, wherever its database moves."""
        [(identity,)] = self._pool.read("identity")
        return f"postgresql {identity}"

    # --- Journal

    def append(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        change: RunChange | None = None,
        taken: Sequence[int] = (),
        safe: bool = False,
    ) -> None:
        """Write a batch; see `Store.append`. It is safe in any case."""
        self._pool.check()  # before a lock that a fork may have left locked for ever
        own = self._leases.own(lease)
        body = encode_events(events)
        try:
            with own.lock:
                write_batch(self._pool, own, body, change, taken)
        except LeaseLost:
            self._leases.lose(own)
            raise

    def sync(self) -> None:
        """Nothing to do: what was written is safe."""
        self._pool.check()

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The batches of a run after one of them; see `Store.read`."""
        return read_batches(self._pool, run_id, self._number(run_id), after)

    # --- Leases

    def acquire(self, run_id: str) -> PostgresLease:
        """Become the driver of a run. RunLocked if somebody lives who is."""
        return self._leases.acquire(run_id, self._number)

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run now; None if nobody alive does."""
        return self._leases.holder(self._number(run_id))

    # --- Inbox

    def post(self, run_id: str, kind: str, body: str = "{}") -> None:
        """Put a message into a run's inbox and wake its driver."""
        self._put(run_id, "post", self._channel, *storable(run_id, kind, body))

    def messages(self, run_id: str) -> list[Message]:
        """What is in the inbox, oldest first."""
        return [Message(*row) for row in self._pool.read("messages", self._number(run_id))]

    def listen(self, run_id: str) -> PostgresListener:
        """A place to sleep for the driver of a run."""
        return self._listeners.listen(self._number(run_id), self._keeper)

    # --- History

    def start_run(self, run: RunRow, plan: bytes) -> PostgresLease:
        """Put a new run on record with its plan and become its driver, in one step."""
        return self._leases.start(run, self._new(run, plan))

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its journal, and plans that only this run followed. RunLocked while it is driven."""
        number = self._number(run_id)
        with self._pool.connection() as db, db.transaction():
            execute(db, "lock_plans", self._key, PLANS)
            locked = execute(db, "lock_to_delete", self._key, number)[0][0]
            free = execute(db, "free", number)
            if not free:
                raise not_found(run_id)
            if not (locked and free[0][0]):
                raise RunLocked(f"run {run_id} is being driven: cancel it, or wait for its end")
            plans = [plan for (plan,) in execute(db, "plans_of", number)]
            execute(db, "delete_journal", number)
            execute(db, "delete_run", number)
            execute(db, "delete_plans", plans)

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        self._pools.set(name, slots)

    def delete_pool(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        self._pools.delete(name)

    def pools(self) -> list[Pool]:
        """The pools on record, by name."""
        return self._pools.all()

    def pool_users(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        return self._pools.uses(name)

    def claim(
        self,
        lease: Lease,
        pool: str,
        wanted: int,
        *,
        used: int = 0,
        capacity: int | None = None,
        priority: int = 0,
    ) -> Claim:
        """Want so many slots of a pool; see `Store.claim`."""
        self._pool.check()  # before a lock that a fork may have left locked for ever
        own = self._leases.own(lease)
        with own.lock:  # so that it is not given back meanwhile
            self._leases.own(lease)
            own.claimed.add(pool)
            claim = self._pools.claim(pool, Stake(own.number, used, wanted, priority, capacity=capacity), own.token)
        if claim is None:
            self._leases.lose(own)
            raise lost(own)
        return claim

    def close(self) -> None:
        """Let go of everything, and give every lease back. In a forked child, this leaves all to the parent."""
        if os.getpid() == self._pid:
            self._opened.close()

    def _number(self, run_id: str) -> int:
        held = self._leases.number(run_id)
        if held is not None:
            return held
        rows = self._pool.read("number", *storable(run_id))
        if not rows:
            raise not_found(run_id)
        number: int = rows[0][0]
        return number

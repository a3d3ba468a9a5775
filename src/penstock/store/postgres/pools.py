"""Pools, and what runs hold and want of them. A run counts as long as its lease does, see leases.py.

Claims to one pool are made one after the other, under an advisory lock: what a transaction reads after it has the lock
is all that was claimed before. They wait for no other writes, and no other writes wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from operator import attrgetter

from penstock.store.base import Claim, Pool, PoolUse
from penstock.store.postgres.connection import Connection, execute, storable
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.slots import Settled, Stake, Standing, gainers, not_found, settle

_FIRST_LOCK = -2
"""The second number of the advisory locks of pools goes down from here: see upkeep.PLANS for -1."""


class Pools:
    """The pools of one store. Runs go by their numbers."""

    def __init__(self, connections: ConnectionPool) -> None:
        self._connections = connections
        self._key = connections.address.key
        self._channel = connections.address.channel

    def set(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        with self._locked(name) as db:
            before, _ = self._standing(db, name)
            execute(db, "set_pool", *storable(name), slots)
            self._poke(db, gainers(before, replace(before, slots=slots)))

    def delete(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        with self._locked(name) as db:
            if not execute(db, "delete_pool", *storable(name)):
                raise not_found(name)
            self._poke(db, [stake.run for stake in self._standing(db, name)[0].living if stake.missing])
            execute(db, "forget_wishes", *storable(name))
            execute(db, "forget_nothings", *storable(name))

    def all(self) -> list[Pool]:
        """The pools on record, by name."""
        with self._connections.connection() as db:
            return [self._standing(db, name)[0].as_pool(name) for (name,) in execute(db, "pools")]

    def uses(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        with self._connections.connection() as db:
            standing, _ = self._standing(db, name)
            ids: dict[int, str] = dict(execute(db, "ids", *storable(name)))
        return standing.uses(lambda run: ids.get(run, ""))

    def claim(self, pool: str, wish: Stake[int], token: int) -> Claim | None:
        """What comes of a wish; None if the lease with this token is not the newest of its run."""
        with self._connections.connection() as db:
            settled = self._settled(db, pool, wish, token)
        if settled is not None and settled.changed:  # else nothing is to be written, as for one who waits on
            with self._locked(pool) as db:
                settled = self._settled(db, pool, wish, token)
                if settled is not None:
                    self._keep(db, pool, settled, token)
        return None if settled is None else settled.claim

    def let_go(self, number: int, names: Iterable[str]) -> None:
        """Free all that a run holds of some pools."""
        for name in names:
            with self._locked(name) as db:
                before, _ = self._standing(db, name)
                execute(db, "forget_stakes", *storable(name), [number])
                self._poke(db, gainers(before, before.without(number)))

    def leftovers(self, *, remove: bool) -> int:
        """How many claims are of dead drivers. With `remove` they are gone afterwards."""
        with self._connections.connection() as db:
            names = [name for (name,) in execute(db, "claimed_pools")]
        return sum(self._leftovers_of(name, remove) for name in names)

    def _leftovers_of(self, name: str, remove: bool) -> int:
        with self._locked(name) as db:
            dead = [stake.run for stake in self._standing(db, name)[0].dead]
            if remove:
                execute(db, "forget_stakes", *storable(name), dead)
            return len(dead)

    def _settled(self, db: Connection, pool: str, wish: Stake[int], token: int) -> Settled[int] | None:
        if not execute(db, "drives", wish.run, token):
            return None
        standing, now = self._standing(db, pool)
        return settle(pool, standing, replace(wish, since=now))

    def _keep(self, db: Connection, pool: str, settled: Settled[int], token: int) -> None:
        mine = settled.stake
        gone = [stake.run for stake in settled.dead] + ([] if mine.wanted else [mine.run])
        if gone:
            execute(db, "forget_stakes", *storable(pool), gone)
        if mine.wanted:
            execute(db, "keep_stake", *storable(pool), token, *_stake(mine))
        self._poke(db, settled.poke)

    def _standing(self, db: Connection, pool: str) -> tuple[Standing[int], float]:
        """And the server's time."""
        rows = execute(db, "standing", *storable(pool), self._key)
        standing: Standing[int] = Standing(rows[0][0], [])
        for _, run, *values, lives, _ in rows:
            if run is not None:
                (standing.living if lives else standing.dead).append(Stake(run, *values))
        return standing, rows[0][-1]

    def _poke(self, db: Connection, runs: Iterable[int]) -> None:
        runs = list(runs)
        if runs:
            execute(db, "wake", self._channel, runs)

    @contextmanager
    def _locked(self, pool: str) -> Iterator[Connection]:
        number = int.from_bytes(blake2b(storable(pool)[0].encode(), digest_size=4).digest()) % 0x7FFFFFFD
        with self._connections.connection() as db, db.transaction():
            execute(db, "lock_pool", self._key, _FIRST_LOCK - number)
            yield db


_stake = attrgetter("run", "held", "wanted", "priority", "place", "since", "capacity")

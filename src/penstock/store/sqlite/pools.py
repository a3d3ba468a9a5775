"""Pools, and what runs hold and want of them. A run counts as long as the lock of its lease is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import apsw

from penstock.store.base import Claim, Pool, PoolUse
from penstock.store.slots import Settled, Stake, Standing, gainers, not_found, settle
from penstock.store.sqlite.connection import Reader, Row, storable, typed
from penstock.store.sqlite.locks import LockFile
from penstock.store.sqlite.wake import wake
from penstock.store.sqlite.writer import Writer

Query = Callable[..., list[Row]]
"""Gives the rows of a statement: of the reader's, or within a transaction."""


class Pools:
    """The pools of one store. Runs go by their numbers."""

    def __init__(
        self, locks: LockFile, reader: Reader, writer: Writer, sql: dict[str, str], pipe: Callable[[int], Path]
    ) -> None:
        self._locks = locks
        self._reader = reader
        self._writer = writer
        self._sql = sql
        self._pipe = pipe

    def set(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""

        def write(db: apsw.Connection) -> tuple[int, ...]:
            query = _within(db)
            before = self._standing(query, name)
            query(self._sql["set_pool"], name, slots)
            return gainers(before, replace(before, slots=slots))

        self.poke(self._writer.commit(write, safe=True))

    def delete(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""

        def write(db: apsw.Connection) -> list[int]:
            query = _within(db)
            query(self._sql["delete_pool"], name)
            if not db.changes():
                raise not_found(name)
            waiting = [stake.run for stake in self._standing(query, name).living if stake.missing]
            query(self._sql["forget_wishes"], name)
            query(self._sql["forget_nothings"], name)
            return waiting

        self.poke(self._writer.commit(write, safe=True))

    def all(self) -> list[Pool]:
        """The pools on record, by name."""
        query = self._reader.rows
        return [self._standing(query, name).as_pool(name) for (name,) in query(self._sql["pools"])]

    def uses(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        standing = self._standing(self._reader.rows, name)
        ids: dict[int, str] = dict(self._reader.rows(self._sql["ids"], name))
        return standing.uses(lambda run: ids.get(run, ""))

    def claim(self, pool: str, wish: Stake[int], token: int) -> Claim | None:
        """What comes of a wish; None if the lease with this token is not the newest of its run."""
        settled = self._settled(self._reader.rows, pool, wish, token)
        if settled is not None and settled.changed:  # else nothing is to be written, as for one who waits on
            settled = self._writer.commit(lambda db: self._keep(_within(db), pool, wish, token))
        if settled is None:
            return None
        self.poke(settled.poke)
        return settled.claim

    def _keep(self, query: Query, pool: str, wish: Stake[int], token: int) -> Settled[int] | None:
        settled = self._settled(query, pool, wish, token)
        if settled is not None:
            for stake in settled.dead:
                query(self._sql["forget_stake"], pool, stake.run)
            if settled.stake.wanted:
                query(self._sql["keep_stake"], pool, token, *_stake(settled.stake))
            else:
                query(self._sql["forget_stake"], pool, wish.run)
        return settled

    def _settled(self, query: Query, pool: str, wish: Stake[int], token: int) -> Settled[int] | None:
        if not query(self._sql["is_newest"], wish.run, token):
            return None
        return settle(pool, self._standing(query, pool), wish)

    def let_go(self, db: apsw.Connection, number: int, token: int) -> tuple[int, ...]:
        """Free all that a run holds under a lease, in a transaction: the runs to poke afterwards."""
        query = _within(db)
        poke: list[int] = []
        for (pool,) in query(self._sql["pools_of"], number, token):
            before = self._standing(query, pool)
            poke += gainers(before, before.without(number))
            query(self._sql["forget_stake"], pool, number)
        return tuple(poke)

    def leftovers(self, *, remove: bool) -> int:
        """How many claims are of dead drivers. With `remove` they are gone afterwards."""
        query = self._reader.rows
        dead = [
            (pool, stake.run)
            for (pool,) in query(self._sql["claimed_pools"])
            for stake in self._standing(query, pool).dead
        ]
        if dead and remove:
            self._writer.commit(lambda db: self._forget_dead(_within(db), {pool for pool, _ in dead}))
        return len(dead)

    def _forget_dead(self, query: Query, pools: Iterable[str]) -> None:
        for pool in pools:
            for stake in self._standing(query, pool).dead:
                query(self._sql["forget_stake"], pool, stake.run)

    def poke(self, runs: Iterable[int]) -> None:
        """Wake the drivers of runs."""
        for run in runs:
            wake(self._pipe(run))

    def _standing(self, query: Query, pool: str) -> Standing[int]:
        slots = query(self._sql["pool"], pool)
        standing: Standing[int] = Standing(slots[0][0] if slots else None, [])
        for *values, is_newest in query(self._sql["stakes"], pool):
            stake = Stake(*typed(tuple(values), _STAKE, "claim"))
            lives = is_newest and self._locks.owner(stake.run) is not None
            (standing.living if lives else standing.dead).append(stake)
        return standing


_STAKE = (*((int,),) * 5, (float, type(None)), (int, type(None)))
_stake = attrgetter("run", "held", "wanted", "priority", "place", "since", "capacity")


def _within(db: apsw.Connection) -> Query:
    return lambda statement, *values: db.execute(statement, storable(*values)).fetchall()

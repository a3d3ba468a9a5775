"""Looking after a store in a database: is it whole, and what can go."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.store.postgres.connection import execute
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.postgres.pools import Pools
from penstock.store.upkeep import DEAD_CLAIMS, decided_wrongly

PLANS = -1
"""The second number of the advisory lock under which plans are deleted; runs count from 1."""


class PostgresUpkeep:
    """See `Upkeep`. Whether the database's own files are whole is for PostgreSQL's tools to say, such as pg_amcheck."""

    def __init__(self, pool: ConnectionPool, pools: Pools) -> None:
        self._pool = pool
        self._pools = pools

    def faults(self) -> Iterator[str]:
        """Rows that refer to what is not there."""
        for (number,) in self._pool.read("stray_journals"):
            yield f"there is a journal of run number {number}, which is not on record: its row was lost"
        for (run_id,) in self._pool.read("leaseless_runs"):
            yield f"run {run_id} has no row for its lease, so that nobody can drive it: the row was lost"
        for run_id, plan in self._pool.read("planless_runs"):
            yield f"run {run_id} began with plan {plan}, which it is not noted to follow: the note was lost"
        yield from decided_wrongly(self._pool.read("late_cursors"), self._pool.read("tickless_runs"))

    def leftovers(self, *, remove: bool = False) -> dict[str, int]:
        """Plans that nobody needs, and claims of the dead."""
        with self._pool.connection() as db, db.transaction():
            execute(db, "lock_plans", self._pool.address.key, PLANS)
            plans = [plan for (plan,) in execute(db, "unfollowed_plans")]
            if remove:
                execute(db, "delete_plans", plans)
        found = {"plan that no run follows": len(plans), DEAD_CLAIMS: self._pools.leftovers(remove=remove)}
        return {name: number for name, number in found.items() if number}

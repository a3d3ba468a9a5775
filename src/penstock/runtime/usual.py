"""What a run of a workflow takes, by its last runs: how long, and how many slots of which pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

from penstock.engine.events import MapExpanded
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.runtime.durations import learned
from penstock.runtime.limits import concurrency_pool
from penstock.runtime.pools import sizes
from penstock.store.base import RunRow, Store

_LOOKED_AT = 9
"""Of so many runs the median length is taken."""


class Usual:
    """See the module's text."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.pools = sizes(store)
        """How many slots each pool has; also those of tasks of which only so many run at once, once these were met."""

    def length(self, workflow: str) -> float | None:
        """How many seconds a run takes: the median of the last that succeeded; None if none has."""
        return _length(self._last(workflow))

    def slots(self, workflow: str) -> Mapping[str, float]:
        """How many slots of each pool a run holds on average while it goes on, by how long its tasks took. Empty if no
        run has succeeded."""
        rows = self._last(workflow)
        length = _length(rows)
        if not length:
            return {}
        plan = decode(self._store.plan(rows[0].plan))
        takers = [*self._takers(plan)]
        seconds = learned(self._store, plan, rows[0].plan) if takers else ()
        widths = self._widths(rows[0].id) if any(row in plan.mapped for row, _, _ in takers) else {}
        work: dict[str, float] = {}
        for row, pool, slots in takers:
            times = widths.get(plan.mapped[row], 1) if row in plan.mapped else 1
            took = seconds[row] if seconds and not isnan(seconds[row]) else 0.0
            work[pool] = work.get(pool, 0.0) + took * times * slots
        return {pool: self._held(pool, total / length) for pool, total in work.items()}

    def _last(self, workflow: str) -> list[RunRow]:
        return self._store.runs(workflow, states=("success",), limit=_LOOKED_AT)

    def _takers(self, plan: Plan) -> Iterator[tuple[int, str, int]]:
        """The tasks that take slots, of what, and how many."""
        for row, policy in enumerate(plan.policies):
            if policy.pool is not None:
                yield row, policy.pool, policy.pool_slots or 1
            if policy.concurrency is not None:
                name = concurrency_pool(plan, row)
                self.pools[name] = policy.concurrency
                yield row, name, 1

    def _widths(self, run_id: str) -> dict[int, int]:
        """How many instances the maps of a run had."""
        return {
            event.task: event.width
            for _, events in self._store.read(run_id)
            for event in events
            if isinstance(event, MapExpanded)
        }

    def _held(self, pool: str, slots: float) -> float:
        """No more than there are, or it would never run; but where there are none, it never does."""
        size = self.pools.get(pool)
        return slots if size is None else min(slots, size) if size else 1.0


def _length(rows: list[RunRow]) -> float | None:
    took = sorted(row.ended_at - row.started_at for row in rows if row.started_at and row.ended_at)
    return max(0.0, took[len(took) // 2]) if took else None

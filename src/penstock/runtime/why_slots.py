"""For which slots tasks wait that are ready: of which pool, who has them, and who waits ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.engine.priorities import ranks
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.codec import encode
from penstock.plan.fingerprint import fingerprint
from penstock.runtime.durations import learned
from penstock.runtime.limits import concurrency_pool
from penstock.store.base import PoolUse, Store

_MOST_RUNS = 3


class SlotWaits:
    """Says of tasks of a run that goes on, and that are ready, for which slots they wait, as the store has it now."""

    def __init__(self, store: Store, engine: RunEngine) -> None:
        self._store = store
        self._engine = engine
        self._known: dict[str, list[PoolUse]] = {}
        self._found: dict[tuple[str, TaskState], list[tuple[int, int]]] = {}
        self._ranks: Sequence[float] = ()

    def __call__(self, slot: int) -> str:
        """The rest of a sentence that begins with "it waits"; "" if it is not for a slot that it waits."""
        for pool, need in self._needs(slot):
            own = next((use for use in self._uses(pool) if use.run_id == self._engine.run_id), None)
            if own is None or own.wanted > own.granted or own.granted - self._used(pool) < need:
                return f"{self._for_what(slot, pool, need)}; {self._who(pool)}{self._ahead(slot, pool)}"
        return ""

    def _needs(self, slot: int) -> Iterator[tuple[str, int]]:
        policy = self._engine.policy(slot)
        if policy.concurrency is not None:
            yield concurrency_pool(self._engine.plan, self._engine.row(slot)), 1
        if policy.pool is not None:
            yield policy.pool, policy.pool_slots or 1

    def _uses(self, pool: str) -> list[PoolUse]:
        if pool not in self._known:
            self._known[pool] = self._store.pool_users(pool)
        return self._known[pool]

    def _those(self, pool: str, state: TaskState) -> list[tuple[int, int]]:
        """Tasks in a state that take of a pool, and how much."""
        if (pool, state) not in self._found:
            slots = [slot for slot, one in enumerate(self._engine.states) if one == state]
            found = [(slot, need) for slot in slots for name, need in self._needs(slot) if name == pool]
            self._found[pool, state] = found
        return self._found[pool, state]

    def _used(self, pool: str) -> int:
        return sum(need for _, need in self._those(pool, TaskState.RUNNING))

    def _for_what(self, slot: int, pool: str, need: int) -> str:
        policy = self._engine.policy(slot)
        if pool != policy.pool:
            return f"until fewer of it run, in all runs: its concurrency is {policy.concurrency:,}"
        slots = "a slot" if need == 1 else f"{need:,} slots"
        size = next((known.slots for known in self._store.pools() if known.name == pool), None)
        if size is None:
            return f"for {slots} of pool '{pool}', which is there no more: penstock pool set {pool} SLOTS"
        return f"for {slots} of pool '{pool}', which has {size:,}"

    def _who(self, pool: str) -> str:
        """Who has them."""
        holders = [use for use in self._uses(pool) if use.granted]
        if not holders:
            return "nobody has any"
        told = [f"{self._run(use)} has {use.granted:,}" for use in holders[:_MOST_RUNS]]
        spare = sum(use.granted for use in holders if use.run_id == self._engine.run_id) - self._used(pool)
        if spare > 0:
            told.append(f"{spare:,} of this run's for attempts that were given up and go on, or are about to begin")
        more = sum(use.granted for use in holders[_MOST_RUNS:])
        return ", ".join([*told, f"{len(holders) - _MOST_RUNS:,} more runs have {more:,}"] if more else told)

    def _ahead(self, slot: int, pool: str) -> str:
        """Who waits ahead of it: tasks of its run, and other runs."""
        first = [one for one, _ in self._those(pool, TaskState.READY) if self._key(one) < self._key(slot)]
        uses = self._uses(pool)
        waiting = [use for use in uses if use.wanted > use.granted]
        own = next((place for place, use in enumerate(waiting) if use.run_id == self._engine.run_id), len(waiting))
        told = [f"{len(first):,} {'task' if len(first) == 1 else 'tasks'} of this run"] if first else []
        told += [self._run(use) for use in waiting[: min(own, _MOST_RUNS)]]
        told += [f"{own - _MOST_RUNS:,} more runs"] if own > _MOST_RUNS else []
        return f"; ahead of it: {', '.join(told)}" if told else ""

    def _run(self, use: PoolUse) -> str:
        return "this run" if use.run_id == self._engine.run_id else f"run {use.run_id}"

    def _key(self, slot: int) -> tuple[float, int]:
        """The place of a task in the order of its run, but for who was ready first."""
        plan = self._engine.plan
        if not self._ranks:
            self._ranks = ranks(plan, learned(self._store, plan, fingerprint(encode(plan))))
        return self._ranks[self._engine.row(slot)], slot

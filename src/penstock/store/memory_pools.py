"""The pools of a MemoryStore. Its drivers are threads of this process: none of them dies without its lease."""

from __future__ import annotations

from penstock.store.base import Claim, Pool, PoolUse
from penstock.store.slots import Stake, Standing, gainers, not_found, settle


class MemoryPools:
    """What is on record of pools. Not for several threads at a time. Every method that changes something tells which
    runs have reason to claim again."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._stakes: dict[str, dict[str, Stake[str]]] = {}

    def set(self, name: str, slots: int) -> tuple[str, ...]:
        """Put a pool on record, or give it another number of slots."""
        before = self._standing(name)
        self._slots[name] = slots
        return gainers(before, self._standing(name))

    def delete(self, name: str) -> tuple[str, ...]:
        """Forget a pool, and who waits for its slots."""
        if self._slots.pop(name, None) is None:
            raise not_found(name)
        waiting = [stake for stake in self._standing(name).living if stake.missing]
        for stake in waiting:
            self._keep(name, stake.without_wish())
        return tuple(stake.run for stake in waiting)

    def all(self) -> list[Pool]:
        """The pools on record, by name."""
        return [self._standing(name).as_pool(name) for name in sorted(self._slots)]

    def uses(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        return self._standing(name).uses()

    def claim(self, pool: str, wish: Stake[str]) -> tuple[Claim, tuple[str, ...]]:
        """What comes of a wish."""
        settled = settle(pool, self._standing(pool), wish)
        self._keep(pool, settled.stake)
        return settled.claim, settled.poke

    def let_go(self, run_id: str) -> tuple[str, ...]:
        """Free all that a run holds, and forget what it wants."""
        poke: list[str] = []
        for pool in [pool for pool, stakes in self._stakes.items() if run_id in stakes]:
            before = self._standing(pool)
            poke += gainers(before, before.without(run_id))
            self._keep(pool, Stake(run_id, 0, 0))
        return tuple(poke)

    def _standing(self, pool: str) -> Standing[str]:
        return Standing(self._slots.get(pool), list(self._stakes.get(pool, {}).values()))

    def _keep(self, pool: str, stake: Stake[str]) -> None:
        if stake.wanted:
            self._stakes.setdefault(pool, {})[stake.run] = stake
        elif pool in self._stakes:
            self._stakes[pool].pop(stake.run, None)
            if not self._stakes[pool]:
                del self._stakes[pool]

"""The pools of a simulated store. What a dead driver holds lies there until somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.store.base import Claim, Pool
from penstock.store.slots import Stake, Standing, gainers, not_found, settle


@dataclass(frozen=True, slots=True)
class Held:
    """What is on record of one run in one pool."""

    stake: Stake[str]
    token: int
    """That of the lease under which it was claimed."""


class SimPools:
    """What is on record of pools. Every method that changes something tells which runs are to be poked."""

    def __init__(self, lives: Callable[[str, int], bool]) -> None:
        """`lives` tells whether a run is driven under the lease with a token."""
        self.slots: dict[str, int] = {}
        self.held: dict[str, dict[str, Held]] = {}
        self._lives = lives

    def set(self, name: str, slots: int) -> tuple[str, ...]:
        """Put a pool on record."""
        before = self.standing(name)
        self.slots[name] = slots
        return gainers(before, self.standing(name))

    def delete(self, name: str) -> tuple[str, ...]:
        """Forget a pool, and who waits for it."""
        if name not in self.slots:
            raise not_found(name)
        del self.slots[name]
        waiting = [stake for stake in self.standing(name).living if stake.missing]
        for stake in waiting:
            self._keep(name, stake.without_wish(), self.held[name][stake.run].token)
        return tuple(stake.run for stake in waiting)

    def all(self) -> list[Pool]:
        """The pools on record."""
        return [self.standing(name).as_pool(name) for name in sorted(self.slots)]

    def claim(self, pool: str, wish: Stake[str], token: int) -> tuple[Claim, tuple[str, ...]]:
        """What comes of a wish."""
        settled = settle(pool, self.standing(pool), wish)
        for stake in settled.dead:
            del self.held[pool][stake.run]
        self._keep(pool, settled.stake, token)
        return settled.claim, settled.poke

    def let_go(self, run_id: str, token: int) -> tuple[str, ...]:
        """A lease was given back."""
        poke: list[str] = []
        for name, held in self.held.items():
            if run_id in held and held[run_id].token <= token:
                before = self.standing(name)
                poke += gainers(before, before.without(run_id))
                del held[run_id]
        return tuple(poke)

    def standing(self, name: str) -> Standing[str]:
        """How a pool stands."""
        standing: Standing[str] = Standing(self.slots.get(name), [])
        for run_id, held in self.held.get(name, {}).items():
            (standing.living if self._lives(run_id, held.token) else standing.dead).append(held.stake)
        return standing

    def _keep(self, pool: str, stake: Stake[str], token: int) -> None:
        held = self.held.setdefault(pool, {})
        held.pop(stake.run, None)
        if stake.wanted:
            held[stake.run] = Held(stake, token)

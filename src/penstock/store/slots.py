"""Who gets the slots of a pool: the rule that every store follows, each on what it keeps in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, TypeVar

from penstock.errors import PoolNotFound
from penstock.store.base import Claim, Pool, PoolUse

R = TypeVar("R", bound="int | str")
"""What a store knows a run by."""


@dataclass(frozen=True, slots=True)
class Stake(Generic[R]):
    """What one run holds of a pool, and what it wants of it."""

    run: R
    held: int
    wanted: int
    """In all: more than is held by who waits."""
    priority: int = 0
    place: int = 0
    """Of two with the same priority who wait, the one with the lower number is ahead. 0 for who does not wait."""
    since: float | None = None
    """Since when it waits, to be shown: the place does not depend on clocks."""
    capacity: int | None = None
    """How many slots there are, to this run, if the pool is not on record."""

    @property
    def missing(self) -> int:
        """How many slots the run waits for."""
        return self.wanted - self.held

    def without_wish(self) -> Stake[R]:
        """What is held stays; nothing more is wanted."""
        return replace(self, wanted=self.held, place=0, since=None)


@dataclass(frozen=True, slots=True)
class Standing(Generic[R]):
    """How a pool stands."""

    slots: int | None
    """None if the pool is not on record."""
    living: list[Stake[R]]
    """What the runs hold and want that somebody drives."""
    dead: list[Stake[R]] = field(default_factory=list)
    """What is still kept of others, and counts no more."""

    def without(self, run: R) -> Standing[R]:
        """If a run lets go of all."""
        return replace(self, living=[stake for stake in self.living if stake.run != run])

    def joined_by(self, stake: Stake[R]) -> Standing[R]:
        """With one stake more."""
        return replace(self, living=[*self.living, stake])

    def shares(self) -> dict[R, int]:
        """How many of the free slots each run that waits may take: what those ahead do not want."""
        taken = sum(stake.held for stake in self.living)
        found: dict[R, int] = {}
        for stake in sorted((stake for stake in self.living if stake.missing), key=_turn):
            free = (self.slots if self.slots is not None else stake.capacity or 0) - taken
            found[stake.run] = max(0, min(stake.missing, free))
            taken += stake.missing
        return found

    def uses(self, id_of: Callable[[R], str] = str) -> list[PoolUse]:
        """Who holds or wants something, those who wait first."""
        waiting = sorted((stake for stake in self.living if stake.missing), key=_turn)
        content = sorted((stake for stake in self.living if not stake.missing), key=lambda stake: id_of(stake.run))
        return [
            PoolUse(id_of(stake.run), stake.held, stake.wanted, stake.priority, stake.since)
            for stake in waiting + content
        ]

    def as_pool(self, name: str) -> Pool:
        """As it is shown."""
        used = sum(stake.held for stake in self.living)
        return Pool(name, self.slots or 0, used, sum(1 for stake in self.living if stake.missing))


class Settled(NamedTuple, Generic[R]):
    """What comes of a claim."""

    stake: Stake[R]
    """That of the run that claims: to be kept unless nothing is wanted."""
    claim: Claim
    changed: bool
    """Whether there is anything to keep or to remove."""
    dead: list[Stake[R]]
    """What is to be removed."""
    poke: tuple[R, ...]
    """The runs whose drivers have reason to claim again."""


def settle(pool: str, standing: Standing[R], wish: Stake[R]) -> Settled[R]:
    """What comes of a wish: a stake of what is used and what is wanted, as if the run began to wait now."""
    if not 0 <= wish.held <= wish.wanted:
        raise ValueError(f"of {wish.wanted} slots that are wanted, {wish.held} cannot be in use")
    if wish.missing and standing.slots is None and wish.capacity is None:
        raise not_found(pool)
    own = next((stake for stake in standing.living if stake.run == wish.run), None)
    waited = own is not None and own.missing > 0
    others = standing.without(wish.run)
    everything = replace(standing, living=[*standing.living, *standing.dead])
    mine = replace(wish, place=1 + max((stake.place for stake in everything.living), default=0))
    if own is not None and waited:
        mine = replace(mine, place=own.place, since=own.since)
    mine = _granted(others, mine)
    poke = [run for run in gainers(everything, others.joined_by(mine)) if run != mine.run]
    if mine.missing and not waited:
        poke += [stake.run for stake in others.living if stake.held and stake.run not in poke]
    claim = Claim(mine.held, any(stake.missing for stake in others.living))
    changed = bool(standing.dead) or (mine != own if mine.wanted else own is not None)
    return Settled(mine, claim, changed, standing.dead, tuple(poke))


def _granted(others: Standing[R], mine: Stake[R]) -> Stake[R]:
    """A stake with its share of what is free."""
    share = others.joined_by(mine).shares().get(mine.run, 0)
    mine = replace(mine, held=mine.held + share)
    return mine if mine.missing else mine.without_wish()


def gainers(before: Standing[R], after: Standing[R]) -> tuple[R, ...]:
    """The runs that may take more than before."""
    earlier = before.shares()
    return tuple(run for run, share in after.shares().items() if share > earlier.get(run, 0))


def _turn(stake: Stake[R]) -> tuple[int, int]:
    return -stake.priority, stake.place


def not_found(pool: str) -> PoolNotFound:
    """The error for a pool that is not on record."""
    return PoolNotFound(f"no pool has the name '{pool}': put it on record with: penstock pool set {pool} SLOTS")

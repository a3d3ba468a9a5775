"""What a run has of pools that it shares with others: how much it was granted, uses and wants.

What was granted is used in memory, without asking, until somebody else waits. Then nothing that comes free is used
again before the store has been asked, which lets runs take turns. Asking is done by the thread that serves the run, and
not under the lock of those who step it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from penstock.clock import Clock
from penstock.errors import PoolNotFound, StoreError
from penstock.runtime.lines import Limit, LimitedQueue, Line
from penstock.store.base import Claim, Lease, Store

LOOK_PAUSE = 1.0
"""Seconds after which the store is asked again, whatever was heard: a wake-up may be lost, and nobody gives word of a
driver that died."""
RETRY_PAUSE = 0.2
"""Seconds after which it is asked again when it could not answer."""
FEW = 10
"""A run that has slots of so many pools asks for each of them that often, and of more of them more rarely."""
MOMENT = 0.05
"""Seconds in which a run that waits for nothing does not ask again for having been woken, as it is for much else."""
WAITING_MOMENT = 0.005
"""The same for one that waits."""


class SharedLimit(Limit):
    """A limit that all runs of a store share: a pool, or how often one task may run. Its size for this run is what
    the run has been granted, as far as it may be used without asking."""

    __slots__ = (
        "_ask",
        "asked_at",
        "capacity",
        "contested",
        "granted",
        "is_due",
        "look_at",
        "name",
        "priority",
        "wanted",
    )
    is_shared = True

    def __init__(self, name: str, capacity: int | None, ask: Callable[[], None]) -> None:
        super().__init__(0)
        self.name = name
        """Of the pool, as the store knows it."""
        self.capacity = capacity
        """How much there is of a pool that is on nobody's record."""
        self._ask = ask
        self.granted = 0
        self.wanted = 0
        self.priority = 0
        """These are as of the last claim."""
        self.contested = False
        """Whether others wait for some of it: then nothing that comes free is used again without asking."""
        self.is_due = False
        """Whether there is something to claim or to give back."""
        self.asked_at = float("-inf")
        self.look_at = float("inf")
        """When the store was asked last, and when it is to be again at the latest, by the monotonic clock."""

    @property
    def waits(self) -> bool:
        """Whether the store knows that the run wants more."""
        return self.wanted > self.granted

    def free(self, weight: int) -> None:
        """So much is not used any more."""
        super().free(weight)
        if self.contested:
            self.size = max(self.used, self.size - weight)
            self.ask()

    def hold_back(self, line: Line) -> None:
        """A line waits for more of it."""
        if not self.waits or line.weight != self.priority:
            self.ask()

    def ask(self) -> None:
        """Have the store asked soon."""
        if not self.is_due:
            self.is_due = True
            self._ask()


class _Wish(NamedTuple):
    kept: int
    """What is used, and what those have who wait for something else besides."""
    wanted: int
    """In all."""
    priority: int


class Slots:
    """The slots of one run. `lock` is its driver's, under which its queue is used and `heard` and `pause` are called;
    `serve` and `give_back` are called without it, by one thread."""

    def __init__(
        self,
        queue: LimitedQueue,
        limits: Sequence[SharedLimit],
        store: Store,
        lease: Lease,
        lock: Any,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._limits = limits
        self._store = store
        self._lease = lease
        self._lock = lock
        self._clock = clock

    def heard(self) -> None:
        """Somebody may have begun to wait, or have given something back."""
        now, many = self._clock.monotonic(), self._many()
        for limit in self._limits:
            if limit.wanted:
                soon = limit.asked_at + (WAITING_MOMENT if limit.waits else MOMENT) * many
                limit.look_at = min(limit.look_at, max(now, soon))

    def pause(self) -> float | None:
        """Seconds until the store is to be asked; None if for nothing."""
        soonest = min(limit.look_at for limit in self._limits)
        if any(limit.is_due for limit in self._limits):
            return 0.0
        return None if soonest == float("inf") else max(0.0, soonest - self._clock.monotonic())

    def serve(self, *, may_start: bool) -> None:
        """Claim what could be used, unless nothing may start any more, and give back the rest. StoreError."""
        now = self._clock.monotonic()
        for limit in self._limits:
            if limit.is_due or now >= limit.look_at:
                self._serve(limit, may_start)

    def _many(self) -> int:
        """By how much fewer questions are asked of each limit, since there are many."""
        return 1 + sum(1 for limit in self._limits if limit.wanted) // FEW

    def give_back(self) -> None:
        """Let go of everything. What fails goes with the lease."""
        for limit in reversed(self._limits):
            if limit.wanted:
                with suppress(StoreError, PoolNotFound):
                    self._store.claim(self._lease, limit.name, 0, used=0, capacity=limit.capacity)

    def _serve(self, limit: SharedLimit, may_start: bool) -> None:
        now = self._clock.monotonic()
        with self._lock:
            wish = self._wish(limit, may_start)
        try:
            claim = self._claim(limit, wish)
        except BaseException:
            with self._lock:
                limit.look_at = now + RETRY_PAUSE
            raise
        with self._lock:
            limit.granted, limit.contested = claim.granted, claim.contested
            limit.wanted, limit.priority = wish.wanted, wish.priority
            limit.asked_at = now
            limit.look_at = now + LOOK_PAUSE * self._many() if wish.wanted else float("inf")
            self._queue.resize(limit, limit.granted)

    def _claim(self, limit: SharedLimit, wish: _Wish) -> Claim:
        try:
            return self._store.claim(
                *(self._lease, limit.name, wish.wanted),
                used=wish.kept,
                capacity=limit.capacity,
                priority=wish.priority,
            )
        except PoolNotFound:  # somebody has deleted it: perhaps he puts it back
            return Claim(wish.kept, contested=False)

    def _wish(self, limit: SharedLimit, may_start: bool) -> _Wish:
        """What to claim. Until that is answered, no more is used than what is kept."""
        limit.is_due = True  # so that nobody asks for what is found here
        kept = limit.used + (self._half_way(limit) if may_start else 0)
        self._queue.resize(limit, kept)
        lines = [*self._waiting(limit)] if may_start else []
        limit.is_due = False
        limit.wanted = limit.granted  # so that who stands aside before the answer is there has the store asked again
        if not lines:
            return _Wish(kept, kept, 0)
        first, _ = lines[0]
        if limit.contested:  # one at a time, so that others get their turn
            wanted = first.need(limit)
        else:
            wanted = sum(line.need(limit) * min(number, line.number_of(first.weight)) for line, number in lines)
        return _Wish(kept, kept + wanted, first.weight)

    def _half_way(self, limit: Limit) -> int:
        """How much those have of it who wait for something that is asked after it. They keep that: who asks for
        everything in one order, and keeps what he has, gets all of it some day."""
        kept = 0
        for line, number in self._could_use(limit, {limit: limit.room}):
            if line.aside is not limit:
                kept += line.need(limit) * number
        return kept

    def _waiting(self, limit: Limit) -> Iterator[tuple[Line, int]]:
        """Those who wait for it, with how many of each line could start."""
        return ((line, number) for line, number in self._could_use(limit, {}) if line.aside is limit)

    def _could_use(self, limit: Limit, rooms: dict[Limit, int]) -> Iterator[tuple[Line, int]]:
        """The lines that stand aside at a limit, or at one that is asked after it, and how many tasks of each could
        start as far as the limits that are asked before it go, and those of which `rooms` says how much there is."""
        for line in self._queue.lines(limit):
            earlier = line.needs_before(limit)
            if line.aside is None or any(other is line.aside for other, _ in earlier):
                continue
            needs = [*earlier, *((other, line.need(other)) for other in (limit,) if other in rooms)]
            number = min(
                [len(line.entries), *(max(0, rooms.setdefault(other, other.room)) // weight for other, weight in needs)]
            )
            for other, weight in needs:
                rooms[other] -= number * weight
            if number > 0:
                yield line, number

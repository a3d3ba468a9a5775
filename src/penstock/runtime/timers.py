"""Things to do later, by the monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from penstock.clock import Clock

Action = Callable[[], None]


class Timers:
    """A heap of actions. Not guarded: its owner calls it under its own lock."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._heap: list[tuple[float, int, Action]] = []
        self._order = count()

    def after(self, seconds: float, action: Action) -> bool:
        """Do something in so many seconds. Whether it is now the first thing to be done."""
        entry = (self._monotonic() + max(0.0, seconds), next(self._order), action)
        heappush(self._heap, entry)
        return self._heap[0] is entry

    def due(self) -> list[Action]:
        """The actions whose time has come, each given once."""
        now = self._monotonic()
        actions = []
        while self._heap and self._heap[0][0] <= now:
            actions.append(heappop(self._heap)[2])
        return actions

    def pause(self) -> float | None:
        """Seconds until the next action; None if there is none."""
        return max(0.0, self._heap[0][0] - self._monotonic()) if self._heap else None

"""Threads for runs that are driven beside others: so many at once, and always enough that nobody waits for ever.

A run that waits for another holds its thread. So whoever has none going may have one, however many others there are:
then each that waits waits for one that goes on, at any depth.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.clock import SYSTEM, Clock

MOST = 64
"""How many runs of tasks one process drives at once, but for one more for each that would have none."""

Job = Callable[[], None]


class Lanes:
    """Runs jobs of several owners in threads. A job must not raise."""

    def __init__(self, most: int = MOST, clock: Clock = SYSTEM) -> None:
        self._most = most
        self._clock = clock
        self._lock = clock.lock()
        self._going: dict[str, int] = {}
        """Owners -> how many of their jobs are being done."""
        self._total = 0
        self._waiting: list[tuple[str, Job]] = []
        """Oldest first."""

    def start(self, owner: str, job: Job) -> None:
        """Do a job, now or when there is room."""
        with self._lock:
            if not self._has_room(owner):
                self._waiting.append((owner, job))
                return
            self._count(owner, 1)
        try:
            self._clock.start(lambda: self._work(owner, job), "penstock-child")
        except BaseException:
            with self._lock:
                self._count(owner, -1)
            raise

    def drop(self, owner: str) -> int:
        """Forget the jobs of an owner that have not begun; how many there were."""
        with self._lock:
            kept = [(other, job) for other, job in self._waiting if other != owner]
            dropped = len(self._waiting) - len(kept)
            self._waiting = kept
        return dropped

    def _work(self, owner: str, job: Job) -> None:
        while True:
            job()
            with self._lock:
                self._count(owner, -1)
                following = next((place for place, (one, _) in enumerate(self._waiting) if self._has_room(one)), None)
                if following is None:
                    return
                owner, job = self._waiting.pop(following)
                self._count(owner, 1)

    def _has_room(self, owner: str) -> bool:
        return self._total < self._most or owner not in self._going

    def _count(self, owner: str, change: int) -> None:
        self._total += change
        self._going[owner] = self._going.get(owner, 0) + change
        if not self._going[owner]:
            del self._going[owner]

"""Where the driver of a run sleeps, when those who wake it are threads of its process."""

from __future__ import annotations

import threading


class Bell:
    """A lock that is held while nobody has poked: opening it is one step, which a signal handler may take even while it
    interrupts `wait`. An Event or a Condition would deadlock there."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def wait(self, timeout: float | None) -> bool:
        """Sleep until poked, or `timeout` seconds passed. True if something may have come."""
        return self._silent.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))

    def poke(self) -> None:
        """Wake the sleeper, from any thread or signal handler; an early poke is not lost."""
        try:
            self._silent.release()
        except RuntimeError:
            pass  # it rings already

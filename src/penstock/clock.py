"""What the driver of a run takes from the world besides its parts: the time, and ways to wait.

What drives runs, and the steps of an attempt in the driver's process, read the time, sleep, lock across a wait and
start threads through a `Clock`, so that a simulation can run them in virtual time, one step after another, in an order
drawn from a seed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, sleep, time
from typing import Any, Protocol


class Clock(Protocol):
    """See the module's text."""

    def time(self) -> float:
        """Seconds since 1970. It may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment. It never goes back."""

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""

    def lock(self) -> Any:
        """A lock like `threading.Lock()`."""

    def start(self, target: Callable[[], None], name: str) -> Any:
        """Run `target` beside the caller; what is given back has a method `join(timeout=None)`."""


class SystemClock:
    """The clocks, locks and threads of this machine."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)
    sleep = staticmethod(sleep)
    lock = staticmethod(threading.Lock)

    def start(self, target: Callable[[], None], name: str) -> threading.Thread:
        """A daemon thread."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


SYSTEM = SystemClock()

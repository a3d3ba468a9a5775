"""Those who watch a run, told in order and in a way that none of them can disturb it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from penstock.clock import Clock
from penstock.runtime.observer import Observer


class Audience:
    """The observers of one run. One that raises is told nothing more, and why is said on stderr.

    News is noted under the driver's lock, `guard`, in the order in which it happens, and passed on without it."""

    def __init__(self, observers: Sequence[Observer], guard: Any, clock: Clock) -> None:
        self._observers = tuple(observers)
        self._guard = guard
        self._telling = clock.lock()
        self._news: list[tuple[str, tuple[Any, ...]]] = []

    def __bool__(self) -> bool:
        return bool(self._observers)

    def note(self, method: str, *arguments: Any) -> None:
        """Have a method of every observer called soon. The caller holds the guard."""
        if self._observers:
            self._news.append((method, arguments))

    def pass_on(self) -> None:
        """Tell what was noted. This also waits for what another thread is telling: a failure comes before the attempt
        that follows it."""
        with self._telling:
            while self._news:
                with self._guard:
                    news, self._news = self._news, []
                for method, arguments in news:
                    self.tell(method, *arguments)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of every observer."""
        for observer in self._observers:
            try:
                getattr(observer, method)(*arguments)
            except Exception as error:
                self._observers = tuple(other for other in self._observers if other is not observer)
                if sys.stderr is not None:
                    kind = type(observer).__qualname__
                    sys.stderr.write(f"The observer {kind} raised {error!r}: it is told nothing more of this run\n")

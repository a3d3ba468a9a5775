"""Those who watch a run, told in order and in a way that none of them can disturb it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from penstock.clock import Clock
from penstock.runtime.journal import JournalWriter
from penstock.runtime.observer import Observer


class Audience:
    """The observers of one run. One that raises is told nothing more, and why is said on stderr.

    News is noted under the driver's lock, `guard`, in the order in which it happens, and passed on without it: at once,
    but for what must not be unsaid by a crash, which waits until the journal has written it."""

    def __init__(self, observers: Sequence[Observer], guard: Any, journal: JournalWriter, clock: Clock) -> None:
        self._observers = tuple(observers)
        self._guard = guard
        self._journal = journal
        self._telling = clock.lock()
        self._news: list[tuple[int, str, tuple[Any, ...]]] = []
        """How many events must be written before it is told; a method, and what it is given."""

    def __bool__(self) -> bool:
        return bool(self._observers)

    def note(self, method: str, *arguments: Any, written: bool = False) -> None:
        """Have a method of every observer called soon; with `written`, not before all that has happened so far is
        written. The caller holds the guard."""
        if self._observers:
            self._news.append((self._journal.added if written else 0, method, arguments))

    def pass_on(self) -> None:
        """Tell what was noted. This also waits for what another thread is telling: a failure comes before the attempt
        that follows it."""
        with self._telling:
            while self._news:
                with self._guard:
                    written = self._journal.written
                    news = [one for one in self._news if one[0] <= written]
                    self._news = [one for one in self._news if one[0] > written]
                if not news:
                    return  # whoever is writing it passes it on
                for _, method, arguments in news:
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

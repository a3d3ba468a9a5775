"""Those who watch a run, told in order and in a way that none of them can disturb it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from math import inf
from operator import itemgetter
from typing import Any, TypeAlias

from penstock.clock import Clock
from penstock.runtime.journal import JournalWriter
from penstock.runtime.observer import Observer

_News: TypeAlias = tuple[int, str, tuple[Any, ...]]
"""Its number, a method of observers, and what that is given."""


class Audience:
    """The observers of one run. One that raises is told nothing more, and why is said on stderr.

    News is noted under the driver's lock, `guard`, in the order in which it happens, and passed on without it: at once,
    but for what must not be unsaid by a crash, which waits until the journal has written it."""

    def __init__(self, observers: Sequence[Observer], guard: Any, journal: JournalWriter, clock: Clock) -> None:
        self.observers = tuple(observers)
        """Those who are told."""
        self.hears_successes = any(getattr(observer, "hears_successes", True) for observer in observers)
        """Whether any of them wants to know that an attempt has succeeded."""
        self._guard = guard
        self._journal = journal
        self._telling = clock.lock()
        self._is_telling = False
        self._noted = 0
        self._news: list[_News] = []
        """What is to be told at once."""
        self._later: deque[tuple[int, _News]] = deque()
        """What is to be told when so many events are written."""
        self._later_from = inf
        """How many have to be for the first of it."""

    def note(self, method: str, *arguments: Any, written: bool = False) -> None:
        """Have a method of every observer called soon; with `written`, not before all that has happened so far is
        written. The caller holds the guard."""
        if not self.observers:
            return
        self._noted += 1
        news = self._noted, method, arguments
        if not written:
            self._news.append(news)
            return
        if not self._later:
            self._later_from = self._journal.added
        self._later.append((self._journal.added, news))

    def pass_on(self) -> None:
        """Tell what was noted. This also waits for what another thread is telling: a failure comes before the attempt
        that follows it."""
        if not self._news and self._later_from > self._journal.written and not self._is_telling:
            return
        with self._telling:
            self._is_telling = True
            try:
                while news := self._take_news():
                    for _, method, arguments in news:
                        self.tell(method, *arguments)
            finally:
                self._is_telling = False

    def _take_news(self) -> list[_News]:
        """What may be told now, in the order in which it was noted."""
        with self._guard:
            news, self._news = self._news, []
            later, written = self._later, self._journal.written
            if self._later_from > written:
                return news  # whoever writes the rest passes it on
            while later and later[0][0] <= written:
                news.append(later.popleft()[1])
            self._later_from = later[0][0] if later else inf
        news.sort(key=itemgetter(0))
        return news

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of every observer."""
        for observer in self.observers:
            try:
                getattr(observer, method)(*arguments)
            except Exception as error:
                self.observers = tuple(other for other in self.observers if other is not observer)
                if sys.stderr is not None:
                    kind = type(observer).__qualname__
                    sys.stderr.write(f"The observer {kind} raised {error!r}: it is told nothing more of this run\n")

"""The templates of a service: each has imported one file, tells what it has, and drivers are forked from it."""

from __future__ import annotations

import os
import signal
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from penstock.clock import Clock
from penstock.service.processes import Processes
from penstock.service.wire import Message, Wire

MOST = 16
"""How many are kept: those that were used last."""
_AT_ONCE = 2
"""How many files are imported at once, not counting those that are slow."""
_SLOW = 2.0
"""Seconds after which a file is slow, and others do not wait for it."""
_MOST_AT_ONCE = 16
"""How many files are imported at once, slow ones among them."""
_AGAIN = (2.0, 600.0)
"""Seconds after which a file is imported again that could not be: the first time, and at most, twice as long each time.
It may be that what it needs was not there, or that somebody ended the process."""
_LEFT = 5.0
"""Seconds after which a process whose time is up ends by itself, since the service that would end it is gone."""


@dataclass(slots=True)
class _Loading:
    path: str
    is_again: bool
    """Whether it could not be imported the last time, and has not changed."""
    since: float = inf
    """When its process began."""
    wire: Wire | None = None
    pid: int | None = None
    report: Message | None = None


class Templates:
    """See the module's text. `loaded` is given what each file tells."""

    def __init__(
        self,
        processes: Processes,
        clock: Clock,
        asked: Message,
        patience: float,
        loaded: Callable[[str, Message], None],
    ) -> None:
        self._processes = processes
        self._clock = clock
        self._asked = asked
        """What each process is told at its beginning."""
        self._patience = patience
        """Seconds that a file may take to be imported."""
        self._loaded = loaded
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, _Loading] = {}
        self._pauses: dict[str, float] = {}
        """Of those that could not be imported: how long it is waited each time."""
        self._again: list[tuple[float, str]] = []
        """When each of these is tried again; those that are none of them any more are left out then."""
        self._ready: OrderedDict[str, Wire] = OrderedDict()

    @property
    def is_loading(self) -> bool:
        """Whether a file is being imported, or is to be, of which it is not known that it cannot."""
        return bool(self._waiting) or not all(loading.is_again for loading in self._loading.values())

    def __len__(self) -> int:
        return len(self._ready)

    def load(self, path: str) -> None:
        """Import a file, again if that was done or is under way: it has changed."""
        self.drop(path)
        if path in self._loading:
            self._stop(self._loading.pop(path))
        self._waiting[path] = None

    def drop(self, path: str) -> None:
        """Keep none of a file any more: it has changed, or gone."""
        self._pauses.pop(path, None)
        if path in self._ready:
            self._processes.end(self._ready.pop(path))

    def get(self, path: str) -> Wire | None:
        """The template of a file, if there is one."""
        if path in self._ready:
            self._ready.move_to_end(path)
        return self._ready.get(path)

    def next_at(self) -> float:
        """When `step` has something to do, by the monotonic clock."""
        now = self._clock.monotonic()
        if self._waiting and self._has_room(now):
            return 0.0
        moments = [loading.since + pause for loading in self._loading.values() for pause in (_SLOW, self._patience)]
        moments += [at for at, _ in self._again[:1]]
        return min((moment for moment in moments if moment > now), default=inf)

    def _has_room(self, now: float) -> bool:
        quick = sum(now - loading.since < _SLOW for loading in self._loading.values())
        return quick < _AT_ONCE and len(self._loading) < _MOST_AT_ONCE

    def step(self) -> None:
        """Go on with what is to be imported."""
        now = self._clock.monotonic()
        for loading in [*self._loading.values()]:
            if now >= loading.since + self._patience:
                self._give_up(loading)
        while self._again and self._again[0][0] <= now:
            path = heappop(self._again)[1]
            if path in self._pauses and path not in self._loading:
                self._waiting[path] = None
        while self._waiting and self._has_room(now):
            self._begin(self._waiting.popitem(last=False)[0])

    def _begin(self, path: str) -> None:
        loading = self._loading[path] = _Loading(path, path in self._pauses)
        asked = {"role": "template", "file": path, **self._asked, "patience": self._patience + _LEFT}
        loading.wire = self._processes.begin(
            asked, lambda message: self._hear(loading, message), lambda: self._lose(loading)
        )

    def _hear(self, loading: _Loading, message: Message) -> None:
        if "pid" in message:
            loading.pid, loading.since = message["pid"], self._clock.monotonic()
            return
        if self._loading.pop(loading.path, None) is None:
            return
        loading.report = message
        assert loading.wire is not None
        if message["error"] or message["threads"] or not message["workflows"]:
            self._processes.end(loading.wire)
        else:
            self._keep(loading.path, loading.wire)
        self._tell(loading.path, message)

    def _keep(self, path: str, wire: Wire) -> None:
        self.drop(path)
        self._ready[path] = wire
        while len(self._ready) > MOST:
            self._processes.end(self._ready.popitem(last=False)[1])

    def _lose(self, loading: _Loading) -> None:
        """The process has ended."""
        if self._ready.get(loading.path) is loading.wire:
            del self._ready[loading.path]
        if loading.report is None:
            self._fail(loading, "importing it ended the process")

    def _give_up(self, loading: _Loading) -> None:
        self._stop(loading)
        self._fail(loading, f"importing it took more than {self._patience:g} s")

    def _stop(self, loading: _Loading) -> None:
        if loading.pid is not None:
            _kill(loading.pid)
        assert loading.wire is not None
        self._processes.end(loading.wire)

    def _fail(self, loading: _Loading, text: str) -> None:
        if self._loading.pop(loading.path, None) is not None:
            error = {"text": f"{loading.path}: {text}", "traceback": ""}
            self._tell(loading.path, {"error": error, "imported": [], "threads": False, "workflows": []})

    def _tell(self, path: str, report: Message) -> None:
        if report["error"] is None:
            self._pauses.pop(path, None)
        else:
            first, most = _AGAIN
            self._pauses[path] = pause = min(2 * self._pauses[path], most) if path in self._pauses else first
            heappush(self._again, (self._clock.monotonic() + pause, path))
        self._loaded(path, report)

    def close(self) -> None:
        """Let all end."""
        self._waiting.clear()
        for loading in self._loading.values():
            self._stop(loading)
        self._loading.clear()
        for path in [*self._ready]:
            self.drop(path)


def _kill(pid: int) -> None:
    """End a process, and what it has begun in its session."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

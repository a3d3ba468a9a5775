"""The templates of a service: each has imported one file, tells what it has, and drivers are forked from it."""

from __future__ import annotations

import os
import signal
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from penstock.clock import Clock
from penstock.service.processes import Processes
from penstock.service.wire import Message, Wire

MOST = 16
"""How many are kept: those that were used last."""
_AT_ONCE = 2
"""How many files are imported at once."""
PATIENCE = 60.0
"""Seconds that a file may take to be imported."""


@dataclass(slots=True)
class _Loading:
    path: str
    until: float
    wire: Wire | None = None
    pid: int | None = None
    report: Message | None = None


class Templates:
    """See the module's text. `loaded` is given what each file tells."""

    def __init__(self, processes: Processes, clock: Clock, folder: str, loaded: Callable[[str, Message], None]) -> None:
        self._processes = processes
        self._clock = clock
        self._folder = folder
        self._loaded = loaded
        self._waiting: deque[str] = deque()
        self._loading: dict[str, _Loading] = {}
        self._ready: OrderedDict[str, Wire] = OrderedDict()

    @property
    def is_loading(self) -> bool:
        """Whether a file is being imported, or is to be."""
        return bool(self._waiting or self._loading)

    def __len__(self) -> int:
        return len(self._ready)

    def load(self, path: str) -> None:
        """Import a file, again if that was done: it has changed."""
        self.drop(path)
        if path not in self._waiting:
            self._waiting.append(path)

    def drop(self, path: str) -> None:
        """Keep none of a file any more: it has changed, or gone."""
        if path in self._ready:
            self._processes.end(self._ready.pop(path))

    def get(self, path: str) -> Wire | None:
        """The template of a file, if there is one."""
        if path in self._ready:
            self._ready.move_to_end(path)
        return self._ready.get(path)

    def next_at(self) -> float:
        """When `step` has something to do, by the monotonic clock."""
        if self._waiting and len(self._loading) < _AT_ONCE:
            return 0.0
        return min((loading.until for loading in self._loading.values()), default=inf)

    def step(self) -> None:
        """Go on with what is to be imported."""
        now = self._clock.monotonic()
        for loading in [*self._loading.values()]:
            if now >= loading.until:
                self._give_up(loading)
        for path in [*self._waiting]:
            if len(self._loading) >= _AT_ONCE:
                break
            if path not in self._loading:
                self._waiting.remove(path)
                self._begin(path)

    def _begin(self, path: str) -> None:
        loading = self._loading[path] = _Loading(path, self._clock.monotonic() + PATIENCE)
        asked = {"role": "template", "file": path, "folder": self._folder}
        loading.wire = self._processes.begin(
            asked, lambda message: self._hear(loading, message), lambda: self._lose(loading)
        )

    def _hear(self, loading: _Loading, message: Message) -> None:
        if "pid" in message:
            loading.pid = message["pid"]
            return
        if self._loading.pop(loading.path, None) is None:
            return
        loading.report = message
        assert loading.wire is not None
        if message["error"] or message["threads"] or not message["workflows"] or loading.path in self._waiting:
            self._processes.end(loading.wire)
        else:
            self._keep(loading.path, loading.wire)
        self._loaded(loading.path, message)

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
        if loading.pid is not None:
            _kill(loading.pid)
        assert loading.wire is not None
        self._processes.end(loading.wire)
        self._fail(loading, f"importing it took more than {PATIENCE:g} s")

    def _fail(self, loading: _Loading, text: str) -> None:
        if self._loading.pop(loading.path, None) is not None:
            error = {"text": f"{loading.path}: {text}", "traceback": ""}
            self._loaded(loading.path, {"error": error, "imported": [], "threads": False, "workflows": []})

    def close(self) -> None:
        """Let all end."""
        self._waiting.clear()
        for loading in self._loading.values():
            if loading.pid is not None:
                _kill(loading.pid)
            if loading.wire is not None:
                self._processes.end(loading.wire)
        self._loading.clear()
        for path in [*self._ready]:
            self.drop(path)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

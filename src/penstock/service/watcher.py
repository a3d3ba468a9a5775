"""Notices that something has changed in a folder: told by the system, where the package `watchfiles` is there, or else
by looking again and again."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Event, Thread
from time import process_time

from penstock.service.folder import scan

_SOON = 300
"""Milliseconds in which changes are told together."""
_STEP = 150
"""Milliseconds between two looks at what the system has told."""
_SHORTEST = 1.0
_SHARE = 100
"""Looking takes one part in so many of the time of one processor."""


class Watcher(Thread):
    """Calls `changed`, in a thread of its own, when files may have changed, come or gone."""

    def __init__(self, folder: str, changed: Callable[[], None]) -> None:
        super().__init__(name="penstock-watcher", daemon=True)
        self._folder = folder
        self._changed = changed
        self._ended = Event()

    def run(self) -> None:
        """Watch."""
        try:
            from watchfiles import watch
        except ImportError:
            self._look_again_and_again()
            return
        try:
            told = watch(
                self._folder,
                watch_filter=lambda change, path: self._counts(path),
                debounce=_SOON,
                step=_STEP,
                stop_event=self._ended,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
            for _ in told:
                self._changed()
        except (OSError, RuntimeError):  # e.g. there are more folders than the system lets one watch
            self._look_again_and_again()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self.join()

    def _counts(self, path: str) -> bool:
        inner = os.path.relpath(path, self._folder)
        if any(part.startswith(".") for part in inner.split(os.sep)):
            return False
        return os.path.splitext(path)[1] in ("", ".py")  # a folder may have been moved here

    def _look_again_and_again(self) -> None:
        known = scan(self._folder)
        pause = _SHORTEST
        while not self._ended.wait(pause):
            began = process_time()
            found = scan(self._folder)
            pause = max(_SHORTEST, _SHARE * (process_time() - began))
            if found != known:
                known = found
                self._changed()

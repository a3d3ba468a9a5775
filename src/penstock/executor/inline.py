"""Task bodies in the thread that called `run`, one at a time."""

from __future__ import annotations

from penstock.executor.base import Attempt, AttemptSource
from penstock.executor.invoke import interrupt, invoke


class InlineExecutor:
    """One worker, which is the calling thread. For debuggers, and for code that must stay on its thread."""

    name = "inline"
    workers = 1
    on_caller = True

    def __init__(self) -> None:
        self._source: AttemptSource | None = None

    def open(self, source: AttemptSource) -> None:
        self._source = source

    def work(self) -> None:
        """Invoke attempts until there are no more."""
        assert self._source is not None
        attempt = self._source.take()
        while attempt is not None:
            attempt = self._source.settle(attempt, invoke(attempt))

    def grow(self) -> None:
        """The calling thread is all there is."""

    def ask(self, attempt: Attempt) -> None:
        """The body sees it itself."""

    def end(self, attempt: Attempt) -> bool:
        return interrupt(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """The calling thread cannot be replaced: the run waits for the body."""

    def close(self, *, wait: float | None) -> bool:
        self._source = None
        return True

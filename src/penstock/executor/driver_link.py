"""What a worker process asks of the driver's process in the middle of an attempt, through the pipes."""

from __future__ import annotations

import threading
from typing import Any

from penstock.errors import StoreError
from penstock.executor.base import Attempt
from penstock.executor.channel import Receiver, Sender


class DriverLink:
    """One question at a time, each with its answer. Any thread of the worker may ask while an attempt runs: between
    attempts, what comes through the pipe is the next request, and belongs to the main thread."""

    def __init__(self, messages: Sender, requests: Receiver) -> None:
        self._messages = messages
        self._requests = requests
        # Re-entrant, since a finalizer or a signal handler may ask in the middle of a question: it is refused.
        self._lock = threading.RLock()
        self._asking = False
        self._attempt: Attempt | None = None

    def open(self, attempt: Attempt) -> None:
        """An attempt begins."""
        self._attempt = attempt

    def close(self) -> None:
        """It has ended. Waits for the answer that a thread which the body left behind may be waiting for."""
        with self._lock:
            self._attempt = None

    def forget(self) -> None:
        """In a forked child: there is nobody to ask."""
        self._lock = threading.RLock()
        self._asking, self._attempt = False, None

    def ask(self, kind: str, *content: Any, attempt: Attempt | None = None) -> tuple[Any, str | None]:
        """What the driver's process answers, about this attempt or the one that runs: a result, or what went wrong.
        StoreError if it cannot be asked."""
        with self._lock:
            if self._asking or self._attempt is None or attempt not in (None, self._attempt):
                why = "in the middle of another question" if self._asking else "after the attempt, or in a forked child"
                raise StoreError(f"the process that drives the run cannot be asked {why}")
            self._asking = True
            try:
                self._messages.send(kind, *content)
                answer = self._requests.receive()
            except OSError as error:
                raise StoreError(f"the process that drives the run cannot be reached: {error}") from error
            finally:
                self._asking = False
        if answer is None:
            raise StoreError("the process that drives the run is gone")
        result, failure = answer
        return result, failure

"""SIGINT and SIGTERM while a run lives."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
LOOK_PAUSE = 1.0
"""Seconds that the main thread may sleep at a stretch while signals are caught. CPython runs the handler of a signal
when its main thread next runs bytecode: if another thread received the signal, or it came just as the main thread went
to sleep, that is when it wakes."""


class StopSignals:
    """Collects the signals that ask a run to stop, where they can be caught: in the main thread.

    `wake` is called in the signal's handler, and so must be fit for that.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.received: list[int] = []
        self._wake = wake
        self._before: dict[int, Any] = {}

    def catch(self) -> None:
        """Take the signals from now on."""
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                self._before[number] = signal.signal(number, self._on_signal)

    def give_back(self) -> None:
        """Let them go where they went before."""
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    @property
    def are_caught(self) -> bool:
        """Whether this is where they are caught."""
        return bool(self._before)

    @property
    def first(self) -> str:
        """The name of the signal that came first."""
        return signal.Signals(self.received[0]).name

    def raise_again(self) -> None:
        """Send this process the signal that came first: it came too late to stop the run, but was meant for it."""
        signal.raise_signal(self.received[0])

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        self._wake()
        outer = getattr(self._before.get(number), "__self__", None)
        if isinstance(outer, StopSignals):  # this run is part of another run's task
            outer._on_signal(number, frame)

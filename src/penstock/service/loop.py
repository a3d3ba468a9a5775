"""The one thread that owns everything in a service: it hears what its processes say, and does what others ask of it."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from penstock.service.wire import Broken, Message, Wire

T = TypeVar("T")


class _Ears(NamedTuple):
    wire: Wire
    hear: Callable[[Message], None]
    gone: Callable[[], None]


class Loop:
    """See the module's text."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._asked: deque[Callable[[], None]] = deque()
        self._ears: dict[Wire, _Ears] = {}
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    # --- From any thread

    def poke(self) -> None:
        """Let `turn` return. Also from a signal's handler."""
        try:
            os.write(self._waker, b"!")
        except OSError:
            pass  # it is full of pokes, or closed

    def call(self, action: Callable[[], None]) -> None:
        """Have something done by the thread of the loop."""
        self._asked.append(action)
        self.poke()

    def ask(self, action: Callable[[Future[T]], None], timeout: float) -> T:
        """Have the loop begin something, and wait for what comes of it. TimeoutError."""
        future: Future[T] = Future()

        def begin() -> None:
            try:
                action(future)
            except BaseException as error:
                future.set_exception(error)

        self.call(begin)
        return future.result(timeout)

    # --- In its thread

    def watch(self, wire: Wire, hear: Callable[[Message], None], gone: Callable[[], None]) -> None:
        """From now on hear what comes, and that nobody is there any more."""
        self._ears[wire] = _Ears(wire, hear, gone)
        self._selector.register(wire, selectors.EVENT_READ, self._ears[wire])

    def forget(self, wire: Wire) -> None:
        """Hear nothing of it any more, and close it. Harmless if that was done."""
        if self._ears.pop(wire, None) is not None:
            self._selector.unregister(wire)
            wire.close()

    def turn(self, timeout: float | None) -> None:
        """Wait until there is something to do, and do it."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._drain()
            else:
                self._hear(key.data)
        while self._asked:
            self._asked.popleft()()

    def close(self) -> None:
        """Let go of all."""
        for wire in [*self._ears]:
            self.forget(wire)
        self._selector.close()
        os.close(self._woken)
        os.close(self._waker)

    def _hear(self, ears: _Ears) -> None:
        try:
            messages = ears.wire.receive_all()
        except (Broken, OSError):
            messages = None
        if messages is None:
            self.forget(ears.wire)
            ears.gone()
        else:
            for message in messages:
                if ears.wire in self._ears:
                    ears.hear(message)

    def _drain(self) -> None:
        try:
            while os.read(self._woken, 1 << 12):
                pass
        except BlockingIOError:
            pass

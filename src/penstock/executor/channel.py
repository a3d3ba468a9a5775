"""Messages between the process that drives a run and its workers, through pipes.

A message is a tuple of plain values: eight bytes of length, then the tuple as `marshal` writes it. Both ends are the
same interpreter. Reading one runs no code, whatever a worker sends.
"""

from __future__ import annotations

import marshal
import os
from collections import deque
from struct import Struct
from threading import RLock
from typing import Any

_LENGTH = Struct("<Q")
_CHUNK = 1 << 16
"""What a pipe holds."""


def encode(message: tuple[Any, ...]) -> bytes:
    """A message as bytes."""
    data = marshal.dumps(message)
    return _LENGTH.pack(len(data)) + data


class Sender:
    """The end of a pipe that is written to. Any thread may send."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lock = RLock()
        self._waiting: deque[bytes] = deque()
        self._writing = False

    def send(self, *message: Any) -> None:
        """Write a message; waits while the pipe is full. OSError if nobody reads it any more."""
        data = encode(message)
        with self._lock:
            self._waiting.append(data)
            if self._writing:
                return  # this thread is in the middle of another message: a finalizer or a signal handler prints
            self._writing = True
            try:
                while self._waiting:
                    self._write(self._waiting.popleft())
            finally:
                self._writing = False

    def _write(self, data: bytes) -> None:
        written = os.write(self.fd, data)
        while written < len(data):
            written += os.write(self.fd, memoryview(data)[written:])


class Receiver:
    """The end of a pipe that is read from, by one thread."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = bytearray()

    def receive(self) -> tuple[Any, ...] | None:
        """The next message, waiting for it; None when there will be no more. ValueError, EOFError or TypeError if what
        comes is no message."""
        while True:
            if len(self._buffer) >= _LENGTH.size:
                end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
                if len(self._buffer) >= end:
                    return self._take(end)
            data = os.read(self.fd, _CHUNK)
            if not data:
                return None
            self._buffer += data

    def _take(self, end: int) -> tuple[Any, ...]:
        with memoryview(self._buffer) as view, view[_LENGTH.size : end] as data:
            message: tuple[Any, ...] = marshal.loads(data)
        del self._buffer[:end]
        return message

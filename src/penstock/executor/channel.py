"""Messages between the process that drives a run and its workers, through pipes.

A message is a tuple of plain values: eight bytes that say so, eight of length, then the tuple as `marshal` writes it.
Both ends are the same interpreter. Reading one runs no code, whatever a worker sends; and what a body has written into
the pipe is seen at once, so that nobody waits for the rest of it.
"""

from __future__ import annotations

import marshal
import os
from collections import deque
from struct import Struct
from threading import RLock
from typing import Any

_MARK = b"\x93message"
_HEADER = Struct("<8sQ")
_CHUNK = 1 << 16
"""What a pipe holds."""


def encode(message: tuple[Any, ...]) -> bytes:
    """A message as bytes."""
    data = marshal.dumps(message)
    return _HEADER.pack(_MARK, len(data)) + data


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
            if len(self._buffer) >= _HEADER.size:
                mark, length = _HEADER.unpack_from(self._buffer)
                if mark != _MARK:
                    raise ValueError("what came through a pipe is no message")
                if len(self._buffer) >= _HEADER.size + length:
                    return self._take(_HEADER.size + length)
            data = os.read(self.fd, _CHUNK)
            if not data:
                return None
            self._buffer += data

    def _take(self, end: int) -> tuple[Any, ...]:
        with memoryview(self._buffer) as view, view[_HEADER.size : end] as data:
            message = marshal.loads(data)
        del self._buffer[:end]
        if type(message) is not tuple:
            raise TypeError("what came through a pipe is no tuple")
        return message

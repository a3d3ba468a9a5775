"""How the processes of a service speak: JSON messages over a stream socket, and descriptors beside them.

A frame is four bytes with the length of a message, and the message. What a process with user code says is only ever
read as JSON.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

_CHUNK = 1 << 16
_MOST_FDS = 8
MOST = 1 << 28
"""Bytes of a message. A frame that says more is none."""


class Broken(Exception):
    """The other end has said what is no message."""


class Wire:
    """One end. Sending is for many threads, receiving for one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = Lock()
        self._read = bytearray()
        self._fds: deque[int] = deque()

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message, with descriptors that the other end gets copies of. OSError if nobody is there."""
        body = json.dumps(message).encode()
        frame = len(body).to_bytes(4, "big") + body
        with self._sending:
            sent = socket.send_fds(self._socket, [frame], fds) if fds else 0
            self._socket.sendall(frame[sent:])

    def receive(self) -> Message | None:
        """The next message, waiting for it; None when the other end has gone. Broken for what is no message."""
        while True:
            message = self._take()
            if message is not None:
                return message
            if not self._fill():
                return None

    def receive_all(self) -> list[Message] | None:
        """What has come, once a selector says that there is something; None when the other end has gone."""
        is_there = self._fill()
        found = []
        while (message := self._take()) is not None:
            found.append(message)
        return found if found or is_there else None

    def take_fd(self) -> int:
        """The oldest descriptor that has come and was not taken."""
        return self._fds.popleft()

    def deafen(self) -> None:
        """Hear nothing any more: `receive` gives None. In a signal's handler, too."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the other end has gone

    def close(self) -> None:
        """Let go of this end."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        self._socket.close()

    def _fill(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, _CHUNK, _MOST_FDS)
        except ConnectionError:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)
            self._fds.append(fd)
        self._read += data
        return bool(data)

    def _take(self) -> Message | None:
        if len(self._read) < 4:
            return None
        length = int.from_bytes(self._read[:4], "big")
        if length > MOST:
            raise Broken(f"a message of {length:,} bytes")
        if len(self._read) < 4 + length:
            return None
        body = bytes(self._read[4 : 4 + length])
        del self._read[: 4 + length]
        try:
            message = json.loads(body)
        except ValueError as error:
            raise Broken(str(error)) from None
        if not isinstance(message, dict):
            raise Broken(f"{message!r:.100} is no message")
        return message


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

"""What may stand between a client and a PostgreSQL server: a wire that is cut at the worst moment, and a pooler.

Both speak so much of the protocol as they need: messages are one byte of kind, four of length, and the rest.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import pack, unpack

Message = tuple[bytes, bytes]
"""The kind of a message, b"" for the first of a connection, and all its bytes."""

_PARSE, _BIND, _SYNC, _QUERY, _TERMINATE = b"P", b"B", b"S", b"Q", b"X"
_READY, _KEY = b"Z", b"K"
_OWN_KEY = pack("!cIII", _KEY, 12, 4242, 4242)


class Proxy:
    """A socket that leads to the server's. `arm` has the wire cut around the next statement with a text in it."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-proxy-"))
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / server.name))
        self._listening.listen()
        self._lock = threading.Lock()
        self._faults: list[tuple[str, bytes]] = []
        self._late: list[Callable[[], None]] = []
        self._open: set[socket.socket] = set()
        self.own_key = False
        """Whether clients are given a process of the proxy's instead of the server's, as poolers do."""
        self.struck = threading.Semaphore(0)
        """Released each time a wire was cut."""
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, fault: str, text: str = "INSERT INTO journal") -> None:
        """What happens to the next statement that contains the text, once for each time this is called:

        - "unsent": it does not reach the server, and the wire is cut;
        - "sent": it reaches the server, and the wire is cut at once;
        - "answered": the wire is cut when the server has answered, and the client sees nothing of the answer;
        - "half": the client sees that the statement was done, and the wire is cut before it hears of the commit;
        - "late": the wire is cut, and the statement reaches the server when `deliver` is called.
        """
        with self._lock:
            self._faults.append((fault, text.encode()))

    def disarm(self) -> int:
        """Do nothing to what comes now; how often a wire was still to be cut."""
        with self._lock:
            left, self._faults = self._faults, []
        return len(left)

    def deliver(self) -> None:
        """Let the server have what was held back, and wait until it has dealt with it."""
        with self._lock:
            late, self._late = self._late, []
        for send in late:
            send()

    def cut_all(self) -> None:
        """Cut every wire."""
        with self._lock:
            for wire in self._open:
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut everything and listen no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut_all()
        (self.folder / self._server.name).unlink()
        self.folder.rmdir()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                server.close()
                continue
            with self._lock:
                self._open |= {client, server}
            _Wire(self, client, server)

    def _strikes(self, text: bytes) -> str | None:
        with self._lock:
            for place, (fault, wanted) in enumerate(self._faults):
                if wanted in text:
                    del self._faults[place]
                    return fault
            return None

    def _forget(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            end.close()


class _Wire:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._statements: dict[bytes, bytes] = {}
        self._withheld: str | None = None
        """What happens to the answer that comes next."""
        self._left = threading.Semaphore(0)
        threading.Thread(target=self._to_server, daemon=True).start()
        threading.Thread(target=self._to_client, daemon=True).start()

    def _to_server(self) -> None:
        batch = b""
        fault = None
        with suppress(OSError):
            for kind, message in _messages(self._client, first=b""):
                batch += message
                if kind == _PARSE:
                    name, _, text = message[5:].partition(b"\0")
                    self._statements[name] = text
                elif kind == _BIND:
                    _, _, rest = message[5:].partition(b"\0")
                    fault = fault or self._proxy._strikes(self._statements.get(rest.partition(b"\0")[0], b""))
                if kind in (b"", _SYNC, _QUERY, _TERMINATE):
                    if fault is not None:
                        self._strike(fault, batch)
                        break
                    self._server.sendall(batch)
                    batch = b""
        if fault in (None, "unsent", "sent"):
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_WR)  # it deals with what it has, and ends
        self._left.acquire()
        self._proxy._forget(self._client, self._server)

    def _strike(self, fault: str, batch: bytes) -> None:
        if fault in ("answered", "half"):
            self._withheld = fault
            self._server.sendall(batch)
            return
        if fault == "sent":
            self._server.sendall(batch)
        if fault == "late":
            self._withheld = fault
            delivered = threading.Event()
            self._hold = delivered

            def send() -> None:
                with suppress(OSError):
                    self._server.sendall(batch)
                    self._server.shutdown(socket.SHUT_WR)
                delivered.wait()

            with self._proxy._lock:
                self._proxy._late.append(send)
        self._cut()

    def _cut(self) -> None:
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._proxy.struck.release()

    def _to_client(self) -> None:
        with suppress(OSError):
            for kind, message in _messages(self._server):
                if self._withheld is None:
                    with suppress(OSError):
                        self._client.sendall(_OWN_KEY if kind == _KEY and self._proxy.own_key else message)
                elif self._withheld == "half" and kind != _READY:
                    with suppress(OSError):
                        self._client.sendall(message)
                elif kind == _READY and self._withheld != "late":
                    self._cut()
                    break
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        if self._withheld == "late":
            self._hold.set()
        self._left.release()


class Pooler:
    """A pooler that lends the server's connections for one transaction each, last used first."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pooler-"))
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / server.name))
        self._listening.listen()
        self._idle: list[tuple[socket.socket, Iterator[Message]]] = []
        self._clients: list[socket.socket] = []
        self._greeting = b""
        """What the server says at the start of a session, which clients after the first are told from memory."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for end in [*self._clients, *(server for server, _ in self._idle)]:
            end.close()
        (self.folder / self._server.name).unlink()
        self.folder.rmdir()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            requests = _messages(client, first=b"")
            _, startup = next(requests)
            if not self._greeting:
                self._idle.append(self._ready(startup))
            client.sendall(self._greeting)
            batch = b""
            lent = None
            for kind, message in requests:
                if kind == _TERMINATE:
                    break
                batch += message
                if kind not in (_SYNC, _QUERY):
                    continue
                server, answers = lent = lent or (self._idle.pop() if self._idle else self._ready(startup))
                server.sendall(batch)
                batch = b""
                state = b""
                for answer, content in answers:
                    client.sendall(content)
                    if answer == _READY:
                        state = content[5:]
                        break
                if state == b"I":
                    self._idle.append(lent)
                    lent = None
        client.close()

    def _ready(self, startup: bytes) -> tuple[socket.socket, Iterator[Message]]:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server))
        server.sendall(startup)
        answers = _messages(server)
        greeting = b""
        for kind, message in answers:
            greeting += _OWN_KEY if kind == _KEY else message
            if kind == _READY:
                break
        self._greeting = greeting
        return server, answers


def _messages(end: socket.socket, first: bytes | None = None) -> Iterator[Message]:
    """What comes from one end of a wire; the first message of a client has no kind."""
    kind: bytes | None = first
    while True:
        if kind is None:
            kind = _exactly(end, 1)
            if not kind:
                return
        head = _exactly(end, 4)
        if len(head) < 4:
            return
        [size] = unpack("!I", head)
        yield kind, kind + head + _exactly(end, size - 4)
        kind = None


def _exactly(end: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = end.recv(size - len(found))
        if not piece:
            return b""
        found += piece
    return found

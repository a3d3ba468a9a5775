"""Serving the API in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

import uvicorn

from penstock.api.app import create_app
from penstock.api.etags import ETags
from penstock.api.reading import Reading
from penstock.api.security import Guard, Rules, is_loopback
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.api.service import Service
    from penstock.manager import WorkflowManager

SHORTEST_TOKEN = 16
_PATIENCE = 30.0
"""Seconds that the server has to begin, or to end."""


class _Uvicorn(uvicorn.Server):
    """One that says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.began = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.began.set()


class Server:
    """A server that goes on in a thread of its own until it is stopped."""

    def __init__(
        self, server: _Uvicorn, reading: Reading, listening: socket.socket, host: str, own: WorkflowManager | None
    ) -> None:
        self.port: int = listening.getsockname()[1]
        self.host = host
        self._server = server
        self._reading = reading
        self._listening = listening
        self._own = own
        self._thread = threading.Thread(target=self._serve, name="penstock-api", daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def begin(self) -> None:
        """Return when requests are answered."""
        self._thread.start()
        if not self._server.began.wait(_PATIENCE):
            raise PenstockError(f"the web interface at {self.url} did not begin")

    def stop(self) -> None:
        """Answer what has been asked, and end. Stopping twice is harmless."""
        self._reading.stopping.set()
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._listening.close()
        if self._own is not None:
            self._own.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._listening])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def serve(
    store: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    token: str | None = None,
    hosts: Collection[str] = (),
    service: Service | None = None,
    manager: WorkflowManager | None = None,
) -> Server:
    """Begin to serve what is in a store, or what a manager keeps, in a thread of this process.

    Beyond the loopback it is served with a `token` alone, which requests then bring. `hosts` are other names by which
    this machine is called, `service` is who drives runs; with port 0 the system finds a free one. PenstockError if it
    cannot begin."""
    _check(host, token)
    own = None
    if manager is None:
        from penstock.manager import WorkflowManager

        manager = own = WorkflowManager(store, observers=[])
    listening = _listen(host, port)
    try:
        reading = Reading(manager, service)
        rules = Rules(token, frozenset(name.lower() for name in hosts))
        config = uvicorn.Config(
            Guard(ETags(create_app(reading, rules)), rules),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=64 * 1024,
        )
        server = Server(_Uvicorn(config), reading, listening, host, own)
        server.begin()
    except BaseException:
        listening.close()
        if own is not None:
            own.close()
        raise
    return server


def _check(host: str, token: str | None) -> None:
    """What may not be served."""
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise PenstockError(f"the token is too easy to guess: it has at least {SHORTEST_TOKEN} letters of ASCII")
    if token is None and not is_loopback(host):
        raise PenstockError(
            f"{host} can be reached from other machines, where anybody could run what he likes here: "
            "set a token, or serve on 127.0.0.1"
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # By the protocol, asyncio knows that it may switch Nagle's algorithm off, which else waits 40 ms for an ACK.
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(256)
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        raise PenstockError(f"{host}:{port} cannot be served: {error}") from error
    return listening

"""Real servers on this machine's loopback: one that takes HTTP posts, one that takes e-mail."""

from __future__ import annotations

import json
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Post:
    """A request, as it came."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.content)


@dataclass
class Web:
    """What came, and what is answered: one after the other of `answers`, and 200 when they are used up."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    before: Callable[[Post], None] = lambda post: None
    """Called with each request before it is answered."""
    arrived: queue.SimpleQueue[Post] = field(default_factory=queue.SimpleQueue)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def web(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A server for HTTP, or HTTPS."""
    seen = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            post = Post(self.path, {name.lower(): text for name, text in self.headers.items()}, self.rfile.read(length))
            seen.posts.append(post)
            seen.arrived.put(post)
            seen.before(post)
            status, headers = seen.answers.pop(0) if seen.answers else (200, {})
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            if tls is not None:  # a client that does not like it is the thread's trouble
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, *arguments: object) -> None:
            """A client that goes away in the middle is no trouble."""

    server = Server(("127.0.0.1", 0), Handler)
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class PostOffice:
    """What e-mail came, and what is answered."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def post_office(tls: ssl.SSLContext | None = None, password: str = "") -> Iterator[PostOffice]:
    """A server for e-mail: with TLS, one that wants STARTTLS and then a login with this password."""
    seen = PostOffice()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            if seen.answers:
                return seen.answers.pop(0)
            letter = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
            seen.letters.append(letter)
            return "250 taken"

    def log_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        seen.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == password, handled=False)

    class AnyPort(Controller):
        def _trigger_server(self) -> None:
            server: Any = self.server
            self.port = server.sockets[0].getsockname()[1]
            super()._trigger_server()

    secured: dict[str, Any] = {
        "tls_context": tls,
        "require_starttls": True,
        "authenticator": log_in,
        "auth_required": True,
    }
    controller = AnyPort(Handler(), hostname="127.0.0.1", port=0, ready_timeout=30, **(secured if tls else {}))
    controller.start()
    seen.port = controller.port
    try:
        yield seen
    finally:
        controller.stop()

"""Who may ask what: the checks that every request passes before anything else looks at it.

- Host: a page of the web whose name suddenly leads to this machine (DNS rebinding) cannot speak to it.
- Origin: a page of another site cannot have the user's browser ask anything that changes something (CSRF).
- Token: where one is set, nothing is answered without it.
- Size: no more of a body is read than may be.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.api.problems import problem

COOKIE = "penstock_token"
MOST_BYTES = 1_100_000
"""A body may bring what a message of a run may be, and a little around it."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?", re.IGNORECASE)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
OPEN = ("/api/v1/session",)
"""Where one gets in: these ask for no token, since it is given there."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of requests."""

    token: str | None = None
    hosts: Collection[str] = ()
    """Names by which this server may be called, besides those of the loopback. With a token, any."""

    def knows_host(self, host: str) -> bool:
        """Whether somebody who asks for this host may mean this server."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].strip("[]").lower().rstrip(".")
        return self.token is not None or is_loopback(name) or name in self.hosts

    def is_token(self, given: str | None) -> bool:
        """Whether this is the token."""
        return self.token is None or hmac.compare_digest((given or "").encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether a name or address is that of this machine for itself alone."""
    if host.lower() in ("localhost", "ip6-localhost") or host.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Passes on what is allowed, and gives every answer the headers that keep a browser from doing more with it."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        answered = False

        async def answer(message: Message) -> None:
            nonlocal answered
            answered = message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in _HEADERS.items():
                    headers.setdefault(name, text)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            status, kind, detail = refusal
            extra = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await problem(status, kind, detail, headers=extra)(scope, receive, answer)
            return
        try:
            await self._app(scope, _Bounded(receive), answer)
        except Exception:
            if not answered:  # else it is in the log, and the client has heard of it
                raise

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._rules.knows_host(hosts[0]):
            return 421, "wrong-host", "this server does not go by that name: open it as localhost or 127.0.0.1"
        if scope["method"] not in _SAFE:
            if not _is_own(headers, hosts[0]):
                return 403, "wrong-origin", "a page of another site may not ask this"
            if not _is_json(headers):
                return 415, "not-json", "send JSON, as Content-Type: application/json"
        length = headers.get("content-length", "")
        if length and (not length.isdecimal() or len(length) > 18 or int(length) > MOST_BYTES):
            return 413, "too-large", f"a request has at most {MOST_BYTES:,} bytes"
        if path.startswith("/api/") and path not in OPEN and not self._rules.is_token(_given_token(headers)):
            return 401, "token-needed", "send the token of this server, as Authorization: Bearer TOKEN"
        return None


class _Bounded:
    """Reads a body as far as it may go."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > MOST_BYTES:
                raise HTTPException(413, f"a request has at most {MOST_BYTES:,} bytes")
        return message


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a request that may change something was made by one of our own pages, or by no page at all."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origins = headers.getlist("origin")
    if not origins:
        return True
    try:
        parts = urlsplit(origins[0])
    except ValueError:
        return False
    return len(origins) == 1 and parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_json(headers: Headers) -> bool:
    """Whether a body, if there is one, is JSON: which no page can send elsewhere without asking first."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kinds = headers.getlist("content-type")
    if not kinds:
        return not has_body
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == "application/json"


def _given_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None else None

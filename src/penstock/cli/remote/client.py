"""A client of the HTTP API, for commands. It follows no redirects: a token goes nowhere but where it is meant to."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from penstock import errors
from penstock.errors import PenstockError, StoreError

BASE = "/api/v1"
PATIENCE = 60.0
"""Seconds for which a server may say nothing."""
MOST_BYTES = 500_000_000
_PAGE = 500
_MOST_EMPTY = 100
"""Pages with nothing on them, one after the other: where few runs of very many are asked for there may be some."""
_KNOWN = (
    *("RunNotFound", "TaskNotFound", "PoolNotFound", "ScheduleNotFound", "RunLocked", "LeaseLost", "PlanMismatch"),
    *("RunEnded", "NotWaiting", "LogicalTimeTaken", "ValueUnavailable", "ParameterError", "StoreError"),
)
"""Errors that are told as they would be here, with the same exit code."""


class ServerError(StoreError):
    """A server cannot be reached, or answers what no service of Penstock does."""


class Client:
    """Asks one server."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = _checked(url)
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/") + BASE
        self._headers = {"Accept": "application/json", "User-Agent": "penstock"}
        if token:
            if not token.isascii() or not token.isprintable():
                raise PenstockError("the token in PENSTOCK_TOKEN is none: it has letters of ASCII alone")
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection = (
            HTTPSConnection(parts.hostname or "", parts.port, timeout=PATIENCE, context=ssl.create_default_context())
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        )

    def get(self, *path: str, **query: Any) -> Any:
        """What an answer says. The error that the server tells; ServerError if it tells nothing that makes sense."""
        return self._ask("GET", path, query, None)

    def post(self, *path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Any:
        """The same of what is asked for; with a `key` it is done once, however often it is sent."""
        return self._ask("POST", path, {}, body or {}, {"Idempotency-Key": key} if key is not None else {})

    def pages(self, *path: str, limit: int | None = None, **query: Any) -> Iterator[Any]:
        """The items of a list, page by page."""
        left, cursor, empty = limit, None, 0
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.get(*path, limit=size, **query, **({"cursor": cursor} if cursor is not None else {}))
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            empty = 0 if page["items"] else empty + 1
            before, cursor = cursor, page["next"]
            if cursor is None:
                return
            if not isinstance(cursor, str) or cursor == before or empty > _MOST_EMPTY:
                raise ServerError(
                    f"{self.url} is no service of Penstock, or something is wrong with it: a list has no end"
                )

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
        extra: Mapping[str, str] | None = None,
    ) -> Any:
        target = self._path + "".join(f"/{quote(part, safe='')}" for part in path)
        asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        if asked:
            target += f"?{urlencode(asked, doseq=True)}"
        headers = self._headers | dict(extra or {})
        content = None
        if body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            self._connection.request(method, target, content, headers)
            response = self._connection.getresponse()
            text = response.read(MOST_BYTES + 1)
        except (OSError, HTTPException, ValueError) as error:
            self._connection.close()
            reason = "it says nothing" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise ServerError(f"the service at {self.url} cannot be asked: {reason}") from error
        if len(text) > MOST_BYTES or response.will_close:
            self._connection.close()
        return self._read(response, text)

    def _read(self, response: HTTPResponse, text: bytes) -> Any:
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if 300 <= response.status < 400:
            where = response.getheader("Location") or "elsewhere"
            raise ServerError(f"{self.url} leads to {where}: give the address of the service itself")
        try:
            told = json.loads(text) if kind in ("application/json", "application/problem+json") else None
        except (ValueError, RecursionError):
            told = None
        if 200 <= response.status < 300 and kind == "application/json" and told is not None:
            return told
        if kind == "application/problem+json" and isinstance(told, dict) and isinstance(told.get("detail"), str):
            raise _error(str(told.get("type")), told["detail"], self.url)
        raise ServerError(
            f"{self.url} is no service of Penstock, or something is wrong with it: it answers {response.status} "
            f"{response.reason}, {kind or 'nothing'}"
        )


def _checked(url: str) -> Any:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PenstockError(f"{url!r} is no address of a service: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not url.isprintable():
        raise PenstockError(f"{url!r} is no address of a service: write it as http://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment:
        raise PenstockError("the address of a service has neither a name nor a query: give the token by PENSTOCK_TOKEN")
    return parts


def _error(kind: str, detail: str, url: str) -> PenstockError:
    """The error behind a problem."""
    if kind == "urn:penstock:token-needed":
        return PenstockError(f"the service at {url} wants its token: give it by PENSTOCK_TOKEN")
    if kind == "urn:penstock:workflow-not-found":
        return errors.ScheduleNotFound(detail)
    for name in _KNOWN:
        if kind == f"urn:penstock:{_urn(name)}":
            found: PenstockError = getattr(errors, name)(detail)
            return found
    return PenstockError(detail)


def _urn(name: str) -> str:
    """ "run-not-found" of RunNotFound."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", name.removesuffix("Error")).lower()

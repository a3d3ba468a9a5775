"""A notifier that posts each notice as JSON to a URL.

Requests are signed as Standard Webhooks says (https://www.standardwebhooks.com): the header `webhook-signature` is
"v1," and the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY", where ID and TIMESTAMP stand in `webhook-id` and
`webhook-timestamp`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from time import time
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from penstock.errors import NoticeRefused, TryLater
from penstock.observe.notifiers.addresses import connect, is_public
from penstock.observe.notifiers.options import Options
from penstock.observe.notifiers.wording import command, shortened, subject
from penstock.policy import Notice

_AGAIN = (408, 425, 429)
"""Answers below 500 after which another try may fare better."""
_LONGEST_PAUSE = 3_600.0
_MOST_IDS = 100


class Webhook:
    """Posts notices to a URL. What fails on the way, and what the receiver is too busy for, is tried again; what it
    will not have is given up. Redirects are not followed."""

    def __init__(self, options: Options) -> None:
        options.needed("url", "url_env")
        self._url = _read_url(options)
        self._secret = _key(options.secret("secret_env"), options)
        self._token = options.secret("token_env")
        self._timeout = options.number("timeout", 10.0)
        self._allow_private = options.flag("allow_private")
        self._refuse_literal(options)

    def notify(self, notice: Notice) -> None:
        """Post a notice."""
        content = json.dumps(payload(notice)).encode()
        connection = _Connection(self._url, self._timeout, allow_private=self._allow_private)
        try:
            connection.request("POST", _target(self._url), content, self._headers(notice, content))
            with connection.getresponse() as answer:
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except http.client.HTTPException as error:  # its text may show what the URL keeps secret
            raise OSError(f"{self._host} gave no answer that is HTTP ({type(error).__name__})") from None
        finally:
            connection.close()
        if connection.is_cut_off:
            raise TimeoutError(f"{self._host} did not come to an end of its answer within {self._timeout:g} s")
        self._judge(status, retry_after)

    @property
    def _host(self) -> str:
        """All that is shown of the URL: its path may be a secret."""
        return str(self._url.hostname)

    def _headers(self, notice: Notice, content: bytes) -> dict[str, str]:
        name = quote(notice.id, safe="/%[]:.-_~")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "penstock",
            "Idempotency-Key": name,
            "webhook-id": name,
            "webhook-timestamp": f"{time():.0f}",
        }
        if self._secret:
            signed = f"{name}.{headers['webhook-timestamp']}.".encode() + content
            digest = hmac.new(self._secret, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        elif self._url.username is not None:
            login = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers

    def _judge(self, status: int, retry_after: str) -> None:
        if 200 <= status < 300:
            return
        answer = f"{self._host} answered {status}{_phrase(status)}"
        if status in _AGAIN or status >= 500:
            if seconds := _seconds(retry_after):
                raise TryLater(answer, min(seconds, _LONGEST_PAUSE))
            raise OSError(answer)
        if 300 <= status < 400:
            answer += "; redirects are not followed: give the URL that it leads to"
        raise NoticeRefused(answer)

    def _refuse_literal(self, options: Options) -> None:
        """An address that is written down is judged at once, others when they are looked up."""
        try:
            address = ip_address(self._host.partition("%")[0])
        except ValueError:
            return
        if not self._allow_private and not is_public(address):
            raise options.wrong(f"{address} is not of the public Internet; if it is meant, set allow_private = true")


class _Connection(http.client.HTTPConnection):
    """One that goes to an address that was judged, and is cut off if the whole takes too long."""

    def __init__(self, url: SplitResult, timeout: float, *, allow_private: bool) -> None:
        is_tls = url.scheme == "https"
        super().__init__(str(url.hostname), url.port or (443 if is_tls else 80), timeout=timeout)
        self._is_tls = is_tls
        self._seconds = timeout
        self._allow_private = allow_private
        self._watch: threading.Timer | None = None
        self.is_cut_off = False

    def connect(self) -> None:
        """Connect, with TLS if the URL says so."""
        self.sock = connect(self.host, self.port, self._seconds, allow_private=self._allow_private)
        self._watch = threading.Timer(self._seconds, self._cut_off)
        self._watch.daemon = True
        self._watch.start()
        if self._is_tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def close(self) -> None:
        """Let go of the connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().close()

    def _cut_off(self) -> None:
        self.is_cut_off = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def payload(notice: Notice) -> dict[str, Any]:
    """A notice as JSON has it."""
    error = notice.error
    told: dict[str, Any] = {
        "id": notice.id,
        "kind": notice.kind,
        "text": subject(notice),
        "workflow": notice.workflow,
        "run": notice.run_id,
        "task": notice.task,
        "generation": notice.generation,
        "attempt": notice.attempt,
        "at": notice.at,
        "error": error and {name: shortened(getattr(error, name)) for name in ("type", "message", "traceback")},
        "reason": notice.reason or None,
        "more": command(notice),
    }
    if notice.stands_for:
        told["stands_for"] = {"count": len(notice.stands_for), "ids": notice.stands_for[:_MOST_IDS]}
    return told


def _read_url(options: Options) -> SplitResult:
    """The URL, which is not shown where it is wrong."""
    plain = options.text("url")
    text = options.secret("url_env") or plain
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise options.wrong("its URL cannot be read") from None
    if url.scheme not in ("http", "https"):
        raise options.wrong("its URL is not one of http:// or https://")
    if not url.hostname or port == 0 or any(char <= " " or char == "\x7f" for char in text):
        raise options.wrong("its URL cannot be read: write https://host/path")
    if plain and url.username is not None:
        raise options.wrong(
            "its URL has a user or password in it, which does not belong into a file: put the URL into an environment "
            'variable, and its name here: url_env = "VARIABLE"'
        )
    return url


def _target(url: SplitResult) -> str:
    path = quote(url.path or "/", safe="/%:@!$&'()*+,;=-._~")
    return f"{path}?{quote(url.query, safe='=&%/:@!$()*+,;?-._~')}" if url.query else path


def _key(secret: str, options: Options) -> bytes:
    """The bytes of a secret: of one in the form of Standard Webhooks those that it encodes."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise options.wrong("its secret begins with whsec_, and base64 does not follow") from None


def _phrase(status: int) -> str:
    return f" {HTTPStatus(status).phrase}" if status in HTTPStatus.__members__.values() else ""


def _seconds(retry_after: str) -> float:
    """What a Retry-After header says, in seconds; 0 if it says nothing that can be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time(), 0.0)
    except (ValueError, TypeError):
        return 0.0

"""`wait_for_url`: a task that waits until a URL gives the answer that is wanted."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from penstock.definition.decorators import task
from penstock.definition.secret import Secret
from penstock.errors import Fail
from penstock.executor.current import current
from penstock.policy import Done

MOST_BYTES = 1_000_000
"""So much of an answer is read."""
MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_SUCCESS = range(200, 300)


@task.sensor(poll_interval=30, waits_for="an answer of {url}")
def wait_for_url(
    url: str,
    *,
    status: int | Sequence[int] = _SUCCESS,
    check: Callable[[str], object] | None = None,
    headers: Mapping[str, Any] | None = None,
    request_timeout: float = 10.0,
) -> Any:
    """Ask for a URL (GET) until it answers with this `status`, by default any of success, and `check`, if it is given,
    returns something true for the text of the answer. The text, of which the first megabyte is read.

    A host that cannot be reached, or that does not answer within `request_timeout` seconds, is asked again. Redirects
    are followed, `headers` (whose values may be secrets) go to no other host. A certificate that is not to be trusted
    fails the attempt."""
    wanted = (status,) if isinstance(status, int) else status
    try:
        answer = _fetch(url, _plain(headers or {}), request_timeout)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, http.client.HTTPException) as error:
        return _not_yet(url, f"gave no answer ({type(error).__name__}: {error})")
    if answer.status not in wanted:
        return _not_yet(url, f"answered {answer.status}")
    if check is not None and not check(answer.text):
        return _not_yet(url, f"answered {answer.status}, and check does not take the answer")
    return Done(answer.text)


class _Answer(NamedTuple):
    status: int
    location: str
    text: str


def _not_yet(url: str, why: str) -> bool:
    current().logger.info("%s %s", urlsplit(url).hostname, why)
    return False


def _plain(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value.get_secret_value() if isinstance(value, Secret) else value) for name, value in headers.items()
    }


def _fetch(url: str, headers: Mapping[str, str], timeout: float) -> _Answer:
    """The answer of a URL, after at most so many redirects. OSError or HTTPException if there is none; Fail for what no
    other time would make better."""
    sent = dict(headers)
    place = _parsed(url)
    for _ in range(MOST_REDIRECTS + 1):
        answer = _ask(place, sent, timeout)
        if answer.status not in _REDIRECTS or not answer.location:
            return answer
        target = _parsed(urljoin(place.geturl(), answer.location))
        if (place.scheme, target.scheme) == ("https", "http"):
            raise Fail(f"{place.hostname} leads from https to http, where anybody on the way could answer")
        if _origin(target) != _origin(place):
            sent = {}
        place = target
    raise Fail(f"{place.hostname}: more than {MOST_REDIRECTS} redirects, one after the other")


def _ask(url: SplitResult, headers: Mapping[str, str], timeout: float) -> _Answer:
    """One request. It is cut off if all of it takes longer than `timeout`."""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(url.hostname), url.port, timeout=timeout)
    is_cut_off = threading.Event()
    late = threading.Timer(timeout, _cut_off, [connection, is_cut_off])
    late.daemon = True
    late.start()
    try:
        connection.request("GET", _target(url), headers={"User-Agent": "penstock", **headers})
        with connection.getresponse() as answer:
            content = answer.read(MOST_BYTES)
            broke_off = bool(answer.length) and len(content) < MOST_BYTES
            charset = answer.headers.get_content_charset() or "utf-8"
            status, location = answer.status, answer.headers.get("Location", "")
    finally:
        late.cancel()
        connection.close()
    if is_cut_off.is_set():
        raise TimeoutError(f"its answer took longer than {timeout:g} s")
    if broke_off:
        raise ConnectionError("its answer broke off")
    return _Answer(status, location, _decoded(content, charset))


def _cut_off(connection: http.client.HTTPConnection, is_cut_off: threading.Event) -> None:
    is_cut_off.set()
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        pass


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _parsed(url: Any) -> SplitResult:
    try:
        parsed: SplitResult = urlsplit(url)
        fits = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except (ValueError, AttributeError, TypeError):
        fits = False
    if not fits or not isinstance(url, str) or any(char <= " " or char == "\x7f" for char in url):
        raise Fail("its URL cannot be read: write https://host/path")
    if parsed.username is not None:
        raise Fail("its URL has a user or password in it, which everybody would see: give it in headers, as a secret")
    return parsed


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or (443 if url.scheme == "https" else 80)


def _target(url: SplitResult) -> str:
    path = quote(url.path or "/", safe="/%:@!$&'()*+,;=-._~")
    return f"{path}?{quote(url.query, safe='=&%/:@!$()*+,;?-._~')}" if url.query else path

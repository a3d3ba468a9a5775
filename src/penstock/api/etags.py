"""ETags: an answer that has not changed is not sent again."""

from __future__ import annotations

from hashlib import blake2b

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KINDS = ("application/json", "text/plain")
_LARGEST = 32_000_000


class ETags:
    """Gives every whole answer to a GET a digest of it for a name, and answers 304 to whoever has it already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match")
        start: Message | None = None

        async def answer(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_whole(message):
                start = message
            elif start is None:
                await send(message)
            elif message.get("more_body"):
                begun, start = start, None
                await send(begun)
                await send(message)
            else:
                begun, start = start, None
                await _send_named(send, begun, message, known)

        await self._app(scope, receive, answer)


def _is_whole(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    length = headers.get("content-length", "")
    return (
        message["status"] == 200
        and headers.get("content-type", "").partition(";")[0] in _KINDS
        and "etag" not in headers
        and length.isdecimal()
        and int(length) <= _LARGEST
    )


async def _send_named(send: Send, start: Message, body: Message, known: str | None) -> None:
    content = body.get("body", b"")
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers = MutableHeaders(raw=start["headers"])
    headers["ETag"] = tag
    if known is not None and tag in [one.strip().removeprefix("W/") for one in known.split(",")]:
        del headers["Content-Length"]
        del headers["Content-Type"]
        start, body = {**start, "status": 304}, {**body, "body": b""}
    await send({**start, "headers": headers.raw})
    await send(body)

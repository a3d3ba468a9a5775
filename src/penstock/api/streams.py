"""Server-sent events: a text that goes on, as browsers and `curl` read it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that nobody between takes the stream for dead."""
BEAT = ": all is well\n\n"
RETRY = "retry: 1000\n\n"
"""How many milliseconds a browser waits before it connects again."""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events, as they come; the data of each is JSON",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("event", "data", "id")},
                    "required": ["event", "data"],
                }
            }
        },
    }
}


class EventStream(StreamingResponse):
    """Events that are sent as they come."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def event(name: str, data: Any, id: str | None = None) -> str:
    """One event as text."""
    head = f"id: {id}\n" if id is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"

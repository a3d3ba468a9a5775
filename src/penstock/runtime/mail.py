"""Messages to a run: sent by whoever wants to tell it something, read by its driver from the run's inbox."""

from __future__ import annotations

import json

from penstock.engine.events import MessageReceived, ValueRef
from penstock.store.base import Store

OWN = "penstock"
"""Who sends what nobody has sent."""
KIND = "message"
"""The kind of messages in an inbox that hold one of these."""


def send(store: Store, run_id: str, topic: str, value: ValueRef | None, by: str) -> None:
    """Tell a run something. It is safe when this returns; nobody need be driving the run."""
    store.post(run_id, KIND, json.dumps({"topic": topic, "value": value, "by": by}))


def read(body: str, at: float) -> MessageReceived | None:
    """What a message in an inbox says; None if it is not such as `send` writes."""
    try:
        told = json.loads(body)
        topic, value, by = told["topic"], told["value"], told["by"]
        ref = None if value is None else ValueRef(*value)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(topic, str) or not isinstance(by, str) or not (ref is None or _is_reference(ref)):
        return None
    return MessageReceived(at, topic, ref, by)


def _is_reference(ref: ValueRef) -> bool:
    return (
        isinstance(ref.codec, str)
        and type(ref.size) is int
        and isinstance(ref.digest, (str, type(None)))
        and isinstance(ref.inline, (str, type(None)))
    )

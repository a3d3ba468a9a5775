"""Sending messages to runs: what may be sent, and to which runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.clock import Clock
from penstock.definition.secret import has_secrets, holds_secret
from penstock.engine.events import ValueRef
from penstock.errors import PenstockError, RunEnded
from penstock.executor.letters import check_topic
from penstock.results.tagged_json import NotPlain, dumps
from penstock.runtime import mail
from penstock.runtime.history import ENDED, History
from penstock.store.base import RunRow, Store

MOST_BYTES = 1_000_000
"""A message is read again whenever its run is: what is larger is kept elsewhere, and named in it."""
LONGEST_NAME = 200
_PAUSE = 0.05
"""Seconds between two looks whether an answer is there."""
_PATIENCE = 1.0
"""Seconds after which it is said that a driver is waited for."""


def send(history: History, run_id: str | None, topic: str, value: Any, by: str) -> str:
    """Send a run a message; the run's id. It is on disk when this returns, and counts when the run goes on if nobody
    drives it now. RunEnded for a run that has ended; PenstockError for what cannot be sent."""
    row = row_to_send_to(history, run_id)
    mail.send(history.store, row.id, check_topic(topic), message_of(value), checked_name(by))
    return row.id


def await_answer(
    store: Store, run_id: str, is_open: Callable[[], object], clock: Clock, waiting: Callable[[], None] | None
) -> bool:
    """Wait until the driver of a run has answered what it was sent, and call `waiting` if that takes long. Whether it
    has: there may be no driver any more."""
    began = clock.monotonic()
    while is_open():
        if store.holder(run_id) is None:
            return False
        if waiting is not None and clock.monotonic() - began > _PATIENCE:
            waiting()
            waiting = None
        clock.sleep(_PAUSE)
    return True


def row_to_send_to(history: History, run_id: str | None) -> RunRow:
    """The row of a run, if it has not ended. RunEnded if it has."""
    row = history.row(run_id)
    if row.state in ENDED:
        raise RunEnded(f"run {row.id} has ended already: it is {row.state}, and nothing waits for a message any more")
    return row


def message_of(value: Any) -> ValueRef | None:
    """A plain value as a message carries it. PenstockError for one that cannot be sent."""
    if value is None:
        return None
    try:
        text = dumps(value)
    except NotPlain as error:
        raise PenstockError(
            f"this cannot be sent: {error}; a message is a number, a text, a date, or a list or dict of such"
        ) from None
    size = len(text.encode())
    if size > MOST_BYTES:
        raise PenstockError(
            f"this cannot be sent: it has {size:,} bytes, and a message has at most {MOST_BYTES:,}: "
            "keep it in a file or a table, and send where it is"
        )
    if has_secrets() and holds_secret(text.encode()):
        raise PenstockError("this cannot be sent: it has the value of a secret in it, and messages are kept and shown")
    return ValueRef("json", size, None, text)


def checked_name(by: str) -> str:
    """The name of somebody who sends something. PenstockError for what is none."""
    if not isinstance(by, str) or not by.strip() or not by.isprintable() or len(by) > LONGEST_NAME:
        raise PenstockError(
            f"who sends it is a name of 1 to {LONGEST_NAME} characters that can be printed, not {by!r:.60}"
        )
    return by

"""What the bodies and callbacks of the reference run write into its ledger."""

from __future__ import annotations

import os

from penstock import Notice, current
from penstock.errors import PenstockError
from penstock.executor.current import Current
from tests.faults.ledger import digest_of, note

LEDGER = "REFERENCE_LEDGER"
"""The environment variable that says where the ledger is, for bodies and callbacks in any process."""


def begin(*inputs: object) -> Current | None:
    """Note that a body begins. None where it is called for its value alone, outside of a run."""
    try:
        attempt = current()
    except PenstockError:
        return None
    place = os.environ[LEDGER]
    number, generation = attempt.attempt, attempt.generation
    note(place, "start", task=attempt.task, attempt=number, generation=generation, inputs=digest_of(*inputs))
    return attempt


def told(notice: Notice) -> None:
    """A callback."""
    note(os.environ[LEDGER], "notice", id=notice.id, what=notice.kind, task=notice.task)

"""Transactional loads: an effect that commits together with a receipt, in the database that it is made in.

The receipt is written first and completed last, all in one transaction. So wherever an attempt dies, the database has
either both or neither, and the attempt after it can see which; and of two attempts at the same time, one waits for the
other's receipt or fails on its primary key. The pattern is known as that of the idempotent consumer (Chris Richardson,
microservices.io/patterns/communication-style/idempotent-consumer.html).

All SQL here is written out, with values that need no quoting in any dialect, since the drivers' ways to pass parameters
differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from inspect import iscoroutine
from time import sleep
from typing import Any, TypeVar

from penstock.errors import PenstockError
from penstock.executor.target import Target
from penstock.results import tagged_json

T = TypeVar("T")

LONGEST_VALUE = 2_000
"""Bytes of a value as JSON: twice that, in hexadecimal digits, fits the plain text column of every database."""
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TABLE = """CREATE TABLE penstock_receipt (
    key_sha256 VARCHAR(64) NOT NULL PRIMARY KEY,
    run_id VARCHAR(200),
    task VARCHAR(200),
    name VARCHAR(200),
    written_at VARCHAR(40) NOT NULL,
    value_hex VARCHAR(4000)
)"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Says that something was done, under an idempotency key and a name that tells it from what else the task does."""

    key: str
    run_id: str
    task: str
    name: str = ""

    @property
    def digest(self) -> str:
        """What stands for key and name in the table."""
        return sha256(json.dumps([self.key, self.name]).encode()).hexdigest()

    def select(self) -> str:
        """The statement that reads its value."""
        return f"SELECT value_hex FROM penstock_receipt WHERE key_sha256 = '{self.digest}'"

    def insert(self) -> str:
        """The statement that claims it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (
            "INSERT INTO penstock_receipt (key_sha256, run_id, task, name, written_at) VALUES "
            f"('{self.digest}', '{_legible(self.run_id)}', '{_legible(self.task)}', '{_legible(self.name)}', '{now}')"
        )

    def complete(self, value: str) -> str:
        """The statement that completes it."""
        return f"UPDATE penstock_receipt SET value_hex = '{value.encode().hex()}' WHERE key_sha256 = '{self.digest}'"


def once(target: Target, receipt: Receipt, body: Callable[[], T], *, may_commit: Callable[[], None]) -> T:
    """Call `body` in a transaction together with the receipt, unless that is there already; its value, or the one on
    record. `may_commit` is called last, and raises if the effect is not wanted any more.

    Errors: whatever the body or the database raises, after which nothing is done; PenstockError for a connection, body
    or value that is not fit.
    """
    recorded = _recorded(target, receipt)
    pauses = iter(_PAUSES)
    while recorded is None:
        try:
            return _make(target, receipt, body, may_commit)
        except _Refused as refusal:
            # Perhaps another attempt was faster; perhaps this one has committed, and only the answer was lost.
            recorded = _find(target, receipt)
            if recorded is None:
                pause = next(pauses, None)
                if pause is None or not refusal.taken:
                    raise refusal.error from None
                sleep(pause)  # the other attempt's receipt is there and cannot be seen yet
    made: T = _value(recorded, receipt)
    return made


def _make(target: Target, receipt: Receipt, body: Callable[[], T], may_commit: Callable[[], None]) -> T:
    """The effect and its receipt."""
    with target.transaction():
        with _its_own_errors():
            target.execute(receipt.insert())
        target.mark()
        value = body()
        target.check()
        text = _text(value, receipt)
        target.execute(receipt.complete(text))
        may_commit()
        with _its_own_errors():
            target.commit()
    return value


class _Refused(Exception):
    """The database has not taken the receipt, or could not say so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def taken(self) -> bool:
        """Whether it was refused for its key: of all that PEP 249 lays down, only the names of errors tell."""
        return any(kind.__name__ == "IntegrityError" for kind in type(self.error).__mro__)


@contextmanager
def _its_own_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Refused(error) from error


def _recorded(target: Target, receipt: Receipt) -> tuple[Any, ...] | None:
    """The row on record, if there is one. The table is made if it is not there."""
    try:
        return _look(target, receipt)
    except PenstockError:
        raise
    except Exception:  # most likely there is no such table: each database says that in its own way
        return _in_new_table(target, receipt)


def _in_new_table(target: Target, receipt: Receipt) -> tuple[Any, ...] | None:
    failure: Exception | None = None
    try:
        with target.transaction():
            target.execute(TABLE)
            target.commit()
    except Exception as error:
        failure = error
        failure.add_note("This was to make the table penstock_receipt, which current().once() needs.")
    for pause in (0.0, 0.01, 0.1):
        sleep(pause)
        try:
            return _look(target, receipt)  # perhaps somebody else made it at the same moment
        except Exception as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _look(target: Target, receipt: Receipt) -> tuple[Any, ...] | None:
    with target.transaction(write=False):
        row = target.fetch(receipt.select())
    target.rollback()
    return row


def _find(target: Target, receipt: Receipt) -> tuple[Any, ...] | None:
    """The row on record, as far as can be seen after an error."""
    try:
        return _look(target, receipt)
    except Exception:
        return None


def _value(recorded: tuple[Any, ...], receipt: Receipt) -> Any:
    text = recorded[0]
    if text is None:
        raise PenstockError(
            f"an earlier attempt of task '{receipt.task}' committed in the middle of the body that it gave to once(), "
            "and did not come to its end: look at what it left in the database, then rerun the task"
        )
    if isinstance(text, bytes):
        text = text.decode()
    return tagged_json.loads(bytes.fromhex(text).decode())


def _text(value: Any, receipt: Receipt) -> str:
    """A value as it is kept. PenstockError if it cannot be."""
    where = f"the body that task '{receipt.task}' gave to once() returned"
    if iscoroutine(value):
        value.close()
        raise PenstockError(f"{where} a coroutine: give a plain function")
    try:
        text = tagged_json.dumps(value)
    except tagged_json.NotPlain as error:
        raise PenstockError(
            f"{where} something that cannot be kept in a receipt: {error}; return None, a number, text or date, or a "
            "list or dict of these. Nothing was committed"
        ) from None
    size = len(text.encode())
    if size > LONGEST_VALUE:
        raise PenstockError(
            f"{where} {size:,} bytes, and a receipt keeps {LONGEST_VALUE:,}: return a count or a key, and write the "
            "rest to the database. Nothing was committed"
        )
    return text


def _legible(text: str) -> str:
    """Text for people, of characters that mean nothing to any dialect or driver."""
    return re.sub(r"[^A-Za-z0-9_.,=\[\]()/ -]", "_", text)[:200]

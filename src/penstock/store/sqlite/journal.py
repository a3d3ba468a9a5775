"""The chain of a run's batches, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from penstock.engine.events import Event
from penstock.errors import StoreCorrupt
from penstock.store.records import decode_events
from penstock.store.sqlite.connection import Reader

_PAGE = 64  # batches that are fetched at a time
_SIZE = 16  # bytes of a checksum


def seed(run_id: str) -> bytes:
    """What stands before the first batch of a run."""
    return blake2b(run_id.encode("utf-8", "backslashreplace"), digest_size=_SIZE).digest()


def chained(previous: bytes, body: bytes) -> bytes:
    """The checksum of the batch that follows the one with checksum `previous`."""
    return blake2b(previous + body, digest_size=_SIZE).digest()


def read_batches(reader: Reader, query: str, run_id: str, number: int, after: int) -> Iterator[tuple[int, list[Event]]]:
    """The batches of run `number` after one of them. No transaction is open while the caller has a batch in hand."""
    last = max(after, 0)
    checksum = seed(run_id)
    if last:
        rows = reader.rows(query, number, last, 1)
        if rows and rows[0][0] == last:
            checksum = rows[0][2]
        elif rows:
            raise _corrupt(run_id, last, "is missing")
    while rows := reader.rows(query, number, last + 1, _PAGE):
        for batch, body, found in rows:
            last += 1
            if batch != last:
                raise _corrupt(run_id, last, "is missing")
            checksum = chained(checksum, body)
            if found != checksum:
                raise _corrupt(run_id, last, "does not fit its checksum")
            try:
                events = decode_events(body)
            except StoreCorrupt as error:
                raise _corrupt(run_id, last, f"cannot be read: {error}") from error
            yield last, events


def _corrupt(run_id: str, batch: int, what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"run {run_id}, batch {batch} of its journal {what}: the store was damaged, or edited by another program; "
        "restore a backup, or delete this run"
    )

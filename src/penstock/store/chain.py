"""The chain of a run's batches, and how it is read back.

The checksum of a batch is the BLAKE2b, 16 bytes, of the checksum before it and the batch's body; what stands before the
first is the BLAKE2b of the run's id. So a batch that was changed, lost, doubled or put elsewhere is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

from penstock.engine.events import Event
from penstock.errors import StoreCorrupt
from penstock.store.records import decode_events

_PAGE = 64  # batches that are fetched at a time
_SIZE = 16  # bytes of a checksum


def seed(run_id: str) -> bytes:
    """What stands before the first batch of a run."""
    return blake2b(run_id.encode("utf-8", "backslashreplace"), digest_size=_SIZE).digest()


def chained(previous: bytes, body: bytes) -> bytes:
    """The checksum of the batch that follows the one with checksum `previous`."""
    return blake2b(previous + body, digest_size=_SIZE).digest()


def read_chain(
    fetch: Callable[[int, int], Sequence[tuple[Any, ...]]], run_id: str, after: int
) -> Iterator[tuple[int, list[Event]]]:
    """The batches of a run after the one numbered `after`, each checked.

    `fetch(first, count)` gives so many batches, each as (number, body, checksum), from the number `first` on, in order.
    No call of it is under way while the caller has a batch in hand.
    """
    last = max(after, 0)
    checksum = seed(run_id)
    if last:
        rows = fetch(last, 1)
        if rows and rows[0][0] == last and type(rows[0][2]) is bytes:
            checksum = rows[0][2]
        elif rows:
            raise _corrupt(run_id, last, "is missing")
    while rows := fetch(last + 1, _PAGE):
        for batch, body, found in rows:
            last += 1
            if batch != last:
                raise _corrupt(run_id, last, "is missing")
            if type(body) is not bytes:  # a damaged page may hold anything
                raise _corrupt(run_id, last, "is no batch")
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

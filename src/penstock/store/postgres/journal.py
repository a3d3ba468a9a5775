"""How batches are written and read back.

A batch is written by one statement. When its answer is lost with the connection, nobody knows whether it was committed:
the lease remembers its number and checksum, and the next append looks whether it is there. The old statement may even
be under way still; then the second one meets it at the row of the lease, or at the batch's number, which is given once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import attrgetter

from penstock.engine.events import Event
from penstock.errors import StoreError
from penstock.store.base import DURATIONS_KEPT, Durations, RunChange
from penstock.store.chain import chained, read_chain, seed
from penstock.store.postgres.connection import Row, execute, storable
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.postgres.leases import PostgresLease, lost

_KEEP = RunChange()
_changes = attrgetter(
    *("state", "tasks", "started_at", "ended_at", "error", "counts", "undelivered", "reopened", "wake_at"),
)


def write_batch(
    pool: ConnectionPool, lease: PostgresLease, body: bytes, change: RunChange | None, taken: Sequence[int]
) -> None:
    """Put a batch at the end of a run's journal; see `Store.append`. The caller holds the lock of the lease."""
    number, previous = lease.tip or _last_batch(pool, lease)
    if lease.doubtful is not None:
        before, doubtful, checksum = lease.doubtful
        if (number, previous) == (doubtful, checksum) and chained(before, body) == checksum:
            lease.tip, lease.doubtful = (number, checksum), None
            return
    checksum = chained(previous, body)
    lease.tip, lease.doubtful = None, (previous, number + 1, checksum)
    batch = (lease.number, lease.token, number + 1, body, checksum, list(taken))
    write = _park if change is not None and change.state == "waiting" else ConnectionPool.rows
    if not write(pool, "append", *batch, change is not None, *storable(*_changes(change or _KEEP))):
        raise lost(lease)
    lease.tip, lease.doubtful = (number + 1, checksum), None
    if change is not None and change.durations is not None:
        _keep(pool, lease, change.durations)


def _park(pool: ConnectionPool, name: str, number: int, *values: object) -> list[Row]:
    with pool.connection() as db, db.transaction():
        found = execute(db, name, number, *values)
        execute(db, "heed", number)
        return found


def _keep(pool: ConnectionPool, lease: PostgresLease, durations: Durations) -> None:
    """What is learned from a run is not worth its failure: where this cannot be kept, it is not."""
    with suppress(StoreError):
        pool.rows("keep_durations", lease.number, lease.token, durations.plan, durations.body, DURATIONS_KEPT - 1)


def _last_batch(pool: ConnectionPool, lease: PostgresLease) -> tuple[int, bytes]:
    rows = pool.read("last_batch", lease.number)
    return (rows[0][0], rows[0][1]) if rows else (0, seed(lease.run_id))


def read_batches(pool: ConnectionPool, run_id: str, number: int, after: int) -> Iterator[tuple[int, list[Event]]]:
    """The batches of run `number` after one of them. No connection is in use while the caller has a batch in hand."""
    return read_chain(lambda first, count: pool.read("batches", number, first, count), run_id, after)

"""How the batches of a run are read back from the database."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.engine.events import Event
from penstock.store.chain import chained, read_chain, seed
from penstock.store.sqlite.connection import Reader

__all__ = ["chained", "read_batches", "seed"]


def read_batches(reader: Reader, query: str, run_id: str, number: int, after: int) -> Iterator[tuple[int, list[Event]]]:
    """The batches of run `number` after one of them. No transaction is open while the caller has a batch in hand."""
    return read_chain(lambda first, count: reader.rows(query, number, first, count), run_id, after)

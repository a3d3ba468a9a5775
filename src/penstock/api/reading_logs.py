"""The logs of a run, from a place on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from penstock.api.reading import Reading
from penstock.api.records import log_record
from penstock.logs.base import Position
from penstock.runtime.logbook import Entry, Logbook

PLACE = r"^[0-9]{1,9}\.[0-9]{1,12}$"


class LogsFrom(Logbook):
    """The logs after a place, narrowed to a generation if one is given."""

    def __init__(
        self,
        read: Reading,
        run_id: str,
        *,
        task: str | None = None,
        attempt: int | None = None,
        generation: int | None = None,
        after: Position | None = None,
    ) -> None:
        super().__init__(read.store, read.logs, run_id, task=task, attempt=attempt)
        self._after = after
        self._generation = generation

    def read(self) -> Iterator[Entry]:
        """What came since the last reading."""
        return (entry for entry in super().read() if self._generation in (None, entry.chunk.generation))


def position_of(text: str | None) -> Position | None:
    """The place that a client names, which is one of a log by its looks."""
    if text is None:
        return None
    segment, _, entry = text.partition(".")
    return Position(int(segment), int(entry))


def told(run_id: str, entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Entries, each with its place."""
    for entry in entries:
        segment, number = entry.chunk.position
        yield log_record(run_id, entry) | {"position": f"{segment}.{number}"}


def range_of(book: Logbook, run_id: str, limit: int, *, newest: bool) -> tuple[list[dict[str, Any]], bool]:
    """The first, or the newest, so many entries, and whether there are more after them."""
    if newest:
        return [*told(run_id, deque(book.read(), limit))], False
    found = [*told(run_id, islice(book.read(), limit + 1))]
    return found[:limit], len(found) > limit

"""Runs in a list, those of tasks under the runs that these are tasks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from penstock.store.base import RunRow

MOST_CHILDREN = 5
"""Of the runs that tasks of one run are, so many are listed: those that have not succeeded first."""


class Listed(NamedTuple):
    """A line of the list: a run, or how many are left out."""

    depth: int
    """How many runs it is within."""
    row: RunRow | None
    parent: str = ""
    left: int = 0


class Children(Protocol):
    """Who knows what runs the tasks of a run are: a store."""

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""


def families(store: Children, rows: Sequence[RunRow], depth: int = 0) -> Iterator[Listed]:
    """Runs, each with those of its tasks below it."""
    for row in rows:
        yield Listed(depth, row)
        children = [child for child in store.children(row.id) if child.part is not None]
        children.sort(key=lambda child: child.state == "success")
        yield from families(store, children[:MOST_CHILDREN], depth + 1)
        if len(children) > MOST_CHILDREN:
            yield Listed(depth + 1, None, row.id, len(children) - MOST_CHILDREN)

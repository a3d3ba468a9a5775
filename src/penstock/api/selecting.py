"""Pages of the runs on record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.api.cursors import cursor
from penstock.api.records import shown_state
from penstock.store.base import RunRow, Store

_MOST_READ = 20_000
"""So many runs are looked through for one page: where few fit, a page may be short and yet have another after it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs."""

    workflow: str | None = None
    states: Collection[str] = ()
    """As users see them; all without any."""
    trigger: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    parts: bool = False
    """Whether those too that are tasks of others."""


def page_of(
    store: Store, wanted: Wanted, limit: int, after: tuple[float, str] | None
) -> tuple[list[RunRow], str | None]:
    """The runs after a place, newest first, and the cursor of what follows them."""
    since, until = seconds(wanted.since), seconds(wanted.until)
    states = {"running" if state == "interrupted" else state for state in wanted.states} or None
    before = after if after is not None or until is None else (until, "")
    found: list[RunRow] = []
    read, size = 0, limit + 1
    while True:
        rows = store.runs(
            wanted.workflow, limit=size, states=states, trigger=wanted.trigger, since=since, before=before
        )
        for row in rows:
            if (until is None or row.created_at < until) and _fits(store, row, wanted):
                if len(found) == limit:
                    return found, cursor(found[-1].created_at, found[-1].id)
                found.append(row)
        read += len(rows)
        if len(rows) < size:
            return found, None
        before, size = (rows[-1].created_at, rows[-1].id), min(4 * size, 2_000)
        if read >= _MOST_READ:
            return found, cursor(*before)


def _fits(store: Store, row: RunRow, wanted: Wanted) -> bool:
    if row.part is not None and not wanted.parts:
        return False
    return not wanted.states or shown_state(store, row) in wanted.states


def seconds(at: datetime | None) -> float | None:
    """A time as it is on record; one without a zone is one of UTC."""
    if at is None:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()

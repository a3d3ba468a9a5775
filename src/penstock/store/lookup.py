"""How a shortened id finds its run, and that an id is given once."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import RunNotFound, StoreError
from penstock.store.base import RunRow


def only_match(prefix: str, rows: Sequence[RunRow]) -> RunRow:
    """The only one of the rows whose ids begin with `prefix`. RunNotFound if there is none, or a choice."""
    if not prefix:
        raise RunNotFound("an empty id names no run: give a run's id, or the first characters of it")
    if not rows:
        raise RunNotFound(f"no run has an id that begins with '{prefix}'")
    if len(rows) > 1:
        some = ", ".join(row.id for row in rows[:3]) + (", ..." if len(rows) > 3 else "")
        raise RunNotFound(f"'{prefix}' begins the ids of several runs ({some}): give more characters")
    return rows[0]


def given_twice(run_id: str) -> StoreError:
    """The error for an id that a run on record has already."""
    return StoreError(f"run {run_id} is on record already: give the new run another id")

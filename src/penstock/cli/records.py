"""What is on record of runs: read for the command line, and told as people here read it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from penstock.api.records import shown_state

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.store.base import RunRow


def rows(manager: WorkflowManager, workflow: str | None = None, limit: int | None = None) -> list[tuple[RunRow, str]]:
    """Runs, newest first, each with its state. Cheaper than `manager.runs`, since no journal is read."""
    store = manager.parts.store
    return [(row, shown_state(store, row)) for row in store.runs(workflow, limit=limit)]


def local_time(at: datetime | None) -> str:
    """A time as people here read it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""


def zoned_time(at: datetime) -> str:
    """A time in the zone that it is meant in."""
    return at.strftime("%Y-%m-%d %H:%M:%S %Z" if at.second or at.microsecond else "%Y-%m-%d %H:%M %Z")

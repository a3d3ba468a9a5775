"""What was decided about logical times: how it is kept short, and what is said of one that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from penstock.errors import LogicalTimeTaken, ScheduleNotFound
from penstock.store.base import RunRow
from penstock.store.schedules import TickRow

CREATED = "created"


def has_tick(run: RunRow) -> bool:
    """Whether a run is the one that its workflow has for a logical time."""
    return run.logical_at is not None and run.parent is None


def tick_of(run: RunRow) -> TickRow:
    """What is noted when such a run is put on record."""
    assert run.logical_at is not None
    return TickRow(CREATED, run.logical_at, run.logical_at, 1, run.id, run.created_at)


def taken(run: RunRow, by: str | None) -> LogicalTimeTaken:
    """The error for a run whose logical time has had a run, with the id `by` if that is known."""
    at = datetime.fromtimestamp(run.logical_at or 0.0, UTC).isoformat().replace("+00:00", "Z")
    which = f"run {by}" if by else "one that is not on record any more"
    return LogicalTimeTaken(
        f"workflow '{run.workflow}' has had a run for {at}: {which}; rerun that one, or start one for no logical time"
    )


def no_schedule(workflow: str) -> ScheduleNotFound:
    """The error for a workflow without a schedule."""
    return ScheduleNotFound(f"no schedule of a workflow '{workflow}' is on record: a service puts it there")


def check_decision(workflow: str, upto_was: float, upto: float, runs: Sequence[tuple[RunRow, bytes]]) -> None:
    """ValueError for a decision that nobody can mean."""
    if not upto > upto_was:
        raise ValueError(f"a cursor only moves forward, not from {upto_was} to {upto}")
    if any(run.workflow != workflow for run, _ in runs):
        raise ValueError(f"what is decided about workflow '{workflow}' puts no runs of others on record")
    if len({run.id for run, _ in runs}) < len(runs):
        raise ValueError("two runs of one decision have the same id")


def merged(rows: Sequence[TickRow], keep: int) -> tuple[list[TickRow], list[TickRow]]:
    """What goes of the rows of a workflow, which come oldest first, and what takes its place; see
    `Schedules.merge_ticks`."""
    cut = max(0, len(rows) - keep)
    while 0 < cut < len(rows) and rows[cut - 1].last == rows[cut].last:
        cut -= 1  # what ends with it could come under its name
    older = rows[:cut]
    shorter: list[TickRow] = []
    for row in older:
        if shorter and shorter[-1].what == row.what:
            shorter[-1] = _together(shorter[-1], row)
        else:
            shorter.append(row)
    surplus = len(shorter) - keep
    if surplus > 0:
        oldest = shorter.pop(0)
        # Besides those that are too many, what ends with it, since nobody else may be there under its name, and more of
        # its kind.
        while shorter and (surplus > 0 or shorter[0].last == oldest.last or shorter[0].what == CREATED):
            oldest = _together(oldest, shorter.pop(0))
            surplus -= 1
        shorter.insert(0, replace(oldest, what=CREATED, run_id=None))
    kept = set(shorter)
    before = set(older)
    return [row for row in older if row not in kept], [row for row in shorter if row not in before]


def _together(one: TickRow, next: TickRow) -> TickRow:
    return TickRow(
        next.what,
        min(one.first, next.first),
        max(one.last, next.last),
        one.count + next.count,
        None,
        max(one.decided_at, next.decided_at),
    )

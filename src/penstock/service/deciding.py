"""Putting a decision about a schedule on record: its runs, what is noted of other ticks, and the cursor past all."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.service.catalog import Known
from penstock.service.rows import new_run
from penstock.store.base import RunRow, Store
from penstock.store.schedules import TickRow
from penstock.timetable import Tick
from penstock.timetable.due import Decision


def commit(store: Store, known: Known, upto_was: float, decision: Decision, now: float) -> list[RunRow] | None:
    """The runs that a decision has made, all of it in one commit. None if nothing was, since another service was
    faster, or there is no plan to run."""
    runs = {tick: _due_run(known, tick, now) for tick in decision.created}
    plan = known.plan
    if runs and plan is None:
        return None
    missed = _missed_rows(decision, runs, now)
    created = [(run, plan or b"") for run in runs.values()]
    is_ours = store.decide(known.name, upto_was, decision.upto.timestamp(), created, missed)
    return [*runs.values()] if is_ours else None


def _due_run(known: Known, tick: Tick, now: float) -> RunRow:
    """The run of a workflow for a tick."""
    return new_run(
        *(known.name, known.source, known.told, now),
        trigger="schedule",
        logical_at=tick.at.timestamp(),
        interval=(tick.start.timestamp(), tick.end.timestamp()),
        timezone=(known.schedule or {}).get("timezone"),
    )


def _missed_rows(decision: Decision, runs: Mapping[Tick, RunRow], now: float) -> list[TickRow]:
    """What is noted of the ticks that get no runs of their own."""
    return [
        TickRow(
            *(missed.what, missed.first.timestamp(), missed.last.timestamp(), missed.count),
            runs[missed.into].id if missed.into is not None else None,
            now,
        )
        for missed in decision.missed
    ]

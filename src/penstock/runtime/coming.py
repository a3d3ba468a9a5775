"""What would run when: the runs that all schedules on record would make from now on, foretold on a virtual clock from
how long their last runs took, how many may be under way at once, and the pools that they share. Nothing runs, and
nothing is decided.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from penstock.runtime.usual import Usual
from penstock.store.base import RunRow, Store
from penstock.store.schedules import ScheduleRow
from penstock.timetable import Schedule, Tick
from penstock.timetable.base import Instants
from penstock.timetable.codec import decode
from penstock.timetable.simulate import Planned, simulate

_UNDER_WAY = ("queued", "running", "waiting")
_MOST = 10_000
"""So many runs under way are looked at: more than that hold up what is due as much as these do."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A tick that is to come."""

    workflow: str
    tick: Tick
    timezone: str
    """That of the schedule."""
    starts: datetime | None
    """When its run would begin; None if there is no room for it within the time that was asked for."""
    ends: datetime | None
    """When that should have ended; None if no run of the workflow has succeeded yet."""


def schedule_on_record(row: ScheduleRow, told: Instants | None = None) -> Schedule | None:
    """The schedule that a row stands for, with the instants that were `told` of a timetable which only its own code
    knows; None if there is nothing to go by."""
    timetable = decode(json.loads(row.timetable)) if row.timetable is not None else told
    if timetable is None or row.text is None:
        return None
    return Schedule(row.workflow, timetable, row.timezone, row.catchup, row.max_active_runs, row.deadline)  # type: ignore[arg-type]


def coming(store: Store, now: float, days: float, workflow: str | None = None) -> Iterator[Coming]:
    """The runs of the workflows on record, or of one, that are due within so many days, in the order in which they
    would begin. Paused workflows and those that cannot be run as they are have none, nor has @continuous.
    ScheduleNotFound."""
    rows = store.schedules() if workflow is None else [store.schedule(workflow)]
    moment = datetime.fromtimestamp(now, UTC)
    under_way, usual = _under_way(store), Usual(store)
    planned = [_planned(usual, row, moment, under_way) for row in rows if not row.paused and row.error is None]
    timezones = {row.workflow: row.timezone for row in rows}
    until = moment + timedelta(days=days)
    for one in simulate((one for one in planned if one is not None), moment, until, usual.pools):
        yield Coming(one.workflow, one.tick, timezones[one.workflow], one.starts, one.ends)


def _planned(
    usual: Usual, row: ScheduleRow, now: datetime, under_way: Mapping[str, Sequence[RunRow]]
) -> Planned | None:
    schedule = schedule_on_record(row)
    if schedule is None or schedule.timetable.at_once:
        return None
    length, slots = partial(usual.length, row.workflow), partial(usual.slots, row.workflow)
    runs = under_way.get(row.workflow, ())
    took = timedelta(seconds=length() or 0.0) if runs else timedelta(0)
    ends = tuple(max(now, datetime.fromtimestamp(run.created_at, UTC) + took) for run in runs)
    return Planned(schedule, max(now, datetime.fromtimestamp(row.upto, UTC)), length, slots, ends)


def _under_way(store: Store) -> dict[str, list[RunRow]]:
    """The runs that have not ended, by their workflows."""
    found: dict[str, list[RunRow]] = {}
    for run in store.runs(states=_UNDER_WAY, limit=_MOST):
        found.setdefault(run.workflow, []).append(run)
    return found

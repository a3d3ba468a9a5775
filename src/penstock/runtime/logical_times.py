"""The time that a run is for: as its row has it, and as somebody gives it who starts a run by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from penstock.definition.workflow import Workflow
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import PenstockError
from penstock.executor.logical_time import NO_TIME, LogicalTime
from penstock.store.base import RunRow


def time_of(row: RunRow) -> LogicalTime:
    """The time that a run is for."""
    return LogicalTime(row.logical_at, row.interval_start, row.interval_end, row.timezone)


def counts_from(row: RunRow) -> float:
    """From when the deadline of a run counts, in seconds since 1970: from when it was due by its schedule, or else from
    when it was made, also if it is for a time long past."""
    return row.logical_at if row.trigger == "schedule" and row.logical_at is not None else row.created_at


def time_by_hand(flow: Workflow | WorkflowFunction[..., Any], at: datetime | None) -> LogicalTime:
    """The time of a run that is started by hand: in the zone of its workflow, which is also meant where `at` has none.
    If the schedule has a tick there, the run has its data interval; else it has none. PenstockError for no datetime."""
    if at is None:
        return NO_TIME
    if not isinstance(at, datetime):
        raise PenstockError(f"logical_time={at!r:.60} is no datetime")
    from penstock.timetable.base import MOMENT
    from penstock.timetable.schedule import schedule_of
    from penstock.timetable.zones import in_utc, zone_name

    schedule = schedule_of(flow)
    workflow = flow.unfilled() if isinstance(flow, WorkflowFunction) else flow
    timezone = zone_name(workflow.timezone)
    moment = in_utc(at, timezone)
    tick = schedule.next(moment - MOMENT) if schedule is not None else None
    if tick is None or tick.at != moment:
        return LogicalTime(moment.timestamp(), timezone=timezone)
    return LogicalTime(moment.timestamp(), tick.start.timestamp(), tick.end.timestamp(), timezone)

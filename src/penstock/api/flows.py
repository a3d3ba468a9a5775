"""Workflows as the store knows them: by their schedules, which services put on record, and by their runs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from penstock.api.graphs import graph_of
from penstock.api.reading import Reading
from penstock.api.records import coming_record, timestamp
from penstock.api.selecting import Wanted, page_of
from penstock.errors import ScheduleError, ScheduleNotFound
from penstock.runtime.coming import coming, schedule_on_record
from penstock.runtime.loader import split_target
from penstock.runtime.times import moment
from penstock.store.base import RunRow, Store
from penstock.store.schedules import ScheduleRow


class WorkflowNotFound(ScheduleNotFound):
    """No workflow of that name is on record."""


class Flows:
    """All workflows, as they are on record now."""

    def __init__(self, read: Reading) -> None:
        self._read = read
        self.rows: dict[str, ScheduleRow] = {row.workflow: row for row in read.schedules()}
        self._newest = {row.workflow: row for row in read.newest_runs()}
        self.names = sorted({*self.rows, *self._newest})

    def summary(self, name: str, counts: Mapping[str, int]) -> dict[str, Any]:
        """A workflow in a list."""
        row, newest = self.rows.get(name), self._newest.get(name)
        about = about_of(row)
        return {
            "name": name,
            "source": row.source if row is not None else newest.source if newest is not None else None,
            "version": row.version if row is not None else None,
            "description": str(about.get("description") or ""),
            "error": row.error if row is not None else None,
            "schedule": schedule_record(row) if row is not None and row.text is not None else None,
            "paused": row.paused if row is not None else False,
            "newest": self._read.summary(newest) if newest is not None else None,
            "counts": dict(counts),
        }


def counts_by_workflow(read: Reading, names: Collection[str]) -> dict[str, dict[str, int]]:
    """State -> how many runs, of each of these workflows."""
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    for (workflow, state), number in read.store.run_counts().items():
        if workflow in found:
            found[workflow][state] = number
    return found


def workflow_detail(read: Reading, name: str) -> dict[str, Any]:
    """One workflow. WorkflowNotFound."""
    flows = Flows(read)
    if name not in flows.names:
        raise WorkflowNotFound(f"there is no workflow '{name}', and no run of one")
    rows = page_of(read.store, Wanted(workflow=name), 50, None)[0]
    about = about_of(flows.rows.get(name))
    plan = read.service.plan(name) if read.service is not None else None
    plan = plan or (read.plan(rows[0]) if rows else None)
    fault = about.get("fault")
    return flows.summary(name, counts_by_workflow(read, [name])[name]) | {
        "parameters": about.get("parameters") or {},
        "traceback": fault.get("traceback") if isinstance(fault, dict) else None,
        "graph": graph_of(plan) if plan is not None else None,
        "versions": _versions(rows),
        "runs": read.summaries(rows[:20]),
    }


def _versions(rows: Collection[RunRow]) -> list[dict[str, Any]]:
    """The plans with which these runs began, newest first."""
    runs = Counter(row.plan for row in rows)
    last = {row.plan: row for row in reversed([*rows])}
    first = {row.plan: row for row in rows}
    return [
        {
            "plan": plan,
            "tasks": last[plan].tasks,
            "runs": number,
            "first": timestamp(moment(first[plan].created_at)),
            "last": timestamp(moment(last[plan].created_at)),
        }
        for plan, number in runs.items()
    ]


def source_of(read: Reading, name: str) -> str | None:
    """The file that a workflow is in, as it is on record: no other file is ever read for anybody."""
    try:
        source = read.store.schedule(name).source
    except ScheduleNotFound:
        rows = read.store.runs(name, limit=1)
        if not rows:
            raise WorkflowNotFound(f"there is no workflow '{name}', and no run of one") from None
        source = rows[0].source
    return split_target(source)[0] if source is not None else None


# --- Schedules


def about_of(row: ScheduleRow | None) -> Mapping[str, Any]:
    """What a service has learned of a workflow."""
    if row is None:
        return {}
    try:
        about = json.loads(row.about)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def schedule_record(row: ScheduleRow) -> dict[str, Any]:
    """When a workflow is due."""
    schedule, tick = None, None
    try:
        schedule = schedule_on_record(row)
    except (ScheduleError, ValueError):
        pass  # it is of a newer Penstock
    if schedule is not None and not row.paused and not schedule.timetable.at_once:
        tick = schedule.next(max(_utc(row.upto), datetime.now(UTC)))
    return {
        "workflow": row.workflow,
        "source": row.source,
        "version": row.version,
        "parameters": about_of(row).get("parameters"),
        "text": row.text,
        "timezone": row.timezone,
        "catchup": row.catchup,
        "max_active_runs": row.max_active_runs,
        "deadline": row.deadline,
        "paused": row.paused,
        "next_at": timestamp(tick.at) if tick is not None else None,
        "upto": timestamp(moment(row.upto)),
        "error": row.error,
    }


def schedule_records(read: Reading, by_hand: bool) -> list[dict[str, Any]]:
    """The schedules of all workflows that have one, by name; or of all that a service has found."""
    return [schedule_record(row) for row in read.schedules() if by_hand or row.text is not None]


def due_next(store: Store, days: float, limit: int, workflow: str | None = None) -> list[dict[str, Any]]:
    """The times at which workflows are due within so many days, in order. ScheduleNotFound."""
    return [*map(coming_record, islice(coming(store, time.time(), days, workflow), limit))]


def late(read: Reading, unfinished: Collection[RunRow]) -> list[RunRow]:
    """Those of the runs that should have ended by now, by the deadlines of their workflows."""
    now = time.time()
    return [row for row in unfinished if (end := read.ends_by(row)) is not None and end < now]


def _utc(seconds: float) -> datetime:
    return moment(seconds) or datetime.fromtimestamp(0, UTC)

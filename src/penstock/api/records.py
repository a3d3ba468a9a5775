"""What is on record of runs, as JSON has it: one form for the HTTP API and for the command line.

Nothing here needs the packages of the API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from penstock.definition.kept import keepable
from penstock.errors import StoreCorrupt
from penstock.runtime.logical_times import time_of
from penstock.runtime.part import Part
from penstock.runtime.times import moment

if TYPE_CHECKING:
    from penstock.executor.decisions import Decision
    from penstock.executor.logical_time import DataInterval
    from penstock.runtime.approvals import Approval
    from penstock.runtime.attempts import AttemptRun
    from penstock.runtime.coming import Coming
    from penstock.runtime.logbook import Entry
    from penstock.runtime.record import Run
    from penstock.runtime.task_record import TaskRun
    from penstock.runtime.why import Step, Why
    from penstock.store.base import Pool, PoolUse, RunRow, Store


# --- Runs


def row_record(row: RunRow, state: str) -> dict[str, Any]:
    """A run, as far as its row tells."""
    return {
        "id": row.id,
        "workflow": row.workflow,
        "state": state,
        "params": plain(params_of(row)),
        "created_at": timestamp(moment(row.created_at)),
        "started_at": timestamp(moment(row.started_at or 0.0)),
        "ended_at": timestamp(moment(row.ended_at or 0.0)),
        "wakes_at": timestamp(moment(row.wake_at)),
        "duration": row_duration(row),
        "error": row.error,
        "file": row.source,
        "parent": row.parent,
        "part": None if row.part is None else Part.read(row.part).name,
        "trigger": row.trigger,
        **time_record(time_of(row).moment, time_of(row).interval),
        "tasks": row.tasks,
        "counts": counts_of(row),
    }


def time_record(at: datetime | None, interval: DataInterval | None) -> dict[str, Any]:
    """The time that a run is for."""
    return {
        "logical_time": timestamp(at),
        "data_interval": None if interval is None else interval_record(*interval),
        "timezone": None if at is None else str(at.tzinfo),
    }


def interval_record(start: datetime, end: datetime) -> dict[str, Any]:
    """A data interval: its end itself is not in it."""
    return {"start": timestamp(start), "end": timestamp(end)}


def coming_record(coming: Coming) -> dict[str, Any]:
    """A time at which a workflow is due."""
    tick = coming.tick
    return {
        "workflow": coming.workflow,
        "logical_time": timestamp(tick.at),
        "data_interval": interval_record(tick.start, tick.end),
        "timezone": coming.timezone,
        "starts_at": timestamp(coming.starts),
        "ends_at": timestamp(coming.ends),
    }


def run_record(run: Run) -> dict[str, Any]:
    """A run with its tasks."""
    children = {child.id for child in run.children}
    return {
        "id": run.id,
        "workflow": run.workflow,
        "state": run.state,
        "params": plain(keepable(dict(run.params))),
        "started_at": timestamp(run.started_at),
        "ended_at": timestamp(run.ended_at),
        "wakes_at": timestamp(run.wakes_at),
        "duration": run.duration,
        "error": run.error,
        "file": run.source,
        "parent": run.parent,
        "part": run.part,
        "trigger": run.trigger,
        **time_record(run.logical_time, run.data_interval),
        "driver": driver_record(run),
        "notices": {"undelivered": run.undelivered, "dropped": dict(run.dropped)},
        "counts": run.counts,
        "tasks": [task_record(task, children) for task in run.tasks],
    }


def task_record(task: TaskRun, children: set[str]) -> dict[str, Any]:
    """A task of a run; `children` are the runs that tasks of it have begun and that are on record."""
    child = task.child
    return {
        "id": task.task,
        "map_index": task.map_index if task.map_index >= 0 else None,
        "map_name": task.map_name,
        "state": task.state,
        "attempts": task.attempts,
        "started_at": timestamp(task.started_at),
        "ended_at": timestamp(task.ended_at),
        "duration": task.duration,
        "error": task.error,
        "reason": task.reason,
        "traceback": task.traceback if task.state == "failed" else None,
        "decision": decision_record(task.decision),
        "child": child if child in children else None,
    }


def attempt_record(attempt: AttemptRun) -> dict[str, Any]:
    """An attempt of a task."""
    return {
        "task": attempt.task,
        "generation": attempt.generation,
        "attempt": attempt.number,
        "state": attempt.state,
        "because": attempt.because or None,
        "started_at": timestamp(attempt.started_at),
        "ended_at": timestamp(attempt.ended_at),
        "duration": attempt.duration,
        "cpu": attempt.cpu,
        "memory": attempt.memory,
        "error": attempt.error,
    }


def driver_record(run: Run) -> dict[str, Any] | None:
    """Who drives a run."""
    if run.driver is None:
        return None
    since, heard_at = timestamp(moment(run.driver.since)), timestamp(moment(run.driver.heard_at))
    return {"pid": run.driver.pid, "host": run.driver.host, "since": since, "heard_at": heard_at}


def decision_record(decision: Decision | None) -> dict[str, Any] | None:
    """What somebody has decided."""
    if decision is None:
        return None
    at, by = timestamp(decision.at), decision.by or None
    return {"approved": decision.approved, "by": by, "at": at, "note": decision.note, "inputs": decision.inputs}


def approval_record(approval: Approval) -> dict[str, Any]:
    """What a task waits for somebody to decide."""
    return {
        "run": approval.run_id,
        "workflow": approval.workflow,
        "task": approval.task,
        "question": approval.question,
        "inputs": approval.inputs,
        "asked_at": timestamp(approval.asked_at),
        "deadline": timestamp(approval.deadline),
        "default": approval.default,
        "given": approval.given,
    }


def log_record(run_id: str, entry: Entry) -> dict[str, Any]:
    """What an attempt wrote, usually a line."""
    chunk = entry.chunk
    return {
        "run": run_id,
        "task": entry.task,
        "generation": chunk.generation,
        "attempt": chunk.attempt,
        "at": timestamp(moment(chunk.at)),
        "stream": chunk.stream,
        "text": chunk.text,
    }


# --- Reasons


def why_record(why: Why) -> dict[str, Any]:
    """Why a task or a run stands where it does."""
    return {
        "run": why.run,
        "task": why.task,
        "state": why.state,
        "text": why.text,
        "steps": [step_record(step) for step in why.steps],
        "first_causes": [step.task for step in why.first_causes],
        "notes": why.notes,
        "attempts": [attempt_record(attempt) for attempt in why.attempts],
    }


def step_record(step: Step) -> dict[str, Any]:
    """Why one task stands where it does."""
    return {
        "task": step.task,
        "state": step.state,
        "kind": step.kind,
        "text": step.text,
        "behind": list(step.behind),
        "at": timestamp(step.at),
        "holds_up": step.holds_up,
    }


# --- Pools


def pool_record(pool: Pool, uses: list[PoolUse]) -> dict[str, Any]:
    """A pool, and who holds or wants slots of it."""
    return {
        "name": pool.name,
        "slots": pool.slots,
        "used": pool.used,
        "waiting": pool.waiting,
        "runs": [
            {
                "run": use.run_id,
                "used": use.granted,
                "wanted": use.wanted,
                "priority": use.priority,
                "since": timestamp(moment(use.since)),
            }
            for use in uses
        ],
    }


# --- What they are made of


def shown_state(store: Store, row: RunRow) -> str:
    """The state of a run as users see it."""
    return "interrupted" if row.state == "running" and store.holder(row.id) is None else row.state


def row_duration(row: RunRow) -> float | None:
    """Seconds from start to end, if the run has ended."""
    return row.ended_at - row.started_at if row.ended_at and row.started_at else None


def counts_of(row: RunRow) -> dict[str, int]:
    """State of tasks -> how many, as the row has it."""
    try:
        counts: dict[str, int] = json.loads(row.counts)
    except ValueError as error:
        raise StoreCorrupt(f"the counts of run {row.id} cannot be read: {error}; see penstock db check") from error
    return counts


def params_of(row: RunRow) -> Mapping[str, Any]:
    """The parameters of a run."""
    from penstock.results.tagged_json import loads

    params: Mapping[str, Any] = loads(row.params)
    return params


def timestamp(at: datetime | None) -> str | None:
    """A time in ISO 8601, UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None


def plain(value: Any) -> Any:
    """A value as JSON has it; what JSON lacks, as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)

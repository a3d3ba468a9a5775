"""What is on record of runs: read for the command line, and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from penstock.definition.kept import keepable
from penstock.errors import StoreCorrupt
from penstock.runtime.part import Part
from penstock.runtime.times import moment

if TYPE_CHECKING:
    from penstock.executor.decisions import Decision
    from penstock.manager import WorkflowManager
    from penstock.runtime.attempts import AttemptRun
    from penstock.runtime.record import Run
    from penstock.store.base import RunRow, Store


def run_record(run: Run) -> dict[str, Any]:
    """A run as JSON: the form of `penstock show --json`."""
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
        "driver": _driver(run),
        "notices": {"undelivered": run.undelivered, "dropped": dict(run.dropped)},
        "counts": run.counts,
        "tasks": [
            {
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
                "decision": _decision(task.decision),
                "child": task.child if task.child in children else None,
            }
            for task in run.tasks
        ],
    }


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    """What somebody has decided, as JSON."""
    if decision is None:
        return None
    at, by = timestamp(decision.at), decision.by or None
    return {"approved": decision.approved, "by": by, "at": at, "note": decision.note, "inputs": decision.inputs}


def attempt_record(attempt: AttemptRun) -> dict[str, Any]:
    """An attempt as JSON."""
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


def _driver(run: Run) -> dict[str, Any] | None:
    """Who drives a run, as JSON."""
    if run.driver is None:
        return None
    since, heard_at = timestamp(moment(run.driver.since)), timestamp(moment(run.driver.heard_at))
    return {"pid": run.driver.pid, "host": run.driver.host, "since": since, "heard_at": heard_at}


def row_record(row: RunRow, state: str) -> dict[str, Any]:
    """A run as JSON, as far as its row tells."""
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
        "tasks": row.tasks,
        "counts": counts_of(row),
    }


def rows(manager: WorkflowManager, workflow: str | None = None, limit: int | None = None) -> list[tuple[RunRow, str]]:
    """Runs, newest first, each with its state. Cheaper than `manager.runs`, since no journal is read."""
    store = manager.parts.store
    return [(row, shown_state(store, row)) for row in store.runs(workflow, limit=limit)]


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
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None


def local_time(at: datetime | None) -> str:
    """A time as people here read it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""


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

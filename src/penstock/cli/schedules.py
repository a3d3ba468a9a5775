"""`penstock schedules`: the workflows that a service has found, and when they are due."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from time import time
from typing import Any

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.scheduled import local, next_at
from penstock.store.schedules import ScheduleRow


@click.command("schedules")
@json_option
@store_option
@click.pass_obj
def command(output: Output, store: str | None) -> int:
    """List the workflows that a service has found, when each is due next, and what is wrong with it."""
    with Choices(store).reader() as manager:
        rows = manager.parts.store.schedules()
    now = time()
    if output.as_json:
        output.emit([schedule_record(row, now) for row in rows])
        return 0
    if not rows:
        output.say("No workflows are known here: a service finds them, penstock serve FOLDER")
        return 0
    lines = [
        [
            Cell(row.workflow),
            Cell(row.text or "by hand"),
            Cell(_next(row, now)),
            Cell(*_state(row)),
        ]
        for row in rows
    ]
    output.table(("WORKFLOW", "SCHEDULE", "NEXT", ""), lines)
    return 0


def _next(row: ScheduleRow, now: float) -> str:
    moment = None if row.paused else next_at(row, now)
    return local(moment, row.timezone) if moment is not None else ""


def _state(row: ScheduleRow) -> tuple[str, str | None]:
    if row.error is not None:
        return row.error, "red"
    return ("paused", "yellow") if row.paused else ("", None)


def schedule_record(row: ScheduleRow, now: float) -> dict[str, Any]:
    """A workflow as JSON."""
    moment = next_at(row, now)
    about = json.loads(row.about)
    return {
        "workflow": row.workflow,
        "source": row.source,
        "version": row.version,
        "schedule": row.text,
        "timezone": row.timezone,
        "catchup": row.catchup,
        "max_active_runs": row.max_active_runs,
        "deadline": row.deadline,
        "paused": row.paused,
        "next": moment.isoformat() if moment is not None else None,
        "decided_until": datetime.fromtimestamp(row.upto, UTC).isoformat() if row.upto > 0.0 else None,
        "error": row.error,
        "parameters": about.get("parameters"),
    }

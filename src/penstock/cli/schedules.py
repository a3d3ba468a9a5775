"""`penstock schedules`: the workflows that a service has found, and when they are due."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    tell(output, [schedule_record(row, now) for row in rows])
    return 0


def tell(output: Output, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the list."""
    if output.as_json:
        output.emit([*records])
        return
    if not records:
        output.say("No workflows are known here: a service finds them, penstock serve FOLDER")
        return
    lines = [
        [
            Cell(record["workflow"]),
            Cell(record["schedule"] or "by hand"),
            Cell(_next(record)),
            Cell(*_state(record)),
        ]
        for record in records
    ]
    output.table(("WORKFLOW", "SCHEDULE", "NEXT", ""), lines)


def _next(record: Mapping[str, Any]) -> str:
    if record["paused"] or record["next"] is None:
        return ""
    return local(datetime.fromisoformat(record["next"]), record["timezone"])


def _state(record: Mapping[str, Any]) -> tuple[str, str | None]:
    if record["error"] is not None:
        return record["error"], "red"
    return ("paused", "yellow") if record["paused"] else ("", None)


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

"""`penstock runs`: the runs on record."""

from __future__ import annotations

import click

from penstock.cli.colours import RUN_COLOURS
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import counts_of, local_time, row_duration, row_record, rows
from penstock.errors import RunNotFound
from penstock.observe.words import duration
from penstock.runtime.times import moment
from penstock.store.base import RunRow


@click.command("runs")
@click.argument("workflow", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many at most")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str | None, limit: int, store: str | None) -> int:
    """List the runs on record, or those of WORKFLOW, newest first."""
    try:
        manager = Choices(store).reader()
    except RunNotFound as error:
        if output.as_json:
            output.emit([])
        else:
            output.say(output.sentence(str(error)))
        return 0
    with manager:
        found = rows(manager, workflow, limit)
    if output.as_json:
        output.emit([row_record(row, state) for row, state in found])
    elif found:
        header = ("RUN", "WORKFLOW", "STATE", "STARTED", "DURATION", "TASKS", "")
        output.table(header, [_cells(row, state) for row, state in found], right=(4, 5))
    else:
        output.say(f"There are no runs of '{output.clean(workflow)}'" if workflow else "There are no runs yet")
    return 0


def _cells(row: RunRow, state: str) -> list[Cell]:
    seconds = row_duration(row)
    counts = counts_of(row)
    total = sum(counts.values()) or row.tasks  # as it was last written: of maps their instances
    done = counts.get("success", 0)
    tasks = f"{done:,}/{total:,}" if row.ended_at is not None and state != "success" else f"{total:,}"
    return [
        Cell(row.id),
        Cell(row.workflow),
        Cell(state, RUN_COLOURS.get(state)),
        Cell(local_time(moment(row.started_at or row.created_at))),
        Cell(duration(seconds) if seconds is not None else ""),
        Cell(tasks),
        Cell(row.error or "", "bright_black"),
    ]

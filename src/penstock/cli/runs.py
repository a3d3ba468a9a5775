"""`penstock runs`: the runs on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from penstock.api.records import counts_of, row_duration, row_record, shown_state
from penstock.cli.colours import RUN_COLOURS
from penstock.cli.family import Listed, families
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import local_time, rows, zoned_time
from penstock.errors import RunNotFound
from penstock.observe.words import duration, goes_on
from penstock.runtime.history import newest
from penstock.runtime.logical_times import time_of
from penstock.runtime.part import Part
from penstock.runtime.times import moment
from penstock.store.base import RunRow

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager


@click.command("runs")
@click.argument("workflow", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many at most")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str | None, limit: int, store: str | None) -> int:
    """List the runs on record, or those of WORKFLOW, newest first.

    A run that is a task of another is listed below that; of many, a few. With WORKFLOW, and with --json, each stands
    for itself.
    """
    try:
        manager = Choices(store).reader()
    except RunNotFound as error:
        if output.as_json:
            output.emit([])
        else:
            output.say(output.sentence(str(error)))
        return 0
    with manager:
        if output.as_json:
            found = rows(manager, workflow, limit)
            output.emit([row_record(row, state) | {"approvals": _asked(manager, row)} for row, state in found])
            return 0
        table = _lines(manager, workflow, limit)
    tell(output, table, workflow)
    return 0


def tell(output: Output, table: list[list[Cell]], workflow: str | None) -> None:
    """Write the list."""
    if table:
        header = ("RUN", "WORKFLOW", "STATE", "DUE", "STARTED", "DURATION", "TASKS", "")
        output.table(header, table, right=(5, 6))
    else:
        output.say(f"There are no runs of '{output.clean(workflow)}'" if workflow else "There are no runs yet")


def _lines(manager: WorkflowManager, workflow: str | None, limit: int) -> list[list[Cell]]:
    store = manager.parts.store
    if workflow is not None:
        listed = [Listed(0, row) for row in store.runs(workflow, limit=limit)]
    else:
        listed = [*families(store, newest(store, limit))]
    return [
        line(one, shown_state(store, one.row), _asked(manager, one.row)) if one.row is not None else line(one, "", [])
        for one in listed
    ]


def line(listed: Listed, state: str, asked: Sequence[str]) -> list[Cell]:
    """A line of the list; `asked` are the tasks that wait for somebody's decision."""
    row, indent = listed.row, "  " * listed.depth
    if row is None:
        more = Cell(f"penstock show {listed.parent} has them", "bright_black")
        return [Cell(f"{indent}… {listed.left:,} more"), *[Cell("")] * 6, more]
    first, *cells = _cells(row, state, asked, is_below=listed.depth > 0)
    return [Cell(indent + first.text), *cells]


def _origin(row: RunRow, *, is_below: bool) -> str:
    """Which task of which run one is; the run is named unless this one is listed below it."""
    if row.part is None:
        return ""
    return f"task {Part.read(row.part).name}" + ("" if is_below else f" of {row.parent}")


def _asked(manager: WorkflowManager, row: RunRow) -> list[str]:
    """The tasks of a run that wait for somebody's decision."""
    return [approval.task for approval in manager.approvals(row.id)] if row.ended_at is None else []


def _parked(row: RunRow) -> str:
    """Of a parked run, when it goes on."""
    if row.state != "waiting":
        return ""
    return goes_on(row.wake_at) if row.wake_at != 0.0 else "goes on when it is woken"


def _cells(row: RunRow, state: str, asked: Sequence[str], *, is_below: bool) -> list[Cell]:
    seconds, waits = row_duration(row), _parked(row) or _origin(row, is_below=is_below)
    counts = counts_of(row)
    total = sum(counts.values()) or row.tasks  # as it was last written: of maps their instances
    done = counts.get("success", 0)
    due = time_of(row).moment
    tasks = f"{done:,}/{total:,}" if row.ended_at is not None and state != "success" else f"{total:,}"
    return [
        Cell(row.id),
        Cell(row.workflow),
        Cell(state, RUN_COLOURS.get(state)),
        Cell(zoned_time(due) if due is not None else ""),
        Cell(local_time(moment(row.started_at or row.created_at))),
        Cell(duration(seconds) if seconds is not None else ""),
        Cell(tasks),
        Cell(row.error or (f"waits for a decision: {', '.join(asked)}" if asked else waits), "bright_black"),
    ]

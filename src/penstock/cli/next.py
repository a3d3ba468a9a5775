"""`penstock next`: what would run when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from time import time

import click

from penstock.api.records import coming_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.scheduled import find, local
from penstock.runtime.coming import Coming, coming

_SHOWN = 50
"""How many are shown if nobody says another number."""


@click.command("next")
@click.argument("workflow", required=False)
@click.option(
    "--days", type=click.FloatRange(min=0, max=36_600), default=7.0, show_default=True, help="How far to look"
)
@click.option("--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="How many to show")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str | None, days: float, limit: int, store: str | None) -> int:
    """Show when workflows are due within the next days, by the schedules that a service has found. Nothing runs.

    Where a workflow has run before, it is also shown when each run should end, and when it would begin if it had to
    wait until others have ended, since only so many go on at once or since the pools of its tasks have no room.
    """
    with Choices(store).reader() as manager:
        kept = manager.parts.store
        name = find(kept, workflow).workflow if workflow is not None else None
        found = [*islice(coming(kept, time(), days, name), limit + 1)]
    tell(output, found, limit, days)
    return 0


def tell(output: Output, found: Sequence[Coming], limit: int, days: float) -> None:
    """Write what is due: of those that were found so many."""
    shown, more = found[:limit], len(found) > limit
    if output.as_json:
        output.emit([coming_record(one) for one in shown])
        return
    if not shown:
        output.say(f"Nothing is due within {days:g} days")
        return
    waits, ends = any(_waits(one) for one in shown), any(one.ends is not None for one in shown)
    lines = [
        [
            *(Cell(local(one.tick.at, one.timezone)), Cell(one.timezone), Cell(one.workflow), Cell(_interval(one))),
            *([Cell(_time(one.starts, one))] if waits else []),
            *([Cell(_time(one.ends, one))] if ends else []),
        ]
        for one in shown
    ]
    more_heads = [*(["STARTS"] if waits else []), *(["ENDS"] if ends else [])]
    output.table(("DUE", "ZONE", "WORKFLOW", "DATA INTERVAL", *more_heads), lines)
    if more:
        output.tell(f"These are the first {limit}; more are shown with --limit")


def _waits(one: Coming) -> bool:
    """Whether its run would begin later than it is due."""
    return one.starts is None or one.starts > one.tick.at


def _time(at: datetime | None, one: Coming) -> str:
    return local(at, one.timezone) if at is not None else ""


def _interval(one: Coming) -> str:
    return f"{local(one.tick.start, one.timezone)} to {local(one.tick.end, one.timezone)}"

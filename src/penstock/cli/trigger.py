"""`penstock trigger`: have a service run a workflow now."""

from __future__ import annotations

from datetime import datetime
from time import time

import click

from penstock.cli.options import Choices, json_option, param_option, store_option
from penstock.cli.output import Output, spared_stdout
from penstock.cli.scheduled import find
from penstock.errors import PenstockError
from penstock.timetable.zones import zone


@click.command("trigger")
@click.argument("workflow")
@param_option
@click.option("--logical-at", metavar="TIME", help="The logical time of the run, e.g. 2026-01-31T06:00, in its zone")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str, params: dict[str, str], logical_at: str | None, store: str | None) -> int:
    """Put a run of WORKFLOW on record, for a service to drive it now. Its schedule goes on as ever.

    WORKFLOW is one that a service has found: see penstock schedules. Its file is loaded to check the parameters.
    """
    from penstock.service.queueing import queue

    choices = Choices(store)
    with choices.reader() as manager:
        kept = manager.parts.store
        row = find(kept, workflow)
        if row.source is None or row.error is not None:
            raise PenstockError(f"workflow '{row.workflow}' cannot be run as it is: {row.error or 'it has no file'}")
        at = _moment(logical_at, row.timezone) if logical_at is not None else None
        with spared_stdout():
            run = queue(kept, row.workflow, row.source, params, time(), at)
    if output.as_json:
        output.emit({"id": run.id, "workflow": run.workflow, "state": run.state})
    else:
        output.say(f"Run {run.id} of {output.clean(run.workflow)} is queued: a service begins it")
        output.say(f"  penstock show {run.id}{choices.hint}")
    return 0


def _moment(text: str, timezone: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time: write it as 2026-01-31T06:00", param_hint="--logical-at"
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone(timezone))).timestamp()

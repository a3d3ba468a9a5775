"""`penstock mark`: say what became of tasks, in the place of running them."""

from __future__ import annotations

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.records import run_record
from penstock.observe.words import count
from penstock.runtime.marking import STATES


@click.command("mark")
@click.argument("run_id", metavar="RUN")
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@click.option("--as", "state", type=click.Choice(STATES), required=True, help="What the tasks are to be taken for")
@click.option("--note", default="", help="Why, for those who look at the run later")
@json_option
@store_option
@click.pass_obj
def command(output: Output, run_id: str, tasks: tuple[str, ...], state: str, note: str, store: str | None) -> int:
    """Take TASKs of RUN for a success, a failure or as skipped, without running them.

    What waited for them is weighed anew. penstock resume goes on with what can run then.
    """
    with Choices(store).reader() as manager:
        run = manager.mark(run_id, tasks, state, note=note)
        if output.as_json:
            output.emit(run_record(run))
        else:
            output.say(f"Marked {count(len(tasks), 'task')} of run {run.id} as {state}: the run is {run.state} now")
            if run.state == "interrupted":
                output.say(f"  penstock resume {run.id}   go on")
    return 0

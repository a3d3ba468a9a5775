"""`penstock mark`: say what became of tasks, in the place of running them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.api.records import run_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.show import driver_text
from penstock.observe.words import count
from penstock.runtime.marking import STATES, tasks_named
from penstock.runtime.replay import replay

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager


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

    What waited for them is weighed anew: a run that is being driven goes on by that, and of any other, penstock resume
    goes on with what can run then.
    """
    with Choices(store).reader() as manager:
        run = manager.mark(run_id, tasks, state, note=note, waiting=lambda: _tell_waiting(output, manager, run_id))
        if output.as_json:
            output.emit(run_record(run))
        else:
            engine = replay(manager.parts.store, manager.parts.store.run(run.id))
            marked = count(len(tasks_named(engine, tasks)), "task")
            output.say(f"Marked {marked} of run {run.id} as {state}: the run is {run.state} now")
            if run.state == "interrupted":
                output.say(f"  penstock resume {run.id}   go on")
    return 0


def _tell_waiting(output: Output, manager: WorkflowManager, run_id: str) -> None:
    driver = manager.get(run_id).driver
    who = f", {driver_text(driver)}," if driver is not None else ""
    output.tell(f"Waiting for the driver of the run{who} to take it; Ctrl-C stops the waiting only")

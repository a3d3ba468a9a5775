"""`penstock resume`: go on with a run."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.driving import drive
from penstock.cli.options import Choices, driving_options
from penstock.cli.output import Output


@click.command("resume")
@click.argument("run_id", metavar="[RUN]", required=False)
@driving_options
@click.pass_obj
def command(output: Output, /, run_id: str | None, **options: Any) -> int:
    """Go on with RUN, by default the newest: what is done stays done, everything else runs.

    The workflow is loaded from its file, which may have changed where the run has done nothing yet. Exits with 4 if
    somebody drives the run at this moment.
    """
    choices = Choices(**options)
    with choices.reader() as manager:
        run = manager.get(run_id)
    done = {task.name for task in run.tasks if task.state == "success"}
    return drive(output, choices, lambda manager: manager.resume(run.id, raise_on_failure=False), done=done)

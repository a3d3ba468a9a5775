"""`penstock run`: run the workflow in a file."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.driving import drive
from penstock.cli.forecast import show_forecast
from penstock.cli.options import Choices, driving_options, param_option, park_option
from penstock.cli.output import Output
from penstock.runtime.selection import Selection

_TASKS: dict[str, Any] = {"metavar": "TASK", "multiple": True}


@click.command("run")
@click.argument("file", metavar="FILE[:NAME]")
@param_option
@click.option("--only", **_TASKS, help="Run this task alone; may be repeated")
@click.option("--from", "from_", **_TASKS, help="Run this task and all that follow")
@click.option("--until", **_TASKS, help="Run this task and all that it needs")
@click.option("--dry-run", is_flag=True, help="Show what would run, in which order and for how long, and run nothing")
@park_option
@driving_options
@click.pass_obj
def command(
    output: Output,
    /,
    file: str,
    params: dict[str, str],
    only: tuple[str, ...],
    from_: tuple[str, ...],
    until: tuple[str, ...],
    dry_run: bool,
    park: bool,
    **choices: Any,
) -> int:
    """Run the workflow in FILE, a path or a module; NAME chooses one of several.

    Any script that runs its workflow is a FILE too: loading it starts no run.
    """
    selection = Selection(only, from_, until)
    if dry_run:
        return show_forecast(output, Choices(**choices), file, params, selection)
    return drive(
        output,
        Choices(**choices),
        lambda manager: manager.run_file(file, params, selection=selection, raise_on_failure=False, park=park),
    )

"""`penstock unpause`: let a workflow run by its schedule again."""

from __future__ import annotations

import click

from penstock.cli.options import json_option, store_option
from penstock.cli.output import Output
from penstock.cli.pause import set_paused


@click.command("unpause")
@click.argument("workflow")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str, store: str | None) -> int:
    """Let WORKFLOW run by its schedule again."""
    return set_paused(output, workflow, store, False)

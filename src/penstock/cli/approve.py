"""`penstock approve`: approve what a task waits for."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.output import Output
from penstock.cli.verdict import decide, verdict_options


@click.command("approve")
@verdict_options
@click.pass_obj
def command(output: Output, /, **given: Any) -> int:
    """Approve what TASK of RUN waits for, and answer what it asks: NAME=VALUE, or NAME=@FILE for what is in a file.

    penstock approvals shows what waits, and what is asked.
    """
    return decide(output, True, **given)

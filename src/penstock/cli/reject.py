"""`penstock reject`: reject what a task waits for."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.output import Output
from penstock.cli.verdict import decide, verdict_options


@click.command("reject")
@verdict_options
@click.pass_obj
def command(output: Output, /, **given: Any) -> int:
    """Reject what TASK of RUN waits for. It is given `approved` as false or, if it does not ask for that, is skipped.

    penstock approvals shows what waits, and what is asked.
    """
    return decide(output, False, **given)

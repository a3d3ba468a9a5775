"""`penstock approvals`: what waits for somebody's decision."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from penstock.api.records import approval_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import local_time
from penstock.definition.annotations import type_name
from penstock.definition.asking import inputs_of
from penstock.errors import RunNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.runtime.approvals import Approval


@click.command("approvals")
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@store_option
@click.pass_obj
def command(output: Output, run_id: str | None, store: str | None) -> int:
    """List the tasks that wait for somebody's decision, in all runs; of RUN, with what is asked."""
    choices = Choices(store)
    try:
        manager = choices.reader()
    except RunNotFound:
        if run_id is not None:
            raise
        found: list[Approval] = []
    else:
        with manager:
            found = manager.approvals(run_id)
    tell(output, found, run_id, choices.hint)
    return 0


def tell(output: Output, found: Sequence[Approval], run_id: str | None, hint: str) -> None:
    """Write what waits for a decision: of one run, with what is asked."""
    if output.as_json:
        output.emit([approval_record(approval) for approval in found])
    elif not found:
        output.say("Nothing waits for a decision")
    elif run_id is None:
        header = ("RUN", "WORKFLOW", "TASK", "ASKED", "DEADLINE", "QUESTION")
        output.table(header, [_cells(approval) for approval in found])
    else:
        for approval in found:
            _tell(output, approval, hint)


def _cells(approval: Approval) -> list[Cell]:
    return [
        Cell(approval.run_id),
        Cell(approval.workflow),
        Cell(approval.task),
        Cell(local_time(approval.asked_at)),
        Cell(local_time(approval.deadline)),
        Cell(approval.summary),
    ]


def _tell(output: Output, approval: Approval, hint: str) -> None:
    output.say(output.paint(output.clean(f"Task {approval.task} of {approval.workflow}"), bold=True))
    for line in approval.question.splitlines():
        output.say(f"  {output.clean(line)}".rstrip())
    output.say()
    for name, value in approval.given.items():
        output.say(output.clean(f"  given    {name}: {value}"))
    described = approval.inputs.get("properties", {})
    inputs = inputs_of(approval.inputs)
    for name, one in inputs.items():
        default = "" if one.required else f", or {json.dumps(one.default)} if it is left out"
        about = described.get(name, {}).get("description", "")
        told = f"  asked    {name}: {type_name(one.annotation)}{default}{f'  ({about})' if about else ''}"
        output.say(output.clean(told))
    output.say(f"  since    {local_time(approval.asked_at)}")
    if approval.deadline is not None:
        then = "it fails" if approval.default is None else f"{json.dumps(dict(approval.default))} counts"
        output.say(output.clean(f"  until    {local_time(approval.deadline)}, and then {then}"))
    needed = " ".join(f"{name}=..." for name, one in inputs.items() if one.required and name != "approved")
    place = f"{approval.run_id} {shlex.quote(approval.task)}{f' {needed}' if needed else ''}{hint}"
    output.say(f"  penstock approve {place}")
    output.say(f"  penstock reject {place}")

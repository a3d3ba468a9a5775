"""`penstock pause`: let a workflow not run by its schedule for a while."""

from __future__ import annotations

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.scheduled import find


@click.command("pause")
@click.argument("workflow")
@json_option
@store_option
@click.pass_obj
def command(output: Output, workflow: str, store: str | None) -> int:
    """Begin no runs of WORKFLOW by its schedule until `penstock unpause`. Runs that go on are left alone, and it can
    still be triggered.

    What becomes of the times that pass is for its catch-up policy to say, when it goes on.
    """
    return set_paused(output, workflow, store, True)


def set_paused(output: Output, workflow: str, store: str | None, paused: bool) -> int:
    """Pause a workflow, or let it go on."""
    with Choices(store).reader() as manager:
        kept = manager.parts.store
        row = find(kept, workflow)
        kept.pause(row.workflow, paused)
    tell(output, row.workflow, paused, was_paused=row.paused, is_scheduled=bool(row.text))
    return 0


def tell(output: Output, workflow: str, paused: bool, *, was_paused: bool, is_scheduled: bool) -> None:
    """Write what has become of it."""
    if output.as_json:
        output.emit({"workflow": workflow, "paused": paused, "was_paused": was_paused})
        return
    name, state = output.clean(workflow), "paused" if paused else "not paused"
    if was_paused == paused:
        output.say(f"{name} is {state} already")
    elif paused:
        output.say(f"{name} is paused: penstock unpause {name} lets it go on")
    else:
        output.say(f"{name} goes on" + ("" if is_scheduled else ", though it has no schedule"))

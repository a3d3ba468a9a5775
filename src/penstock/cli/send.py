"""`penstock send`: tell a run something."""

from __future__ import annotations

import json
from typing import Any

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.verdict import by_option, content_of


@click.command("send")
@click.argument("run_id", metavar="RUN")
@click.argument("topic")
@click.argument("value", required=False)
@click.option("--text", is_flag=True, help="Take VALUE for a text, also where it is JSON")
@by_option
@json_option
@store_option
@click.pass_obj
def command(
    output: Output, run_id: str, topic: str, value: str | None, text: bool, by: str | None, store: str | None
) -> int:
    """Send RUN a message, for the task in it that receives TOPIC: now, later, or when the run goes on.

    VALUE is read as JSON or, where it is none, taken for the text that it is; @FILE stands for what is in a file.
    """
    choices = Choices(store)
    message = None if value is None else value_given(value, as_text=text)
    with choices.reader() as manager:
        run = manager.send(run_id, topic, message, by=by)
        if output.as_json:
            output.emit({"run": run.id, "state": run.state, "topic": topic})
            return 0
        later = "" if run.state == "running" else f": it counts when the run goes on, which is {run.state}"
        output.say(f"Sent run {run.id} a message '{output.clean(topic)}'{later}")
        if run.state == "interrupted":
            output.say(f"  penstock resume {run.id}{choices.hint}   go on with it")
    return 0


def value_given(value: str, *, as_text: bool) -> Any:
    """What is sent."""
    if value.startswith("@@"):
        value = value[1:]
    elif value.startswith("@") and value[1:]:
        value = content_of("VALUE", value[1:])
    value.encode()  # what the terminal's encoding could not read is no text
    if as_text:
        return value
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return value


def _refuse(name: str) -> Any:
    raise ValueError(name)

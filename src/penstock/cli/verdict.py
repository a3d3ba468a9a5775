"""What `penstock approve` and `penstock reject` have in common."""

from __future__ import annotations

from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.api.records import run_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.show import driver_text
from penstock.errors import ParameterError
from penstock.runtime.deciding import Verdict

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager

FC = TypeVar("FC", bound=Callable[..., Any])


def verdict_options(func: FC) -> FC:
    """What both commands take."""
    for decorate in (
        store_option,
        json_option,
        by_option,
        click.option("--note", default="", help="Why, for those who look at the run later"),
        click.argument("answers", metavar="[NAME=VALUE]...", nargs=-1),
        click.argument("task"),
        click.argument("run_id", metavar="RUN"),
    ):
        func = decorate(func)
    return func


by_option = click.option("--by", metavar="NAME", help="Who says it; by default the user that you are logged in as")


def decide(
    output: Output,
    approved: bool,
    run_id: str,
    task: str,
    answers: tuple[str, ...],
    note: str,
    by: str | None,
    store: str | None,
) -> int:
    """Send a decision, and tell what came of it."""
    values = answers_given(answers)
    verdict = Verdict(approved, getuser() if by is None else by, note, values, as_texts=True)
    choices = Choices(store)
    with choices.reader() as manager:
        run = manager.decide(run_id, task, verdict, waiting=lambda: _tell_waiting(output, manager, run_id))
        if output.as_json:
            output.emit(run_record(run))
            return 0
        one = run.task(task)
        if one.approval is None:
            output.say(f"Task {one.name} of run {run.id} is {output.clean(str(one.decision))}")
        else:
            said = "approved" if approved else "rejected"
            output.say(
                f"Task {one.name} of run {run.id} is {said}: that counts when the run goes on, which is {run.state}"
            )
            if run.state == "interrupted":
                output.say(f"  penstock resume {run.id}{choices.hint}   go on with it")
    return 0


def answers_given(answers: tuple[str, ...]) -> dict[str, str]:
    """The answers by what they answer."""
    values: dict[str, str] = {}
    for name, text in map(_pair, answers):
        if name in values:
            raise click.UsageError(f"'{name}' is given twice")
        values[name] = text
    return values


def _pair(answer: str) -> tuple[str, str]:
    """NAME=VALUE; "@FILE" stands for what is in the file, "@@" for an "@"."""
    name, equals, text = answer.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{answer!r} is not NAME=VALUE")
    if text.startswith("@@"):
        return name, text[1:]
    return name, content_of(name, text[1:]) if text.startswith("@") and text[1:] else text


def content_of(name: str, file: str) -> str:
    """The text in a file that was named in the place of a value. ParameterError if it cannot be read."""
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ParameterError(f"{name}: file {file} cannot be read: {error}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _tell_waiting(output: Output, manager: WorkflowManager, run_id: str) -> None:
    driver = manager.get(run_id).driver
    who = f", {driver_text(driver)}," if driver is not None else ""
    output.tell(f"Waiting for the driver of the run{who} to take it; Ctrl-C stops the waiting only")

"""`penstock why`: why a task or a run stands where it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.api.records import why_record
from penstock.cli.colours import TASK_COLOURS
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.errors import RunNotFound, TaskNotFound

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run
    from penstock.runtime.why import Why

_MOST_STEPS = 20


@click.command("why")
@click.argument("words", metavar="[RUN] [TASK]", nargs=-1)
@click.option("--all", "whole", is_flag=True, help="Tell every cause, however many there are")
@json_option
@store_option
@click.pass_obj
def command(output: Output, words: tuple[str, ...], whole: bool, store: str | None) -> int:
    """Why TASK of RUN waits, runs, was skipped, failed, ran again or did not, down to the first cause.

    Without TASK: what the run waits for, and what holds up most, or why it ended as it did.
    """
    if len(words) > 2:
        raise click.UsageError("give a run and a task, or one of them")
    with Choices(store).reader() as manager:
        run, task = _named(manager, words)
        why = run.why(task)
    if output.as_json:
        output.emit(why_record(why))
    else:
        tell(output, why, whole)
    return 0


def _named(manager: WorkflowManager, words: tuple[str, ...]) -> tuple[Run, str | None]:
    """The run and the task that are meant: one word alone is a task of the newest run, or else a run."""
    if len(words) != 1:
        return manager.get(words[0] if words else None), words[1] if words else None
    newest = manager.get(None)
    if newest.has_task(words[0]):
        return newest, words[0]
    try:
        return manager.get(words[0]), None
    except RunNotFound as error:
        raise RunNotFound(f"{error}, and {_no_task(newest, words[0])}") from None


def _no_task(newest: Run, name: str) -> str:
    """That the newest run has no task of this name, with the nearest."""
    try:
        newest.task(name)
    except TaskNotFound as error:
        return str(error).replace(f"run {newest.id}", f"the newest run, {newest.id},", 1)
    return f"the newest run, {newest.id}, has such a task by now"


def tell(output: Output, why: Why, whole: bool) -> None:
    """Write the answer, and what is behind it."""
    output.say(output.clean(why.text))
    steps = why.steps if why.task is None else why.steps[1:]
    for step in steps if whole else steps[:_MOST_STEPS]:
        name = output.paint(step.task, TASK_COLOURS.get(step.state))
        holds = f"  (holds up {step.holds_up:,})" if step.holds_up else ""
        output.say(f"  {name} {output.clean(step.text)}{holds}")
    if len(steps) > _MOST_STEPS and not whole:
        output.say(f"  … and {len(steps) - _MOST_STEPS:,} more: --all tells them")
    for note in why.notes:
        output.say(output.clean(note))

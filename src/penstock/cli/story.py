"""What went wrong with a run and how to go on, told so that it can be mended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from penstock.cli.output import Output
from penstock.logs.base import place

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run
    from penstock.runtime.task_record import TaskRun

_MOST_FAILURES = 3
_LONGEST_TRACEBACK = 24
"""Lines. Of a longer one, the first and the last are shown."""


def tell_failures(output: Output, run: Run, *, whole: bool = False, stream: TextIO | None = None) -> None:
    """The errors of the tasks that failed, with their tracebacks; the first few, unless `whole`."""
    stream = stream or sys.stdout
    write = output.tell if stream is sys.stderr else output.say
    failed = [task for task in run.tasks if task.state == "failed"]
    for task in failed if whole else failed[:_MOST_FAILURES]:
        write()
        again = f" on attempt {task.attempts}" if task.attempts > 1 else ""
        write(output.paint(f"Task {task.name} failed{again}:", "red", bold=True, stream=stream))
        for line in _lines(task, whole):
            write(f"  {output.clean(line)}".rstrip())
    more = len(failed) - _MOST_FAILURES
    if more > 0 and not whole:
        write(f"\n… and {more:,} more failed: penstock show {run.id} --state failed")
    if failed:
        write()


def next_commands(manager: WorkflowManager, run: Run, hint: str) -> list[str]:
    """How to go on with a run that did not succeed, as lines."""
    if not manager.parts.store.durable:
        return []
    commands = {}
    failed = [task for task in run.tasks if task.state == "failed"]
    kept = set(manager.parts.logs.reader(run.id).tasks()) if failed else set()
    spoke = next((task.name for task in failed if place(run.numbers[task.task], task.map_index) in kept), None)
    if spoke is not None:
        commands[f"penstock logs {run.id} {spoke}{hint}"] = "what it printed"
    child = _failed_child(run, failed)
    if child is not None:
        commands[f"penstock show {child.child}{hint}"] = f"the run that {child.name} is"
    commands[f"penstock resume {run.id}{hint}"] = "go on, when the cause is gone" if failed else "go on with it"
    width = max(map(len, commands))
    return [f"  {command:<{width}}   {meaning}" for command, meaning in commands.items()]


def _failed_child(run: Run, failed: list[TaskRun]) -> TaskRun | None:
    """The first task that failed with the run that it is."""
    ours = [task for task in failed if task.child is not None]
    begun = {child.id for child in run.children} if ours else set()
    return next((task for task in ours if task.child in begun), None)


def _lines(task: TaskRun, whole: bool) -> list[str]:
    lines = (task.traceback or task.error or "no error is on record").rstrip().split("\n")
    left = len(lines) - _LONGEST_TRACEBACK
    if whole or left <= 1:
        return lines
    return [*lines[:2], f"    … {left:,} lines are left out; penstock show --all has them …", *lines[left + 2 :]]

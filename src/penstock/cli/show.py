"""`penstock show`: one run."""

from __future__ import annotations

from shlex import quote
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from penstock.api.records import plain, run_record
from penstock.cli.colours import RUN_COLOURS, TASK_COLOURS
from penstock.cli.course import Course, profile_record, show_profile
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import local_time, zoned_time
from penstock.cli.show_task import task_told, tell_task
from penstock.cli.story import next_commands, tell_failures
from penstock.engine.states import TaskState
from penstock.observe.words import count, duration
from penstock.runtime.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.manager import WorkflowManager
    from penstock.runtime.approvals import Approval
    from penstock.runtime.record import Run
    from penstock.runtime.task_record import TaskRun
    from penstock.store.base import Holder

_MOST_TASKS = 60
"""A run of more tasks is summed up."""
_MOST_ASKED = 5
HELD_UP = ("failed", "interrupted", "cancelled")
"""States of a run with which it can be gone on."""
_SILENCE = 15.0
"""Seconds without a sign of life after which a driver is said to be silent. It may be stopped, or hang."""
_BAD = ("failed", "upstream_failed", "retrying")
_DULL = ("success", "pending", "skipped", "upstream_failed")
"""States of tasks that a summary only counts."""


@click.command("show")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.argument("task", metavar="[TASK]", required=False)
@click.option("--all", "whole", is_flag=True, help="Show every task and whole tracebacks, however many there are")
@click.option("--state", type=click.Choice([state.label for state in TaskState]), help="Show the tasks in this state")
@click.option("--values", is_flag=True, help="Show what the tasks returned, in short")
@click.option("--profile", is_flag=True, help="Show the time and memory that each attempt took, the longest first")
@json_option
@store_option
@click.pass_obj
def command(
    output: Output,
    run_id: str | None,
    task: str | None,
    whole: bool,
    state: str | None,
    values: bool,
    profile: bool,
    store: str | None,
) -> int:
    """Show a run, by default the newest: for a failure the error first, then its tasks. Or show TASK of RUN: its
    attempts, what it was given and what it returned, as that was noted when it was written."""
    choices = Choices(store)
    with choices.reader() as manager:
        run = manager.get(run_id)
        if task is not None:
            tell_task(output, task_told(manager, run, task), whole=whole)
            return 0
        shown = Shown(
            run,
            run_record(run),
            Course(manager, run),
            _previews(manager, run) if values else None,
            manager.approvals(run.id) if run.ended_at is None else (),
            next_commands(manager, run, choices.hint) if run.state in HELD_UP else (),
        )
        tell(output, shown, whole=whole, state=state, profile=profile, hint=choices.hint)
    return 0


class Shown(NamedTuple):
    """What there is to show of a run."""

    run: Run
    record: dict[str, Any]
    """The run as JSON."""
    course: Course
    previews: Mapping[int, str] | None
    approvals: Sequence[Approval]
    commands: Sequence[str]
    """How to go on with it."""


def tell(output: Output, shown: Shown, *, whole: bool, state: str | None, profile: bool, hint: str) -> None:
    """Show a run, or the part of it that was asked for."""
    run, course, previews = shown.run, shown.course, shown.previews
    if output.as_json:
        record = course.in_record(shown.record)
        if profile:
            record["attempts"] = profile_record(run, course)
        if previews is not None:
            told = zip(record["tasks"], run.tasks, strict=True)
            record["tasks"] = [{**entry, "value": previews[task.number]} for entry, task in told]
        if state is not None:
            record["tasks"] = [task for task in record["tasks"] if task["state"] == state]
        output.emit(record)
        return
    _show_head(output, run, shown.approvals, hint)
    if state in (None, "failed"):
        tell_failures(output, run, whole=whole)
    for line in shown.commands:
        output.say(line)
    if profile:
        show_profile(output, run, course, whole)
    else:
        _show_tasks(output, run, state, whole, previews, course)


def _show_head(output: Output, run: Run, approvals: Sequence[Approval], hint: str) -> None:
    state = output.paint(run.state, RUN_COLOURS.get(run.state), bold=True)
    output.say(f"Run {run.id} of {output.clean(run.workflow)}: {state}")
    seconds = duration(run.duration) if run.duration is not None else ""
    fields = {
        "error": run.error if "failed" not in run.counts else None,  # else the tasks' own errors tell more
        "due": _due(run),
        "data": " up to ".join(map(zoned_time, run.data_interval or ())),
        "started": local_time(run.started_at),
        "goes on": run.goes_on,
        "ended": f"{local_time(run.ended_at)}  ({seconds})" if run.ended_at is not None else None,
        "driver": driver_text(run.driver) if run.driver is not None else None,
        "notices": _notices(run),
        "waits": _asked(approvals, hint),
        "params": ", ".join(f"{name}={plain(value)}" for name, value in run.params.items()),
        "file": run.source,
        "task of" if run.part else "begun by": _origin(run),
    }
    for name, value in fields.items():
        if value:
            output.say(f"  {output.paint(f'{name:<8}', 'bright_black')} {output.clean(value)}")


def _due(run: Run) -> str | None:
    """The time that a run is for, and whether its schedule says so."""
    if run.logical_time is None:
        return None
    return zoned_time(run.logical_time) + (", by its schedule" if run.trigger == "schedule" else "")


def _origin(run: Run) -> str | None:
    """Which run has begun this one."""
    if run.parent is None:
        return None
    return f"run {run.parent}, as {run.part}" if run.part else f"run {run.parent}"


def _asked(approvals: Sequence[Approval], hint: str) -> str:
    """What somebody is to decide: a line each, of many the first few."""
    lines = []
    for approval in approvals[:_MOST_ASKED]:
        question = f": {approval.summary}" if approval.summary else ""
        command = f"penstock approve {approval.run_id} {quote(approval.task)}{hint}"
        lines.append(f"for somebody to decide about {approval.task}{question} ({command})")
    if len(approvals) > _MOST_ASKED:
        more = len(approvals) - _MOST_ASKED
        lines.append(f"for {count(more, 'more decision')}: penstock approvals {approvals[0].run_id}{hint}")
    return f"\n{' ' * 11}".join(lines)


def driver_text(driver: Holder) -> str:
    """Who drives a run, and for how long nothing was heard of it, if that is long."""
    told = f"process {driver.pid} on {driver.host}, since {local_time(moment(driver.since))}"
    silence = time() - driver.heard_at
    return f"{told}; it has given no sign of life for {duration(silence)}" if silence > _SILENCE else told


def _notices(run: Run) -> str | None:
    how = ": penstock resume --all delivers them" if run.driver is None else ""
    told = [f"{count(run.undelivered, 'notice')} to be delivered{how}"] if run.undelivered else []
    told += [f"{notice} was given up: {error}" for notice, error in run.dropped.items()]
    return "; ".join(told) or None


def _show_tasks(
    output: Output, run: Run, state: str | None, whole: bool, previews: Mapping[int, str] | None, course: Course
) -> None:
    tasks = run.tasks
    output.say()
    if state is not None:
        shown = [task for task in tasks if task.state == state]
    elif whole or len(tasks) <= _MOST_TASKS:
        shown = tasks
    else:
        counts = ", ".join(f"{number:,} {label}" for label, number in run.counts.items())
        output.say(f"{count(len(tasks), 'task')}: {counts}")
        shown = [task for task in tasks if task.state not in _DULL]
    left = 0 if whole else len(shown) - _MOST_TASKS
    shown = shown if whole else shown[:_MOST_TASKS]
    if shown:
        last = "VALUE" if previews is not None else "ERROR" if any(task.state in _BAD for task in shown) else "NOTE"
        header = ("TASK", "STATE", "ATTEMPTS", "DURATION", "CRITICAL", "PACE", last)
        output.table(header, [_cells(task, previews, course) for task in shown], right=(2, 3, 4))
    if left > 0:
        output.say(f"… and {left:,} more: penstock show {run.id}{f' --state {state}' if state else ''} --all")
    elif len(shown) < len(tasks) and state is None:
        output.say(f"All of them: penstock show {run.id} --all, or --state STATE")


def _cells(task: TaskRun, previews: Mapping[int, str] | None, course: Course) -> list[Cell]:
    attempts = str(task.attempts) if task.attempts else ""
    if previews is not None:
        last = previews[task.number]
    else:
        error = task.error if task.state != "success" else None
        decision = str(task.decision or "")
        child = f"run {task.child}" if task.child is not None else ""
        last = (task.reason or error or decision or child).split("\n", 1)[0]
    return [
        Cell(f"{task.name} {task.map_name}" if task.map_name else task.name),
        Cell(task.state, TASK_COLOURS.get(task.state)),
        Cell(f"{attempts} ({task.lost} lost)" if task.lost else attempts),
        Cell(duration(task.duration) if task.duration is not None else ""),
        Cell(course.share(task)),
        Cell(course.pace(task)),
        Cell(last, "bright_black"),
    ]


def _previews(manager: WorkflowManager, run: Run) -> dict[int, str]:
    """What each task returned, in a few words; "" where it did not."""
    from penstock.results.preview import preview
    from penstock.runtime.replay import replay

    store = manager.parts.store
    values = replay(store, store.run(run.id)).values
    return {task.number: preview(values.get(task.number)) if task.state == "success" else "" for task in run.tasks}

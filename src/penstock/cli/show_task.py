"""`penstock show RUN TASK`: one task of a run, with what it was given and what it returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.api.records import attempt_record, task_record
from penstock.api.values import value_record
from penstock.cli.colours import TASK_COLOURS
from penstock.cli.output import Cell, Output
from penstock.engine.states import TaskState
from penstock.observe.words import duration
from penstock.runtime.replay import replay

if TYPE_CHECKING:
    from penstock.engine.run import RunEngine
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run

_LONGEST_ERROR = 40
"""Lines of a traceback that are shown."""


def task_told(manager: WorkflowManager, run: Run, name: str) -> dict[str, Any]:
    """A task as JSON. TaskNotFound."""
    task = run.task(name)
    store = manager.parts.store
    engine = replay(store, store.run(run.id))
    is_map = task.number in engine.widths
    value = engine.values.get(task.number)
    return task_record(task, {child.id for child in run.children}) | {
        "run": run.id,
        "workflow": run.workflow,
        "name": task.name,
        "inputs": _inputs(engine, task.number),
        "value": value_record(value) if task.state == "success" and not is_map else None,
        "tries": [attempt_record(attempt) for attempt in run.attempts if attempt.task == task.name],
    }


def _inputs(engine: RunEngine, slot: int) -> list[dict[str, Any]]:
    """What the task takes from others that have a value by now."""
    found = []
    for row in engine.plan.inputs[engine.row(slot)]:
        above = engine.slot_beside(slot, row)
        if engine.states[above] == TaskState.SUCCESS and above not in engine.widths:
            found.append({"task": engine.name(above), "value": value_record(engine.values.get(above))})
    return found


def tell_task(output: Output, told: dict[str, Any], *, whole: bool) -> None:
    """Show a task."""
    if output.as_json:
        output.emit(told)
        return
    state = output.paint(told["state"], TASK_COLOURS.get(told["state"]), bold=True)
    output.say(f"Task {output.clean(told['name'])} of run {told['run']} of {output.clean(told['workflow'])}: {state}")
    if told["reason"]:
        _field(output, "since", told["reason"])
    for attempt in told["tries"]:
        took = f" after {duration(attempt['duration'])}" if attempt["duration"] is not None else ""
        error = f": {attempt['error']}" if attempt["error"] else ""
        _field(output, "attempt", f"{attempt['attempt']} {attempt['state']}{took}{error}")
    if told["traceback"]:
        lines = told["traceback"].rstrip().split("\n")
        for line in lines if whole else lines[-_LONGEST_ERROR:]:
            output.say(output.clean(f"    {line}").rstrip())
    for given in told["inputs"]:
        _value(output, "given", f"{given['task']}: ", given["value"], rows=False)
    if told["value"] is not None:
        _value(output, "returned", "", told["value"], rows=True)


def _value(output: Output, label: str, name: str, value: dict[str, Any], *, rows: bool) -> None:
    _field(output, label, name + value["preview"])
    note = value["note"]
    if not rows or note is None:
        return
    if note["columns"]:
        output.say()
        header = [f"{column['name']} ({column['type']})" for column in note["columns"]]
        output.table(header, [[Cell(cell) for cell in row] for row in note["rows"]])
        shape = note["shape"]
        if shape and shape[0] > len(note["rows"]):
            output.say(f"… {shape[0] - len(note['rows']):,} more rows")
    elif note["text"] and note["shape"]:
        output.say(output.clean(f"    {note['text']}"))


def _field(output: Output, name: str, text: str) -> None:
    output.say(f"  {output.paint(f'{name:<8}', 'bright_black')} {output.clean(text)}")

"""All that can be read of a store through the public face, item by item, to be compared with what was true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from penstock import WorkflowManager
from penstock.errors import PenstockError
from penstock.runtime.record import Run
from penstock.runtime.task_record import TaskRun
from tests.faults.driving import Variant
from tests.faults.ledger import digest_of

Items: TypeAlias = dict[str, Any]
"""What each item reads, or [the error that it gives]."""


def read(folder: Path, variant: Variant) -> Items:
    """Every run, its row, its tasks, their values and what they printed."""
    found: Items = {}
    try:
        manager = variant.manager(folder)
        manager.parts  # noqa: B018  # which opens the store
    except PenstockError as error:
        return {"runs": [str(error)]}
    with manager:
        _item(found, "runs", lambda: tuple(run.id for run in manager.runs()))
        if not isinstance(found["runs"], list):
            for id in found["runs"]:
                _read_run(found, manager, id)
    return found


def _read_run(found: Items, manager: WorkflowManager, id: str) -> None:
    run: list[Run] = []
    _item(found, f"{id} row", lambda: _row(_first(run, manager.get(id))))
    if not run:
        return
    _item(found, f"{id} tasks", lambda: tuple(task.name for task in run[0].tasks))
    if isinstance(found[f"{id} tasks"], list):
        return
    for task in run[0].tasks:
        name = f"{id} {task.name}"
        _item(found, name, lambda task=task: _task(task))  # type: ignore[misc]
        _item(found, f"{name}'s text", lambda task=task: task.log)  # type: ignore[misc]
        if task.state == "success":
            _item(found, f"{name}'s value", lambda task=task: _value(task))  # type: ignore[misc]


def _first(run: list[Run], got: Run) -> Run:
    run.append(got)
    return got


def _item(found: Items, name: str, get: Callable[[], Any]) -> None:
    try:
        found[name] = get()
    except PenstockError as error:
        found[name] = [f"{type(error).__name__}: {error}"]


def _row(run: Run) -> tuple[Any, ...]:
    params = tuple(sorted(run.params.items()))
    return run.workflow, run.state, params, run.source, run.error, str(run.started_at), str(run.ended_at)


def _task(task: TaskRun) -> tuple[Any, ...]:
    times = str(task.started_at), str(task.ended_at)
    return task.state, task.attempts, task.lost, task.generation, task.error, task.traceback, *times


def _value(task: TaskRun) -> str:
    return "volatile" if task.name == "handle" else digest_of(task.result)


def differences(read: Items, true: Items) -> list[str]:
    """The items that are not what is true, and say so to nobody."""
    found = [
        f"{name}: {value!r:.200}, not {true.get(name)!r:.200}"
        for name, value in read.items()
        if not isinstance(value, list) and value != true.get(name)
    ]
    hidden = _hidden(read, true)
    return found + [f"{name} is not there" for name in true if name not in read and not hidden(name)]


def _hidden(read: Items, true: Items) -> Callable[[str], bool]:
    """Whether an item cannot be seen since what leads to it gives an error."""
    refused = [name for name, value in read.items() if isinstance(value, list)]
    if "runs" in refused:
        return lambda name: True
    runs = {name.partition(" ")[0] for name in refused if name.endswith((" row", " tasks"))}
    return lambda name: name.partition(" ")[0] in runs

"""Tasks of a run, their attempts and values."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from penstock.api.cursors import cursor as cursor_of
from penstock.api.cursors import place_of
from penstock.api.details import task_detail, task_in_run, usual_durations
from penstock.api.models.base import Page
from penstock.api.models.tasks import Attempt, Task, TaskDetail, Value, Why
from penstock.api.problems import Refused, described
from penstock.api.records import attempt_record, why_record
from penstock.api.routes.given import OF_A_RUN, Cursor, Limit, Read, RunId, TaskName
from penstock.api.values import value_record
from penstock.engine.states import TaskState

router = APIRouter(tags=["tasks"], responses=OF_A_RUN)
State = Literal[
    "pending", "ready", "running", "retrying", "deferred", "expanded", "success", "failed", "skipped",
    "upstream_failed", "cancelled", "removed",
]  # fmt: skip


@router.get("/runs/{run}/tasks")
def list_tasks(
    read: Read,
    run: RunId,
    state: Annotated[list[State] | None, Query(description="Those in one of these states")] = None,
    task: Annotated[str | None, Query(max_length=1_000, description="This one, or the instances of this map")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Task]:
    """The tasks of a run in the order of their definition, of maps their instances."""
    after = int(place_of(cursor, int)[0]) if cursor is not None else -1
    with read.run(run) as (found, known):
        wanted = {TaskState[name.upper()] for name in state or ()}
        if task is not None:
            found.task(task)
        tasks = [
            (place, one)
            for place, one in enumerate(found.tasks)
            if place > after
            and (not wanted or known.engine.states[one.number] in wanted)
            and (task is None or task in (one.task, one.name))
        ]
        children, takes = {child.id for child in found.children}, usual_durations(read, known.engine)
        items = [task_in_run(one, children, takes.get(one.task)) for _, one in tasks[:limit]]
    more = cursor_of(tasks[limit - 1][0]) if len(tasks) > limit else None
    return Page.model_construct(items=items, next=more)


@router.get("/runs/{run}/attempts")
def list_attempts(
    read: Read,
    run: RunId,
    task: Annotated[str | None, Query(max_length=1_000, description="Those of this task, or of this instance")] = None,
) -> list[Attempt]:
    """The attempts of a run, in the order in which they began."""
    with read.run(run) as (found, known):
        name = found.task(task).name if task is not None else None
        return [attempt_record(one) for one in known.attempts if name in (None, one.task)]  # type: ignore[misc]


@router.get("/runs/{run}/tasks/{task:path}/why")
def why_task(read: Read, run: RunId, task: TaskName) -> Why:
    """Why a task waits, runs, was skipped, failed, ran again or did not, down to the first cause."""
    with read.run(run) as (found, _):
        return why_record(found.why(task))  # type: ignore[return-value]


@router.get("/runs/{run}/tasks/{task:path}/value", responses=described(409))
def get_value(read: Read, run: RunId, task: TaskName) -> Value:
    """What a task returned, in short, as it was noted when it was written. Nothing is unpickled for it."""
    with read.run(run) as (found, known):
        one = found.task(task)
        if one.state != "success" or one.number in known.engine.widths:
            what = "is a map: ask for one of its instances" if one.number in known.engine.widths else f"is {one.state}"
            raise Refused(409, "no-value", f"task '{one.name}' {what}")
        return value_record(known.engine.values.get(one.number))  # type: ignore[return-value]


@router.get("/runs/{run}/tasks/{task:path}")
def get_task(read: Read, run: RunId, task: TaskName) -> TaskDetail:
    """A task with its attempts, what it was given and returned, why it stands where it does, and what it asks for."""
    with read.run(run) as (found, known):
        return task_detail(read, found, known, task)  # type: ignore[return-value]

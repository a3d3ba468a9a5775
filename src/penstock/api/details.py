"""One run, and one task of it, with all that a page about it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import isnan
from typing import Any

from penstock.api.graphs import counts_of_map, graph_of
from penstock.api.reading import Reading
from penstock.api.records import (
    attempt_record,
    driver_record,
    row_record,
    task_record,
    timestamp,
    why_record,
)
from penstock.api.replays import Replay
from penstock.api.values import value_record
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.executor.letters import RESERVED
from penstock.runtime.pace import critical_path, usual
from penstock.runtime.record import Run
from penstock.runtime.task_record import TaskRun

_UNEVENTFUL = frozenset(map(int, (TaskState.SUCCESS, TaskState.PENDING, TaskState.READY, TaskState.SKIPPED)))
_MOST_OF_A_MAP = 100
"""Of one map, so many instances are told when it is folded."""


def run_detail(read: Reading, run: Run, known: Replay, include: Collection[str], *, fold: bool) -> dict[str, Any]:
    """A run with its tasks."""
    engine, row = known.engine, read.row(run.id)
    children = [child.id for child in run.children]
    tasks = run.tasks
    told = _folded(engine, tasks) if fold else tasks
    takes = usual_durations(read, engine)
    return (
        row_record(row, run.state)
        | read.meant(row)
        | {
            "started_at": timestamp(run.started_at),
            "ended_at": timestamp(run.ended_at),
            "duration": run.duration,
            "error": run.error,
            "counts": run.counts,
            "driver": driver_record(run),
            "notices": {"undelivered": run.undelivered, "dropped": dict(run.dropped)},
            "tasks": [task_in_run(task, {*children}, takes.get(task.task)) for task in told],
            "folded": len(tasks) - len(told),
            "critical_path": [engine.name(slot) for slot in critical_path(engine)],
            "approvals": [read.approval(approval) for approval in run.approvals],
            "children": children,
            "topics": _topics(engine),
            "position": known.position,
            "graph": graph_of(engine.plan, engine) if "graph" in include else None,
            "attempts": [attempt_record(attempt) for attempt in known.attempts] if "attempts" in include else None,
            "why": why_record(run.why()) if "why" in include else None,
        }
    )


def _topics(engine: RunEngine) -> list[dict[str, str]]:
    """What tasks wait to be sent, without what Penstock itself sends."""
    topics = sorted(engine.topics.items())
    return [{"topic": topic, "task": engine.name(slot)} for slot, topic in topics if not topic.startswith(RESERVED)]


def task_in_run(task: TaskRun, children: set[str], takes: float | None) -> dict[str, Any]:
    """A task in the list of its run, with how long it takes as a rule."""
    return task_record(task, children) | {"usual": takes}


def task_detail(read: Reading, run: Run, known: Replay, name: str) -> dict[str, Any]:
    """One task with all that is known of it. TaskNotFound."""
    engine, task = known.engine, run.task(name)
    slot, plan = task.number, engine.plan
    row = engine.row(slot)
    children = {child.id for child in run.children}
    is_map = slot in engine.widths
    return task_in_run(task, children, usual_durations(read, engine).get(task.task)) | {
        "run": run.id,
        "workflow": run.workflow,
        "zone": read.meant(read.row(run.id))["zone"],
        "name": task.name,
        "generation": task.generation,
        "rule": task.rule,
        "upstreams": task.upstreams,
        "where": plan.places[row],
        "inputs": _inputs(engine, slot),
        "value": value_record(engine.values.get(slot)) if task.state == "success" and not is_map else None,
        "instances": counts_of_map(engine, row) if is_map else None,
        "tries": [attempt_record(attempt) for attempt in known.attempts if attempt.task == task.name],
        "why": why_record(run.why(name)),
        "approval": read.approval(task.approval) if task.approval is not None else None,
    }


def _inputs(engine: RunEngine, slot: int) -> list[dict[str, Any]]:
    """What a task takes from others that have a value by now."""
    found = []
    for row in engine.plan.inputs[engine.row(slot)]:
        above = engine.slot_beside(slot, row)
        if engine.states[above] == TaskState.SUCCESS and above not in engine.widths:
            found.append({"task": engine.name(above), "value": value_record(engine.values.get(above))})
    return found


def usual_durations(read: Reading, engine: RunEngine) -> dict[str, float]:
    """How many seconds tasks take as a rule, by name, where that is known."""
    return {
        name: seconds
        for name, seconds in zip(engine.plan.names, usual(read.store, engine), strict=False)
        if not isnan(seconds)
    }


def _folded(engine: RunEngine, tasks: Sequence[TaskRun]) -> list[TaskRun]:
    """The tasks, and of maps only instances that need somebody's attention, and of these not too many."""
    seen: Counter[int] = Counter()
    told = []
    for task in tasks:
        slot = task.number
        if slot >= engine.size:
            if engine.states[slot] in _UNEVENTFUL or seen[engine.row(slot)] == _MOST_OF_A_MAP:
                continue
            seen[engine.row(slot)] += 1
        told.append(task)
    return told

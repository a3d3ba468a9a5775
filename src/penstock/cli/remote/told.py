"""What a server tells of runs, as what the commands show: they show the same, wherever it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

from penstock.cli.course import Course
from penstock.engine.states import TaskState
from penstock.errors import TaskNotFound
from penstock.executor.decisions import Decision
from penstock.logs.base import LogChunk, Position
from penstock.results.tagged_json import dumps
from penstock.runtime.approvals import Approval
from penstock.runtime.attempts import AttemptRun
from penstock.runtime.coming import Coming
from penstock.runtime.logbook import Entry
from penstock.runtime.part import Part
from penstock.runtime.why import Step, Why, when_it_goes_on
from penstock.store.base import Holder, RunRow
from penstock.timetable import Tick

Record = Mapping[str, Any]
_OF_RUN = (
    *("id", "workflow", "state", "params", "started_at", "ended_at", "wakes_at", "duration", "error", "file"),
    *("parent", "part", "trigger", "logical_time", "data_interval", "timezone", "driver", "notices", "counts", "tasks"),
)
_OF_TASK = (
    *("id", "map_index", "map_name", "state", "attempts", "started_at", "ended_at", "duration", "error", "reason"),
    *("traceback", "decision", "child"),
)
_OF_ROW = (
    *("id", "workflow", "state", "params", "created_at", "started_at", "ended_at", "wakes_at", "duration", "error"),
    *("file", "parent", "part", "trigger", "logical_time", "data_interval", "timezone", "tasks", "counts"),
)


def run_told(detail: Record) -> dict[str, Any]:
    """What `--json` writes of a run."""
    record = {name: detail[name] for name in _OF_RUN}
    return record | {"tasks": [{name: task[name] for name in _OF_TASK} for task in detail["tasks"]]}


def task_told(detail: Record) -> dict[str, Any]:
    """What `--json` writes of a task."""
    more = ("run", "workflow", "name", "inputs", "value", "tries")
    return {name: detail[name] for name in (*_OF_TASK, *more)}


def row_told(summary: Record) -> dict[str, Any]:
    """What `--json` writes of a run in a list."""
    return {name: summary[name] for name in _OF_ROW} | {"approvals": summary["approvals"]}


def at(text: str | None, timezone: str | None = None) -> datetime | None:
    """A time."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if timezone is None else found.astimezone(ZoneInfo(timezone))


def seconds(text: str | None) -> float | None:
    """A time in seconds since 1970."""
    found = at(text)
    return None if found is None else found.timestamp()


def row_of(summary: Record) -> RunRow:
    """A run in a list."""
    part, interval = summary["part"], summary["data_interval"] or {}
    return RunRow(
        id=str(summary["id"]),
        workflow=str(summary["workflow"]),
        state=str(summary["state"]),
        params=dumps(summary["params"]),
        plan="",
        source=summary["file"],
        created_at=seconds(summary["created_at"]) or 0.0,
        started_at=seconds(summary["started_at"]),
        ended_at=seconds(summary["ended_at"]),
        error=summary["error"],
        tasks=int(summary["tasks"]),
        counts=json.dumps(summary["counts"]),
        wake_at=seconds(summary["wakes_at"]),
        parent=summary["parent"],
        part=None if part is None else Part(str(part), -1, 0).text,
        logical_at=seconds(summary["logical_time"]),
        interval_start=seconds(interval.get("start")),
        interval_end=seconds(interval.get("end")),
        timezone=summary["timezone"],
        trigger=str(summary["trigger"]),
    )


class ToldTask:
    """A task of a run: of a `TaskRun` what the commands show."""

    def __init__(self, number: int, record: Record) -> None:
        self.number = number
        self.task = str(record["id"])
        self.map_index = -1 if record["map_index"] is None else int(record["map_index"])
        self.name = self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"
        self.map_name: str | None = record["map_name"]
        self.state = TaskState[record["state"].upper()].label
        self.attempts = int(record["attempts"])
        self.lost = 0
        self.has_rounds = False
        self.duration: float | None = record["duration"]
        self.error: str | None = record["error"]
        self.reason: str | None = record["reason"]
        self.traceback: str | None = record["traceback"]
        self.child: str | None = record["child"]
        self.decision = decision_of(record["decision"])
        self.usual: float | None = record["usual"]


class ToldRun:
    """A run: of a `Run` what the commands show."""

    def __init__(self, detail: Record) -> None:
        zone, interval, driver = detail["timezone"], detail["data_interval"], detail["driver"]
        self.id, self.workflow, self.state = (str(detail[name]) for name in ("id", "workflow", "state"))
        self.error: str | None = detail["error"]
        self.params: Record = detail["params"]
        self.counts: dict[str, int] = detail["counts"]
        self.source: str | None = detail["file"]
        self.parent: str | None = detail["parent"]
        self.part: str | None = detail["part"]
        self.trigger: str = detail["trigger"]
        self.duration: float | None = detail["duration"]
        self.started_at, self.ended_at = at(detail["started_at"]), at(detail["ended_at"])
        self.logical_time = at(detail["logical_time"], zone)
        self.data_interval = None if interval is None else (at(interval["start"], zone), at(interval["end"], zone))
        self.undelivered = int(detail["notices"]["undelivered"])
        self.dropped: Record = detail["notices"]["dropped"]
        self.driver = None if driver is None else _holder(driver)
        self.tasks = [ToldTask(number, record) for number, record in enumerate(detail["tasks"])]
        self.attempts = [attempt_of(one) for one in detail["attempts"] or ()]
        waits = range(len(detail["topics"]))
        self.goes_on = when_it_goes_on(seconds(detail["wakes_at"]), waits) if self.state == "waiting" else None

    def task(self, name: str) -> ToldTask:
        """The task of this name, or an instance of it. TaskNotFound."""
        for task in self.tasks:
            if name in (task.name, task.task):
                return task
        raise TaskNotFound(f"run {self.id} has no task '{name}'")


class ToldCourse(Course):
    """How a run went."""

    def __init__(self, detail: Record, run: ToldRun) -> None:
        by_name = {task.name: task for task in run.tasks}
        path = [by_name[name] for name in detail["critical_path"] if name in by_name]
        self._path = {task.number: task.duration or 0.0 for task in path}
        self._names = [*detail["critical_path"]]
        self._rows = {task.task: task.number for task in run.tasks}
        self._usual = [nan if task.usual is None else task.usual for task in run.tasks]


def _holder(driver: Record) -> Holder:
    since, heard_at = seconds(driver["since"]), seconds(driver["heard_at"])
    return Holder(int(driver["pid"]), str(driver["host"]), since or 0.0, heard_at or 0.0)


def decision_of(record: Record | None) -> Decision | None:
    """What was decided."""
    if record is None:
        return None
    moment = at(record["at"])
    assert moment is not None
    return Decision(record["approved"], record["by"] or "", moment, record["note"], record["inputs"])


def attempt_of(record: Record) -> AttemptRun:
    """An attempt of a task."""
    began, took = seconds(record["started_at"]) or 0.0, record["duration"]
    return AttemptRun(
        task=str(record["task"]),
        generation=int(record["generation"]),
        number=int(record["attempt"]),
        because=record["because"] or "",
        began=began,
        ended=None if took is None else began + float(took),
        state=str(record["state"]),
        error=record["error"],
        cpu=record["cpu"],
        memory=record["memory"],
    )


def approval_of(record: Record) -> Approval:
    """What somebody is to decide."""
    asked_at = at(record["asked_at"])
    assert asked_at is not None
    return Approval(
        str(record["run"]),
        str(record["workflow"]),
        str(record["task"]),
        str(record["question"]),
        record["inputs"],
        asked_at,
        at(record["deadline"]),
        record["default"],
        record["given"],
    )


def why_of(record: Record) -> Why:
    """Why something stands where it does."""
    steps = [
        Step(
            task=str(one["task"]),
            state=str(one["state"]),
            kind=str(one["kind"]),
            text=str(one["text"]),
            behind=tuple(one["behind"]),
            at=at(one["at"]),
            holds_up=int(one["holds_up"]),
        )
        for one in record["steps"]
    ]
    return Why(record["run"], record["task"], record["state"], record["text"], steps, record["notes"])


def coming_of(record: Record) -> Coming:
    """A time at which a workflow is due."""
    interval = record["data_interval"]
    due, start, end = at(record["logical_time"]), at(interval["start"]), at(interval["end"])
    assert due is not None
    assert start is not None
    assert end is not None
    starts, ends = at(record["starts_at"]), at(record["ends_at"])
    return Coming(str(record["workflow"]), Tick(due, start, end), str(record["timezone"]), starts, ends)


def entry_of(record: Record) -> Entry:
    """What an attempt wrote."""
    segment, _, number = str(record["position"]).partition(".")
    moment = seconds(record["at"]) or 0.0
    chunk = LogChunk(
        position=Position(int(segment), int(number)),
        task=0,
        generation=int(record["generation"]),
        attempt=int(record["attempt"]),
        at=moment,
        stream=record["stream"],
        text=str(record["text"]),
        plan="",
    )
    return Entry(str(record["task"]), chunk)

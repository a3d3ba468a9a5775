"""What `penstock show` says of how a run went: what it spent its time on, and what was slower than usual."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from penstock.api.records import attempt_record
from penstock.cli.colours import TASK_COLOURS
from penstock.cli.output import Cell, Output
from penstock.observe.words import count, duration
from penstock.runtime.pace import critical_path, pace, usual
from penstock.runtime.replay import replay

if TYPE_CHECKING:
    from penstock.engine.run import RunEngine
    from penstock.manager import WorkflowManager
    from penstock.runtime.attempts import AttemptRun
    from penstock.runtime.record import Run
    from penstock.runtime.task_record import TaskRun

SHORTEST = 1.0
"""Seconds that a run takes at least for it to be worth saying what it spent them on."""
_MOST_ATTEMPTS = 60
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Course:
    """How one run went."""

    def __init__(self, manager: WorkflowManager, run: Run) -> None:
        store = manager.parts.store
        engine = replay(store, store.run(run.id))
        self._rows = engine.plan.numbers
        self._path = {slot: _took(engine, slot) for slot in critical_path(engine)}
        self._names = [*map(engine.name, self._path)]
        self._usual: Sequence[float] = usual(store, engine)

    def usual(self, task: str) -> float:
        """Seconds that a task, by its name without an index, takes as a rule; NaN if that is not known."""
        row = self._rows.get(task, len(self._usual))
        return self._usual[row] if row < len(self._usual) else nan

    def share(self, task: TaskRun) -> str:
        """How much a task is of the run's time, if it is on the critical path and that is worth saying."""
        whole = sum(self._path.values())
        if whole < SHORTEST or task.number not in self._path:
            return ""
        return f"{self._path[task.number] / whole:.0%}"

    def pace(self, task: TaskRun) -> str:
        """Whether a task took much longer than usual, or much less."""
        return pace(task.duration, self.usual(task.task)) if task.state == "success" else ""

    def in_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record of the run with this in it."""
        for entry in record["tasks"]:
            seconds = self.usual(entry["id"])
            entry["usual"] = None if isnan(seconds) else seconds
        return {**record, "critical_path": self._names}


def _took(engine: RunEngine, slot: int) -> float:
    """Seconds that a task took, with what it waited for: another run, a message, a person."""
    return max(0.0, engine.ended[slot] - engine.waiting_since.get(slot, engine.started[slot]))


def show_profile(output: Output, run: Run, course: Course, whole: bool) -> None:
    """The attempts of a run, the longest first."""
    attempts = _longest_first(run)
    output.say()
    if not attempts:
        output.say("No attempt has begun")
        return
    shown = attempts if whole else attempts[:_MOST_ATTEMPTS]
    header = ("TASK", "ATTEMPT", "STATE", "DURATION", "CPU", "MEMORY", "PACE")
    output.table(header, [_cells(attempt, course) for attempt in shown], right=(1, 3, 4, 5))
    if len(shown) < len(attempts):
        output.say(f"… and {len(attempts) - len(shown):,} more: penstock show {run.id} --profile --all")
    cpu = [attempt.cpu for attempt in attempts if attempt.cpu is not None]
    seconds = sum(attempt.duration or 0.0 for attempt in attempts)
    told = f", {duration(sum(cpu))} of them on a processor" if cpu else ""
    output.say(f"{count(len(attempts), 'attempt')} took {duration(seconds)}{told}")


def _longest_first(run: Run) -> list[AttemptRun]:
    return sorted(run.attempts, key=lambda attempt: -(attempt.duration or 0.0))


def _cells(attempt: AttemptRun, course: Course) -> list[Cell]:
    return [
        Cell(attempt.task),
        Cell(f"{attempt.generation}.{attempt.number}" if attempt.generation else str(attempt.number)),
        Cell(attempt.state, TASK_COLOURS.get(attempt.state)),
        Cell(duration(attempt.duration) if attempt.duration is not None else ""),
        Cell(duration(attempt.cpu) if attempt.cpu is not None else ""),
        Cell(_bytes(attempt.memory) if attempt.memory is not None else ""),
        Cell(_pace(attempt, course)),
    ]


def _pace(attempt: AttemptRun, course: Course) -> str:
    return pace(attempt.duration, course.usual(_task(attempt))) if attempt.state == "success" else ""


def _task(attempt: AttemptRun) -> str:
    name, bracket, _ = attempt.task.rpartition("[")
    return name if bracket else attempt.task


def profile_record(run: Run, course: Course) -> list[dict[str, Any]]:
    """The attempts as JSON, the longest first."""
    records = []
    for attempt in _longest_first(run):
        seconds = course.usual(_task(attempt))
        records.append({**attempt_record(attempt), "usual": None if isnan(seconds) else seconds})
    return records


def _bytes(number: float) -> str:
    """A size with two or three digits that matter."""
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if number >= 10 or not unit else f"{number:.1f} {_UNITS[unit]}"

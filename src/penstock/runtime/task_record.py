"""One task of a run as its user sees it: its state, attempts, error and result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from penstock.engine.events import ValueRef
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.executor.caught import CaughtError
from penstock.executor.decisions import Decision
from penstock.runtime.approvals import Approval, approval_of, decision_of
from penstock.runtime.part import child_of
from penstock.runtime.times import moment
from penstock.runtime.why import Whys


class TaskRun:
    """One task of a run."""

    __slots__ = ("_engine", "_load", "_log", "_number", "_whys")

    def __init__(
        self, engine: RunEngine, number: int, load: Callable[[ValueRef], Any], log: Callable[[str], str], whys: Whys
    ) -> None:
        self._engine = engine
        self._number = number
        self._load = load
        self._log = log
        self._whys = whys

    @property
    def number(self) -> int:
        """The number of the task in its run, from 0; those of instances of maps come after all others."""
        return self._number

    @property
    def name(self) -> str:
        """The task's name; of an instance of a map with its index: "load[3]"."""
        return self._engine.name(self._number)

    @property
    def task(self) -> str:
        """The task's name, without an index."""
        return self._engine.plan.names[self._engine.row(self._number)]

    @property
    def map_index(self) -> int:
        """Which instance of a map it is, from 0; -1 for a task that is none."""
        return self._engine.index(self._number)

    @property
    def map_name(self) -> str | None:
        """What this instance of a map is called, where the task has a `map_name`."""
        row, index = self._engine.row(self._number), self.map_index
        names = self._engine.map_names.get(row, ())
        return names[index] or None if 0 <= index < len(names) else None

    @property
    def instances(self) -> list[TaskRun]:
        """The instances of a mapped task, by index; none for other tasks, or before it is known how many there are."""
        if self._number not in self._engine.widths:
            return []
        return [
            TaskRun(self._engine, slot, self._load, self._log, self._whys) for slot in self._engine.slots(self._number)
        ]

    @property
    def state(self) -> str:
        """pending, ready, running, retrying, success, failed, skipped, upstream_failed or cancelled; of a mapped task
        expanded while its instances go on, then the worst of what they came to."""
        return self._engine.task_state(self._number).label

    @property
    def attempts(self) -> int:
        """How many attempts have begun."""
        return self._engine.attempts[self._number]

    @property
    def lost(self) -> int:
        """How many of them vanished with their worker or driver."""
        return self._engine.lost.get(self._number, 0)

    @property
    def generation(self) -> int:
        """How often the task was run again by hand."""
        return self._engine.generation(self._number)

    @property
    def started_at(self) -> datetime | None:
        """When the latest attempt began."""
        return moment(self._engine.started[self._number])

    @property
    def ended_at(self) -> datetime | None:
        """When the task ended; None while it has not."""
        ended = self._engine.task_state(self._number) >= TaskState.SUCCESS
        return moment(self._engine.ended[self._number]) if ended else None

    @property
    def duration(self) -> float | None:
        """Seconds that the latest attempt took; of a task that runs a workflow, since it began that."""
        began = self._engine.waiting_since.get(self._number) if self.child is not None else None
        started, ended = self.started_at if began is None else moment(began), self.ended_at
        if not self.attempts:
            return None
        if started is None or ended is None or self.state not in ("success", "failed", "skipped", "cancelled"):
            return None
        return max(0.0, (ended - started).total_seconds())

    @property
    def error(self) -> str | None:
        """The last error, in one line."""
        error = self._engine.errors.get(self._number)
        return f"{error.type}: {error.message}" if error else None

    @property
    def reason(self) -> str | None:
        """Why the task skipped itself, who marked it and why, or what kept it from running."""
        said = self._engine.marks.get(self._number) or self._engine.skips.get(self._number)
        return said or self._whys.why(self._number)

    @property
    def approval(self) -> Approval | None:
        """What the task waits for somebody to decide, if it does."""
        return approval_of(self._engine, self._number)

    @property
    def decision(self) -> Decision | None:
        """What was decided, of an approval about which anything was."""
        return decision_of(self._engine, self._number, self._load)

    @property
    def traceback(self) -> str | None:
        """The last error with its traceback."""
        error = self._engine.errors.get(self._number)
        return error.traceback or f"{error.type}: {error.message}\n" if error else None

    @property
    def exception(self) -> BaseException | None:
        """The last error itself, with what led to it, if no attempt followed it and it could be kept: the very object
        where it was raised in this process (of the first few), else one that is made anew. ValueUnavailable if it
        cannot be read here."""
        error = self._engine.errors.get(self._number)
        if isinstance(error, CaughtError):
            return error.exception
        if error is None or not error.kept:
            return None
        from penstock.results.exceptions import as_exception, reference

        return as_exception(self._load(reference(error.kept)))

    @property
    def child(self) -> str | None:
        """The id of the run that the task is, if it runs a workflow and has begun."""
        return child_of(self._engine, self._number)

    @property
    def upstreams(self) -> list[str]:
        """Names of the tasks that its rule looks at."""
        return [self._engine.plan.names[row] for row in self._engine.plan.upstreams[self._engine.row(self._number)]]

    @property
    def rule(self) -> str:
        """What the task asks of its upstreams: its trigger rule."""
        return str(self._engine.policy(self._number).trigger_rule)

    @property
    def has_rounds(self) -> bool:
        """Whether the task is in a group that is tried again as a unit."""
        return self._engine.row(self._number) in self._engine.plan.units

    @property
    def result(self) -> Any:
        """What the task returned, read anew from where it was stored; of a map, the list of what its instances did.
        PenstockError if it did not succeed."""
        if self._number in self._engine.widths and self.ended_at is not None:
            return [task.result if task.state == "success" else None for task in self.instances]
        if self.state != "success":
            raise PenstockError(f"task '{self.name}' has no result: it is {self.state}")
        ref = self._engine.values.get(self._number)
        return None if ref is None else self._load(ref)

    @property
    def log(self) -> str:
        """What the task printed and logged, all attempts in order."""
        return self._log(self.name)

    def __repr__(self) -> str:
        return f"<TaskRun '{self.name}': {self.state}>"

"""A run as its user sees it: states, attempts, errors and results, of a run that goes on or of one long ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from html import escape
from typing import Any, Protocol

from penstock.engine.events import Event, ValueRef
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError, TaskNotFound
from penstock.executor.caught import CaughtError
from penstock.runtime.attempts import AttemptRun, Chronicle
from penstock.runtime.pace import critical_path
from penstock.runtime.times import moment
from penstock.runtime.why import Why, Whys, why_run, why_task
from penstock.store.base import Holder, RunRow


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
        """Seconds that the latest attempt took."""
        started, ended = self.started_at, self.ended_at
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


class Control(Protocol):
    """What can be asked of a run, besides what it is: a WorkflowManager."""

    def wait(self, run_id: str, timeout: float | None = None) -> Run:
        """See WorkflowManager.wait."""

    def cancel(self, run_id: str, *, by: str | None = None) -> Run:
        """See WorkflowManager.cancel."""


class Run:
    """One run of a workflow, as it was when it was looked up."""

    def __init__(
        self,
        row: RunRow,
        *,
        state: str,
        params: Mapping[str, Any],
        engine: RunEngine | None,
        replay: Callable[..., RunEngine],
        load: Callable[[ValueRef], Any],
        log: Callable[[str], str],
        driver: Holder | None = None,
        control: Control | None = None,
    ) -> None:
        self.id = row.id
        self.workflow = row.workflow
        self.params = params
        self.source = row.source
        """The FILE that the workflow came from, if any."""
        self.state = state
        """queued, running, interrupted, success, failed or cancelled."""
        self.driver = driver
        """Who drives the run, of a run that was looked up while it went on."""
        self.error = row.error if engine is None else engine.error
        """Why the run failed or was cancelled, in one line."""
        self.started_at = moment(row.started_at if engine is None else engine.started_at)
        """When a driver first took the run."""
        self.ended_at = moment(row.ended_at if engine is None else engine.ended_at)
        """When the last task ended; None while the run has not ended."""
        self._known = engine
        self._replay = replay
        self._load = load
        self._log = log
        self._control = control

    def wait(self, timeout: float | None = None) -> Run:
        """The run when it has ended, whoever drives it; it may have failed, or be interrupted if nobody drives it any
        more. TimeoutError if it is not over after `timeout` seconds."""
        assert self._control is not None
        return self._control.wait(self.id, timeout)

    def cancel(self, *, by: str | None = None) -> Run:
        """Ask the run to end: tasks that run are asked to, the others are cancelled. RunEnded if it has ended."""
        assert self._control is not None
        return self._control.cancel(self.id, by=by)

    def read(self) -> Run:
        """Read the run's journal now rather than when it is needed."""
        if self._known is None:
            self._known = self._replay()
        return self

    @property
    def _engine(self) -> RunEngine:
        return self._known or self._replay_now()

    def _replay_now(self) -> RunEngine:
        self._known = self._replay()
        return self._known

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, pauses included; None while the run has not ended."""
        started, ended = self.started_at, self.ended_at
        return (ended - started).total_seconds() if started and ended else None

    @property
    def tasks(self) -> list[TaskRun]:
        """The tasks, in the order in which they were defined; of a mapped task its instances, once they are known."""
        engine = self._engine
        whys = Whys(engine)
        return [
            TaskRun(engine, slot, self._load, self._log, whys)
            for row in range(engine.size)
            if row not in engine.plan.expanded_by or engine.task_state(row) is not TaskState.SUCCESS
            for slot in engine.slots(row)
        ]

    @property
    def numbers(self) -> Mapping[str, int]:
        """The numbers of the tasks in the run's plan, by name."""
        return self._engine.plan.numbers

    @property
    def undelivered(self) -> int:
        """How many notices (to callbacks and notifiers) are still to be delivered."""
        return len(self._engine.notices)

    @property
    def dropped(self) -> Mapping[str, str]:
        """Notices that were given up: their ids, and why."""
        return self._engine.dropped

    @property
    def counts(self) -> dict[str, int]:
        """State -> how many tasks are in it."""
        return self._engine.counts()

    @property
    def critical_path(self) -> list[TaskRun]:
        """The tasks that determined when the run ended, in order: the last one to end, before it the last to end of
        those that it waited for, and so on. None of a run that has not ended."""
        engine, whys = self._engine, Whys(self._engine)
        return [TaskRun(engine, slot, self._load, self._log, whys) for slot in critical_path(engine)]

    @property
    def attempts(self) -> list[AttemptRun]:
        """All attempts of all tasks, in the order in which they began. The journal is read for it."""
        return self._told()[1].attempts

    def why(self, task: str | None = None) -> Why:
        """Why a task, or an instance of one, stands where it does, down to the first cause; without a name, why the run
        does. The journal is read for it. TaskNotFound if there is no such task."""
        engine, chronicle = self._told()
        nobody = self.state == "interrupted"
        if task is None:
            return why_run(engine, self.state)
        return why_task(engine, chronicle, self.task(task).number, interrupted=nobody)

    def _told(self) -> tuple[RunEngine, Chronicle]:
        """The run as its journal has it by now, and what it has of attempts."""
        found: list[Chronicle] = []

        def follow(engine: RunEngine) -> Callable[[Event], None]:
            found.append(Chronicle(engine))
            return found[0].handle

        return self._replay(follow), found[0]

    def task(self, name: str) -> TaskRun:
        """The task of this name, or an instance of it, "load[3]". TaskNotFound if there is none."""
        number = self._engine.plan.numbers.get(name)
        if number is None:
            number = self._instance(name)
        if number is None:
            near = get_close_matches(name, self._engine.plan.names, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise TaskNotFound(f"run {self.id} has no task '{name}'{hint}")
        return TaskRun(self._engine, number, self._load, self._log, Whys(self._engine))

    def has_task(self, name: str) -> bool:
        """Whether there is a task, or an instance, of this name."""
        return name in self._engine.plan.numbers or self._instance(name) is not None

    def _instance(self, name: str) -> int | None:
        task, bracket, index = name.removesuffix("]").rpartition("[")
        row = self._engine.plan.numbers.get(task)
        if not bracket or row is None or not index.isdecimal():
            return None
        try:
            return self._engine.slot(row, int(index))
        except LookupError:
            return None

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        return f"<Run {self.id} of '{self.workflow}': {self.state} ({counts})>"

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        rows = "".join(_row(task) for task in self.tasks[:_MOST_ROWS])
        more = len(self.tasks) - _MOST_ROWS
        rest = f"<p>… and {more} more tasks</p>" if more > 0 else ""
        error = f"<p>{escape(self.error)}</p>" if self.error else ""
        heading = f"<p><b>{escape(self.workflow)}</b>, run <code>{self.id}</code>: <b>{self.state}</b></p>"
        head = "<tr><th>Task</th><th>State</th><th>Attempts</th><th>Duration</th><th>Error</th></tr>"
        return f"{heading}{error}<table><thead>{head}</thead><tbody>{rows}</tbody></table>{rest}"


_MOST_ROWS = 200


def _row(task: TaskRun) -> str:
    duration = f"{task.duration:.3g} s" if task.duration is not None else ""
    cells = (task.name, task.state, str(task.attempts), duration, task.error or "")
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"

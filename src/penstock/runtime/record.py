"""A run as its user sees it: states, attempts, errors and results, of a run that goes on or of one long ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from html import escape
from typing import Any

from penstock.engine.events import ValueRef
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError, TaskNotFound
from penstock.store.base import Holder, RunRow


class TaskRun:
    """One task of a run."""

    __slots__ = ("_engine", "_load", "_log", "_number")

    def __init__(
        self, engine: RunEngine, number: int, load: Callable[[ValueRef], Any], log: Callable[[str], str]
    ) -> None:
        self._engine = engine
        self._number = number
        self._load = load
        self._log = log

    @property
    def number(self) -> int:
        """The task's place among the tasks of its run, from 0."""
        return self._number

    @property
    def name(self) -> str:
        """The task's name."""
        return self._engine.plan.names[self._number]

    @property
    def state(self) -> str:
        """pending, ready, running, retrying, success, failed, upstream_failed or cancelled."""
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
        if started is None or ended is None or self.state not in ("success", "failed", "cancelled"):
            return None
        return max(0.0, (ended - started).total_seconds())

    @property
    def error(self) -> str | None:
        """The last error, in one line."""
        error = self._engine.errors.get(self._number)
        return f"{error.type}: {error.message}" if error else None

    @property
    def traceback(self) -> str | None:
        """The last error with its traceback."""
        error = self._engine.errors.get(self._number)
        return error.traceback or f"{error.type}: {error.message}\n" if error else None

    @property
    def upstreams(self) -> list[str]:
        """Names of the tasks that had to succeed first."""
        return [self._engine.plan.names[number] for number in self._engine.plan.upstreams[self._number]]

    @property
    def result(self) -> Any:
        """What the task returned, read anew from where it was stored. PenstockError if it did not succeed."""
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


class Run:
    """One run of a workflow."""

    def __init__(
        self,
        row: RunRow,
        *,
        state: str,
        params: Mapping[str, Any],
        engine: RunEngine | None,
        replay: Callable[[], RunEngine],
        load: Callable[[ValueRef], Any],
        log: Callable[[str], str],
        driver: Holder | None = None,
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
        """The tasks, in the order in which they were defined."""
        return [TaskRun(self._engine, number, self._load, self._log) for number in range(len(self._engine.plan))]

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

    def task(self, name: str) -> TaskRun:
        """The task of this name. TaskNotFound if there is none."""
        number = self._engine.plan.numbers.get(name)
        if number is None:
            near = get_close_matches(name, self._engine.plan.names, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise TaskNotFound(f"run {self.id} has no task '{name}'{hint}")
        return TaskRun(self._engine, number, self._load, self._log)

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


def moment(seconds: float | None) -> datetime | None:
    """A time on record as an aware datetime; None for one that has not come."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None

"""A run as its user sees it: states, attempts, errors and results, of a run that goes on or of one long ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from html import escape
from typing import Any, Protocol

from penstock.engine.events import Event, MessageReceived, ValueRef
from penstock.engine.explain import SlotWait, no_slot_wait
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import TaskNotFound
from penstock.runtime.approvals import Approval, approval_of
from penstock.runtime.attempts import AttemptRun, Chronicle
from penstock.runtime.logical_times import time_of
from penstock.runtime.pace import critical_path
from penstock.runtime.parking import next_moment
from penstock.runtime.part import Part
from penstock.runtime.task_record import TaskRun
from penstock.runtime.times import moment
from penstock.runtime.why import Why, Whys, when_it_goes_on, why_run, why_task
from penstock.runtime.why_children import with_children
from penstock.runtime.why_sent import Sent, with_sent
from penstock.store.base import Holder, RunRow


class Control(Protocol):
    """What can be asked of a run, besides what it is: a WorkflowManager."""

    def wait(self, run_id: str, timeout: float | None = None) -> Run:
        """See WorkflowManager.wait."""

    def cancel(self, run_id: str, *, by: str | None = None) -> Run:
        """See WorkflowManager.cancel."""

    def send(self, run_id: str, topic: str, value: Any = None, *, by: str | None = None) -> Run:
        """See WorkflowManager.send."""


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
        find_children: Callable[[], list[Run]] = list,
        slot_waits: Callable[[RunEngine], SlotWait] = lambda engine: no_slot_wait,
        find_sent: Callable[[], Sent] = dict,
    ) -> None:
        self.id = row.id
        self.workflow = row.workflow
        self.params = params
        self.source = row.source
        """The FILE that the workflow came from, if any."""
        self.trigger = row.trigger
        """What began it: manual (somebody, or a program), schedule (of its workflow) or workflow (another run)."""
        time = time_of(row)
        self.logical_time = time.moment
        """When it was due, in the zone of its workflow; None of a run that is for no time."""
        self.data_interval = time.interval
        """The time whose data it deals with, as (start, end); None where no schedule says so."""
        self.state = state
        """queued, running, waiting (parked), interrupted, success, failed or cancelled."""
        self.wakes_at = moment(row.wake_at) if state == "waiting" else None
        """When a parked run is to go on; None if only a message wakes it, or it is to go on at once."""
        self.driver = driver
        """Who drives the run, of a run that was looked up while it went on."""
        self.error = row.error if engine is None else engine.error
        """Why the run failed or was cancelled, in one line."""
        self.started_at = moment(row.started_at if engine is None else engine.started_at)
        """When a driver first took the run."""
        self.ended_at = moment(row.ended_at if engine is None else engine.ended_at)
        """When the last task ended; None while the run has not ended."""
        self._wake_at = row.wake_at
        self._known = engine
        self._replay = replay
        self._load = load
        self._log = log
        self._control = control
        self.parent = row.parent
        """The run that has begun this one, if a task of it has."""
        self.part = Part.read(row.part).name if row.part is not None else None
        """Which task of it this run is, with its index if it has one; None where nobody waits for it."""
        self._find_children = find_children
        self._slot_waits = slot_waits
        self._find_sent = find_sent

    def wait(self, timeout: float | None = None) -> Run:
        """The run when it has ended, whoever drives it; it may have failed, or be interrupted if nobody drives it any
        more. TimeoutError if it is not over after `timeout` seconds."""
        assert self._control is not None
        return self._control.wait(self.id, timeout)

    def cancel(self, *, by: str | None = None) -> Run:
        """Ask the run to end: tasks that run are asked to, the others are cancelled. RunEnded if it has ended."""
        assert self._control is not None
        return self._control.cancel(self.id, by=by)

    def send(self, topic: str, value: Any = None, *, by: str | None = None) -> Run:
        """Send the run a message: see WorkflowManager.send."""
        assert self._control is not None
        return self._control.send(self.id, topic, value, by=by)

    @property
    def children(self) -> list[Run]:
        """The runs that tasks of this one have begun, oldest first."""
        return self._find_children()

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
    def approvals(self) -> list[Approval]:
        """What waits for somebody's decision."""
        found = (approval_of(self._engine, slot) for slot in self._engine.topics)
        return [approval for approval in found if approval is not None]

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
        slot_wait = self._slot_waits(engine) if self.state == "running" else no_slot_wait
        if task is None:
            why = why_run(engine, self.state, self.goes_on, slot_wait)
        else:
            why = why_task(
                *(engine, chronicle, self.task(task).number),
                interrupted=nobody,
                parked=self.goes_on,
                slot_wait=slot_wait,
            )
        if self.state in ("waiting", "interrupted"):
            why = with_sent(why, engine, self._find_sent())
        return with_children(why, self._find_children)

    @property
    def goes_on(self) -> str | None:
        """Of a parked run, when it goes on, in words."""
        return when_it_goes_on(self._wake_at, self._engine.topics) if self.state == "waiting" else None

    def _pause(self, now: float) -> float | None:
        """Of a parked run, how many seconds it has to wait from now on, if not only a message wakes it. They are no
        more than they were meant to be, though the clock may have been set back."""
        if self.state != "waiting" or self._wake_at is None:
            return None
        return max(0.0, min(self._wake_at, next_moment(self._engine, now)) - now)

    def _told(self) -> tuple[RunEngine, Chronicle]:
        """The run as its journal has it by now, and what it has of attempts."""
        found: list[Chronicle] = []

        def follow(engine: RunEngine) -> Callable[[Event], None]:
            found.append(Chronicle(engine))
            return found[0].handle

        return self._replay(follow), found[0]

    def letter(self, task: TaskRun, topic: str) -> MessageReceived | None:
        """The message of this topic that a task was given."""
        return self._engine.letters.get(task.number, {}).get(topic)

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

    @property
    def done(self) -> frozenset[str]:
        """The names of the tasks that have succeeded, of maps as a whole."""
        engine = self._engine
        return frozenset(name for row, name in enumerate(engine.plan.names) if engine.states[row] == TaskState.SUCCESS)

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

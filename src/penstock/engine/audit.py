"""Whether what a journal tells can be: an independent reading of a run's history, event by event.

Written from the promise and not from the engine, so that each shows the other's errors. It knows nothing of commands,
counters or queues: only what a plan asks for and what has happened so far. `invariants` asks whether an engine's state
is possible; `Audit` asks whether a history is.

The invariants of Penstock, and who checks each (`Audit` where nobody is named):

| | says | checked by |
|---|---|---|
| I1 | no task starts before all its upstreams have succeeded | Audit, invariants, simulation |
| I2 | states move by the table; what has ended stays so, but for resume, rerun or a new plan | Audit, states |
| I3 | a schedule makes one run for each of its times | there are no schedules yet |
| I4 | no more of a pool is in use than it has | there are no pools yet |
| I5 | a task has one attempt under way at most, attempts are numbered without a gap, each has one outcome | Audit; \
stores refuse a driver that has lost its lease |
| I6 | attempts are at most retries + 1 in a budget; lost ones are counted apart, three of them are enough | Audit |
| I7 | an `at_most_once` task starts once in a generation | Audit; fault campaigns count the bodies |
| I8 | a success had an attempt that ran | Audit; fault campaigns count the bodies |
| I9 | what was acknowledged is on record | fault campaigns: kill -9, power cuts, failing disks |
| I10 | a journal makes sense by itself, notices included, and gives the row that history shows | Audit, \
`penstock db check` |
| I11 | a run ends, and not before everything in it has | Audit.end, invariants, simulation |
| I12 | no lease, file, process or thread is left behind | fault campaigns, tests of runs, `penstock db check` |
| I13 | the files are whole: checksums of batches, digests of values, SQLite's own check | stores, `penstock db check` |
| I14 | a schedule's times grow | there are no schedules yet |
| I15 | one seed, one trace | simulation |
| I16 | no task reads a value that is not whole, or that died with its process | Audit, result stores |
| I17 | no secret is shown | there are no secrets yet |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.audit_notices import NoticeAudit
from penstock.engine.audit_states import (
    CANCELLED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    SUCCESS,
    UNSUCCESSFUL,
    AuditStates,
)
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksRerun,
)
from penstock.engine.states import RunState, TaskState
from penstock.errors import PenstockError
from penstock.plan.plan import Plan
from penstock.policy import MAX_LOST_ATTEMPTS

_END_OF_TIME = 253_402_300_800.0
"""The year 10000. Clocks may jump, also back; a time that no calendar has was never read from one."""


class Audit:
    """Follows the history of one run. `plans` finds a plan by its fingerprint, for a run whose plan changes."""

    def __init__(self, plan: Plan, *, plans: Callable[[str], Plan] | None = None) -> None:
        self._plans = plans
        self._tasks = AuditStates(plan)
        self._notices = NoticeAudit()
        self._found: list[str] = []
        self._begun = False
        self._going = False
        """Whether the end of the run is still to come."""
        self._driven = False
        """Whether a driver is at work: between a stop in good order and a resumption nothing may start."""
        self._cause: CancelRequested | RunTimedOut | None = None
        self._unreadable = False
        self._fenced: set[tuple[str, int]] = set()
        """Attempts that ended without an outcome, by the task's name: a late one is no error."""
        self._ended_as: tuple[RunState, list[str]] | None = None
        """How the run last ended, and the tasks to blame."""
        self._readers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            AttemptStarted: self._attempt_started,
            AttemptSucceeded: self._attempt_succeeded,
            AttemptFailed: self._attempt_failed,
            AttemptLost: self._attempt_lost,
            AttemptCancelled: self._attempt_cancelled,
            RetryDue: self._retry_due,
            CancelRequested: self._stop_for,
            RunTimedOut: self._run_timed_out,
            DriverStopped: self._driver_stopped,
            RunResumed: self._run_resumed,
            TasksRerun: self._tasks_rerun,
            PlanAdopted: self._plan_adopted,
            NotifiersSet: self._notices.name,
            NoticeDelivered: self._notice_taken,
            NoticeDropped: self._notice_taken,
        }

    def see(self, event: Event) -> list[str]:
        """What this event breaks, a sentence each that begins with the invariant's number."""
        self._found = []
        if self._unreadable:
            return self._found
        if not 0.0 < event.at < _END_OF_TIME:
            self._say("I10", f"{type(event).__name__} happened at {event.at}, which is no time")
        self._readers[type(event)](event)
        if self._going and not self._tasks.open and not isinstance(event, PlanAdopted):
            self._end_run()
        return self._found

    def state(self, task: int) -> TaskState:
        """Where a task stands by this reading. A task that is ready counts as pending."""
        return TaskState(self._tasks.states[task])

    def end(self, state: str | None = None) -> list[str]:
        """What contradicts that the run has ended, and ended so, if `state` says how."""
        self._found = []
        if self._unreadable:
            return self._found
        if not self._begun:
            self._say("I11", "the run ended before it began")
        for task in self._tasks.those(PENDING, RUNNING, RETRYING):
            self._say("I11", f"the run ended while {self._name(task)} was {self.state(task).label}")
        ended, _ = self._verdict()
        if state is not None and not self._found and state != ended:
            self._say("I2", f"the run is on record as {state}, and ended as {ended}")
        return self._found

    def _verdict(self) -> tuple[RunState, list[str]]:
        if self._cause is not None and CANCELLED in self._tasks.states:
            return RunState.FAILED if isinstance(self._cause, RunTimedOut) else RunState.CANCELLED, []
        for state in UNSUCCESSFUL:
            if names := [self._name(task) for task in self._tasks.those(state)]:
                return RunState.CANCELLED if state == CANCELLED else RunState.FAILED, names
        return RunState.SUCCESS, []

    # --- Attempts

    def _attempt_started(self, event: AttemptStarted) -> None:
        task, tasks = event.task, self._tasks
        if self._is_unknown(event, task):
            return
        last = tasks.last[task]
        if last or tasks.states[task] != PENDING or not self._driven:
            self._look_closer(task, tasks.states[task])
        if event.attempt != last + 1:
            self._say("I5", f"attempt {event.attempt} of {self._name(task)} started after attempt {last}")
        for upstream in tasks.plan.upstreams[task]:
            if tasks.states[upstream] != SUCCESS:
                rule, again = ("I16", " again") if upstream in tasks.volatile else ("I1", "")
                self._say(rule, f"{self._name(task)} started before {self._name(upstream)} had succeeded{again}")
        tasks.put(task, RUNNING)
        tasks.last[task] = event.attempt

    def _look_closer(self, task: int, state: int) -> None:
        """At a start that may be wrong: the task does not wait, or started before, or nobody could start it."""
        name, tasks = self._name(task), self._tasks
        if not self._driven:
            self._say("I2", f"{name} started while nobody drove the run")
        if self._cause is not None:
            self._say("I2", f"{name} started though the run was to end")
        if tasks.is_spent(task):
            self._say("I7", f"{name} started twice in one generation, though at most once was asked for")
        elif state == RUNNING:
            self._say("I5", f"{name} started while attempt {tasks.last[task]} was under way")
        elif state == RETRYING:
            self._say("I2", f"{name} started before its retry was due")
        elif state == FAILED:
            counts = f"{tasks.failures.get(task, 0)} failed, {tasks.lost.get(task, 0)} lost"
            self._say("I6", f"{name} started again after its last attempt ({counts}) without being asked for")
        elif state != PENDING:
            self._say("I2", f"{name} started after it had ended as {TaskState(state).label}")

    def _attempt_succeeded(self, event: AttemptSucceeded) -> None:
        task, tasks = event.task, self._tasks
        if not self._is_current(event):
            return
        tasks.put(task, SUCCESS)
        if event.value is not None and event.value.codec == "volatile":
            tasks.volatile.add(task)
        else:
            tasks.volatile.discard(task)
        if tasks.plan.policies[task].notices:
            self._tell("success", task)

    def _attempt_failed(self, event: AttemptFailed) -> None:
        task, tasks = event.task, self._tasks
        if not self._is_current(event):
            return
        tasks.failures[task] = tasks.failures.get(task, 0) + 1
        if not event.retryable or tasks.failures[task] > tasks.plan.policies[task].retries:
            self._fail(task)
        elif self._cause is None:
            tasks.put(task, RETRYING)
            self._tell("retry", task)
        else:  # it might yet have succeeded
            tasks.put(task, CANCELLED)

    def _attempt_lost(self, event: AttemptLost) -> None:
        if self._is_current(event):
            self._lose(event.task)

    def _attempt_cancelled(self, event: AttemptCancelled) -> None:
        if self._is_current(event):
            if self._cause is None:
                self._say("I2", f"{self._name(event.task)} was cancelled, and nobody had asked for it")
            self._tasks.put(event.task, CANCELLED)

    def _retry_due(self, event: RetryDue) -> None:
        if not self._is_unknown(event, event.task) and self._tasks.states[event.task] == RETRYING:
            self._tasks.put(event.task, PENDING)

    def _is_current(self, event: AttemptSucceeded | AttemptFailed | AttemptLost | AttemptCancelled) -> bool:
        """Whether this is the outcome of the attempt under way."""
        task, attempt = event.task, event.attempt
        if self._is_unknown(event, task):
            return False
        last = self._tasks.last[task]
        if attempt == last and self._tasks.states[task] == RUNNING:
            return True
        if not 0 < attempt <= last:
            rule = "I8" if isinstance(event, AttemptSucceeded) else "I5"
            self._say(rule, f"attempt {attempt} of {self._name(task)} ended and had never started")
        elif (self._tasks.plan.names[task], attempt) not in self._fenced:
            self._say("I5", f"attempt {attempt} of {self._name(task)} has two outcomes")
        return False

    def _lose(self, task: int) -> None:
        """An attempt vanished with its worker or driver."""
        lost = self._tasks.lost[task] = self._tasks.lost.get(task, 0) + 1
        if self._tasks.is_once(task):
            self._fail(task)
        elif self._cause is not None:
            self._tasks.put(task, CANCELLED)
        elif lost >= MAX_LOST_ATTEMPTS:
            self._fail(task)
        else:
            self._tasks.put(task, PENDING)

    def _fail(self, task: int) -> None:
        self._tasks.put(task, FAILED)
        self._tell("failed", task)
        self._tasks.hold_up([task])

    # --- The run as a whole

    def _run_started(self, event: RunStarted) -> None:
        if self._begun:
            self._say("I2", "the run began twice")
        self._begun = self._going = self._driven = True

    def _run_timed_out(self, event: RunTimedOut) -> None:
        if self._tasks.plan.timeout is None:
            self._say("I2", "the run ran out of time, of which it had no limit")
        self._stop_for(event)

    def _stop_for(self, cause: CancelRequested | RunTimedOut) -> None:
        if self._cause is None and self._begun and self._tasks.open:
            self._cause = cause
            self._tasks.cancel_waiting()

    def _driver_stopped(self, event: DriverStopped) -> None:
        self._driven = False
        for task in self._fence():
            if self._tasks.is_once(task):
                self._fail(task)
            else:
                self._tasks.put(task, PENDING if self._cause is None else CANCELLED)

    def _run_resumed(self, event: RunResumed) -> None:
        again = self._tasks.to_try_again() if event.by_hand else []
        goes_on = bool(self._tasks.open or again)
        if goes_on:
            self._take_over(by_hand=event.by_hand)
        self._tasks.set_going(again)
        self._begin_again(goes_on=goes_on)

    def _take_over(self, *, by_hand: bool) -> None:
        """What ran is lost, which whoever resumes by hand forgives, but for what may not start again."""
        if by_hand:
            self._cause = None
            self._tasks.lost.clear()
        for task in self._fence():
            if not by_hand:
                self._lose(task)
            elif self._tasks.is_once(task):
                self._fail(task)
            else:
                self._tasks.put(task, PENDING)
        if self._cause is not None:  # nobody has asked for more
            self._tasks.cancel_waiting()

    def _tasks_rerun(self, event: TasksRerun) -> None:
        if not self._begun:
            self._say("I2", "tasks were run again in a run that had not begun")
        for task in self._fence():
            self._say("I5", f"tasks were run again while {self._name(task)} ran")
            self._tasks.put(task, PENDING)
        if [task for task in event.tasks if self._is_unknown(event, task)]:  # each is told of
            return
        self._cause = None
        for task in event.tasks:
            self._tasks.generations[task] += 1
            self._tasks.last[task] = 0
            self._tasks.volatile.discard(task)
        self._tasks.set_going(event.tasks)
        self._begin_again(goes_on=True)

    def _plan_adopted(self, event: PlanAdopted) -> None:
        for task in self._fence():
            if self._tasks.is_once(task):
                self._fail(task)
            else:
                self._tasks.put(task, PENDING)
        try:
            plan = None if self._plans is None else self._plans(event.fingerprint)
        except (PenstockError, LookupError):
            plan = None
        if plan is None:
            self._say("I10", f"plan {event.fingerprint}, which the run adopted, is not there")
            self._unreadable = True
            return
        self._tasks.adopt(plan)
        self._tasks.begin_again()

    def _fence(self) -> list[int]:
        """The tasks with an attempt under way, which may speak no more."""
        tasks = self._tasks.those(RUNNING)
        self._fenced.update((self._tasks.plan.names[task], self._tasks.last[task]) for task in tasks)
        return tasks

    def _begin_again(self, *, goes_on: bool) -> None:
        """Another driver takes the run. It ends once more if anything was to go on, even if nothing can, and if another
        plan makes another end of it."""
        self._begun = self._driven = True
        self._tasks.begin_again()
        self._going = self._going or goes_on or self._verdict() != self._ended_as

    # --- Notices

    def _tell(self, what: str, task: int) -> None:
        tasks, plan = self._tasks, self._tasks.plan
        named = plan.policies[task].notices
        self._notices.tell_of_task(what, plan.names[task], named, tasks.generations[task], tasks.last[task])

    def _end_run(self) -> None:
        self._going = False
        self._ended_as = state, _ = self._verdict()
        self._notices.tell_of_run(state, self._tasks.plan.notices)

    def _notice_taken(self, event: NoticeDelivered | NoticeDropped) -> None:
        if not self._notices.has_arisen(event.notice):
            self._say("I10", f"notice '{event.notice}' was taken, and nothing had happened that it tells")

    # --- Words

    def _is_unknown(self, event: Event, task: int) -> bool:
        if 0 <= task < len(self._tasks.states):
            return False
        self._say("I10", f"{type(event).__name__} speaks of task {task}, of which the plan has none")
        return True

    def _name(self, task: int) -> str:
        return f"task '{self._tasks.plan.names[task]}'"

    def _say(self, rule: str, sentence: str) -> None:
        self._found.append(f"{rule}: {sentence}")

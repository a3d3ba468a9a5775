"""Whether what a journal tells can be: an independent reading of a run's history, event by event.

Written from the promise and not from the engine, so that each shows the other's errors. It knows nothing of commands,
counters or queues: only what a plan asks for and what has happened so far. `invariants` asks whether an engine's state
is possible; `Audit` asks whether a history is.

The invariants of Penstock, and who checks each (`Audit` where nobody is named):

| | says | checked by |
|---|---|---|
| I1 | no task starts before its trigger rule lets it, by what has become of all that it depends on | Audit, \
invariants, simulation |
| I2 | states move by the table; what has ended stays so, but for resume, rerun or a new plan | Audit, states |
| I3 | a schedule makes one run for each of its times | there are no schedules yet |
| I4 | no more of a pool is in use than it has, and of a task with a concurrency no more runs than that | simulation \
(who has slots is not in journals); tests of pools note when bodies begin and end |
| I5 | a task has one attempt under way at most, a map no more than it allows, attempts are numbered without a gap, \
each has one outcome | Audit; stores refuse a driver that has lost its lease |
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
| I17 | no secret is shown | tests of secrets, with canaries |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.audit_ends import Ending, ending
from penstock.engine.audit_maps import AuditMaps
from penstock.engine.audit_states import CANCELLED, FAILED, OPEN, PENDING, REMOVED, RUNNING, SKIPPED, SUCCESS
from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    MessageReceived,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksMarked,
    TasksRerun,
    TaskWoken,
)
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.plan.plan import Plan

_END_OF_TIME = 253_402_300_800.0
"""The year 10000. Clocks may jump, also back; a time that no calendar has was never read from one."""


_MARKS = {"success": SUCCESS, "failed": FAILED, "skipped": SKIPPED}
WORK = (
    AttemptSucceeded,
    AttemptSkipped,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptCancelled,
    MapExpanded,
    ExpansionFailed,
    GroupRetryDue,
)
"""What becomes of tasks while somebody drives their run."""


class Audit(AuditMaps):
    """Follows the history of one run. `plans` finds a plan by its fingerprint, for a run whose plan changes."""

    def __init__(self, plan: Plan, *, plans: Callable[[str], Plan] | None = None) -> None:
        super().__init__(plan)
        self._plans = plans
        self._unreadable = False
        self._ended_as: Ending | None = None
        """How the run last ended."""
        self._readers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            AttemptStarted: self._attempt_started,
            AttemptSucceeded: self._attempt_succeeded,
            AttemptSkipped: self._attempt_skipped,
            AttemptFailed: self._attempt_failed,
            AttemptLost: self._attempt_lost,
            AttemptCancelled: self._attempt_cancelled,
            RetryDue: self._retry_due,
            AttemptDeferred: self._attempt_deferred,
            TaskWoken: self._task_woken,
            MessageReceived: self._message_received,
            MapExpanded: self._map_expanded,
            ExpansionFailed: self._expansion_failed,
            GroupRetryDue: self._group_retry_due,
            CancelRequested: self._cancel_requested,
            RunTimedOut: self._run_timed_out,
            DriverStopped: self._driver_stopped,
            RunResumed: self._run_resumed,
            TasksRerun: self._tasks_rerun,
            TasksMarked: self._tasks_marked,
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
        self._tasks.newly_failed.clear()
        self._tasks.newly_skipped.clear()
        self._readers[type(event)](event)
        if isinstance(event, WORK):
            self._look_at_failures()
        for task, named, generation, attempt in self._tasks.newly_skipped:
            self._notices.tell_of_task("skipped", task, named, generation, attempt)
        if self._going and not self._is_open() and not isinstance(event, PlanAdopted):
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
        for task in self._tasks.those(*OPEN):
            self._say("I11", f"the run ended while {self._name(task)} was {self.state(task).label}")
        for group, _ in sorted(self._tasks.due):
            self._say("I11", f"the run ended while group '{self._tasks.plan.groups[group].name}' was to begin anew")
        ended = ending(self._tasks, self._cause)
        if state is not None and not self._found and state != ended.state:
            self._say("I2", f"the run is on record as {state}, and ended as {ended.state}")
        return self._found

    # --- The run as a whole

    def _run_started(self, event: RunStarted) -> None:
        if self._begun:
            self._say("I2", "the run began twice")
        self._begun = self._going = self._driven = True
        self._notices.tell_of_run("started", self._tasks.plan.notices)

    def _run_timed_out(self, event: RunTimedOut) -> None:
        if self._tasks.plan.timeout is None:
            self._say("I2", "the run ran out of time, of which it had no limit")
        if self._cause is None and self._is_open():
            self._stop_for(event)

    def _cancel_requested(self, event: CancelRequested) -> None:
        if self._is_open():
            self._forced = self._cause is not None
            self._stop_for(event)

    def _is_open(self) -> bool:
        """Whether the run has begun, and something in it is still to come."""
        return self._begun and bool(self._tasks.open or self._tasks.due)

    def _driver_stopped(self, event: DriverStopped) -> None:
        self._driven = False
        for task in self._fence():
            if self._tasks.is_once(task):
                self._fail(task)
            else:
                self._tasks.put(task, CANCELLED if self._is_to_end(task) else PENDING)
                self._tasks.settle([task] if self._is_to_end(task) else [])
        self._look_at_failures()

    def _run_resumed(self, event: RunResumed) -> None:
        again = self._tasks.to_try_again() if event.by_hand else []
        # Even if nothing can go on, it ends once more where another plan makes another end of it.
        left = self._going or bool(self._tasks.open or self._tasks.due or again)
        goes_on = left or ending(self._tasks, self._cause) != self._ended_as
        if goes_on:
            self._take_over(by_hand=event.by_hand)
        self._tasks.set_going(task for task in again if self._tasks.states[task] != REMOVED)
        self._begin_again(goes_on=goes_on)

    def _take_over(self, *, by_hand: bool) -> None:
        """What ran is lost, which whoever resumes by hand forgives, but for what may not start again."""
        if by_hand:
            self._forget_cause()
            self._tasks.lost.clear()
        for task in self._fence():
            if not by_hand:
                self._lose(task)
            elif self._tasks.is_once(task):
                self._fail(task)
            else:
                self._tasks.put(task, PENDING)
        if not by_hand:
            self._look_at_failures()
        if self._cause is not None:  # nobody has asked for more
            self._tasks.cancel_waiting(teardowns=self._forced)

    def _tasks_rerun(self, event: TasksRerun) -> None:
        if not self._begun:
            self._say("I2", "tasks were run again in a run that had not begun")
        for task in self._fence():
            self._say("I5", f"tasks were run again while {self._name(task)} ran")
            self._tasks.put(task, PENDING)
        if [task for task in event.tasks if self._is_unknown(event, task) or self._is_removed(task)]:
            return  # each is told of
        self._forget_cause()
        self._tasks.begin_generation(event.tasks)
        for task in event.tasks:
            self._tasks.clear(task)
            self._tasks.volatile.discard(task)
        self._begin_again(goes_on=True)

    def _forget_cause(self) -> None:
        """Somebody wants the run to go on, whatever it was to end for."""
        self._cause, self._forced, self._tasks.disturbed = None, False, False
        self._tasks.forget_rounds()

    def _plan_adopted(self, event: PlanAdopted) -> None:
        for task in self._fence():
            if self._tasks.is_once(task):
                self._fail(task)
        self._cause = self._cause or self._first_failure()  # what follows from it, whoever resumes the run sees to
        try:
            plan = None if self._plans is None else self._plans(event.fingerprint)
        except (PenstockError, LookupError):
            plan = None
        if plan is None:
            self._say("I10", f"plan {event.fingerprint}, which the run adopted, is not there")
            self._unreadable = True
            return
        self._tasks.adopt(plan)
        self._tasks.disturbed = self._cause is not None
        self._tasks.begin_again()

    def _tasks_marked(self, event: TasksMarked) -> None:
        tasks, is_open = self._tasks, self._is_open()
        if not self._begun:
            self._say("I2", "tasks were marked in a run that had not begun")
        if event.state not in _MARKS:
            self._say("I10", f"tasks were marked as {event.state}, which is no outcome")
        if [task for task in event.tasks if self._cannot_be_marked(event, task)] or event.state not in _MARKS:
            return  # each is told of
        if not is_open:
            self._forget_cause()
        below = [task for task in tasks.with_decided_below(event.tasks) if not (is_open and self._is_to_end(task))]
        settled = {*tasks.settled}
        tasks.begin_generation(event.tasks)
        for task in (*event.tasks, *below):
            tasks.clear(task)
        for task in event.tasks:
            tasks.volatile.discard(task)
            tasks.put(task, _MARKS[event.state])
            if event.state == "skipped":
                tasks.idle.add(task)
            if event.state == "failed":
                tasks.final.add(task)
        self._driven = self._driven or not is_open
        tasks.go_on_after_marks(settled)
        self._going = True
        if self._is_open() and event.state == "failed":
            tasks.newly_failed += event.tasks
            self._look_at_failures()

    def _is_removed(self, task: int) -> bool:
        if self._tasks.states[task] != REMOVED:
            return False
        self._say("I10", f"{self._name(task)} was run again, which its map has no more")
        return True

    def _cannot_be_marked(self, event: TasksMarked, task: int) -> bool:
        if self._is_unknown(event, task):
            return True
        tasks, before = self._tasks, len(self._found)
        if tasks.states[task] == RUNNING:
            self._say("I5", f"{self._name(task)} was marked while it ran")
        if tasks.states[task] == REMOVED or not tasks.has_body(task):
            self._say("I10", f"{self._name(task)} was marked, which has no outcome of its own")
        elif running := [below for below in tasks.all_below(task) if tasks.states[below] == RUNNING]:
            self._say("I5", f"{self._name(task)} was marked while {self._name(running[0])} ran, which is below it")
        if not tasks.due.isdisjoint(tasks.units(task)):
            self._say("I10", f"{self._name(task)} was marked, which is to begin anew with its group")
        return len(self._found) > before

    def _begin_again(self, *, goes_on: bool) -> None:
        """Another driver takes the run. It ends once more if anything was to go on, even if nothing can."""
        self._begun = self._driven = True
        self._tasks.begin_again()
        self._going = self._going or goes_on

    # --- Notices

    def _end_run(self) -> None:
        self._going = False
        self._ended_as = ending(self._tasks, self._cause)
        self._notices.tell_of_run(self._ended_as.state, self._tasks.plan.notices)

    def _notice_taken(self, event: NoticeDelivered | NoticeDropped) -> None:
        if not self._notices.has_arisen(event.notice):
            self._say("I10", f"notice '{event.notice}' was taken, and nothing had happened that it tells")

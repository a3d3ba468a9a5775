"""One run of a plan: events go in, commands come out.

The engine does no I/O and reads no clock: time comes with the events, so the same events give the same run, whenever
and wherever they are handed in. It checks an event before it changes anything; an event that cannot be is refused with
InvalidEvent and leaves the run as it was. An event about an attempt that is no longer the task's current one is stale:
it changes nothing and is no error, since workers may speak late.

The law: a task's final state depends on the graph and on the bodies' own outcomes, never on who finished first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from penstock.engine.columns import (
    CANCELLED,
    DEFERRED,
    PENDING,
    READY,
    REMOVED,
    RETRYING,
    RUNNING,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
)
from penstock.engine.columns import InvalidEvent as InvalidEvent  # noqa: PLC0414  (it comes out of this door)
from penstock.engine.commands import (
    EndRun,
    SendNotices,
    TasksSettled,
)
from penstock.engine.ends import NOTHING, Commands
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
    ErrorText,
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
from penstock.engine.marks import Marks
from penstock.engine.states import Cause, RunState
from penstock.plan.plan import Plan
from penstock.policy import TASK_NOTICES


class RunEngine(Marks):
    """The state of one run. Everything may be read; only `handle` changes anything.

    `run_id` seeds the jitter of retries. `plans` finds a plan by its fingerprint, for a run whose plan changes.
    """

    def __init__(self, plan: Plan, *, run_id: str = "", plans: Callable[[str], Plan] | None = None) -> None:
        self._plans = plans
        super().__init__(plan, run_id)

    def _lay_out(self, plan: Plan) -> None:
        super()._lay_out(plan)
        self._choose_handlers()

    def _usual_handlers(self) -> dict[type, Callable[..., Commands]]:
        return {
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
            RunTimedOut: self._disturb,
            DriverStopped: self._driver_stopped,
            RunResumed: self._run_resumed,
            TasksRerun: self._tasks_rerun,
            TasksMarked: self._tasks_marked,
            PlanAdopted: self._plan_adopted,
            NotifiersSet: self._notifiers_set,
            NoticeDelivered: self._notice_delivered,
            NoticeDropped: self._notice_dropped,
        }

    def _choose_handlers(self) -> None:
        """Starts and successes are the inner loop: where nobody is told of them, nothing asks whether somebody is."""
        told = {what for what in TASK_NOTICES if what in self.plan.told_of_tasks or self._outbox.is_told_of_tasks(what)}
        handlers = self._usual_handlers()
        if "success" in told:
            handlers[AttemptSucceeded] = self._attempt_succeeded_and_told
        if "started" in told:
            handlers[AttemptStarted] = self._attempt_started_and_told
        tells_of_skips = "skipped" in told
        if tells_of_skips:
            handlers = {event: partial(self._handle_and_tell, handler) for event, handler in handlers.items()}
        self._handlers = handlers
        if tells_of_skips != (self._outbox.made is not None):
            self._outbox.made = [] if tells_of_skips else None

    def _handle_and_tell(self, handler: Callable[..., Commands], event: Event) -> Commands:
        """Change the run, and tell what was skipped by that too, wherever that was found."""
        commands = handler(event)
        made, outbox = self._outbox.made, self._outbox
        if not made:
            return commands
        outbox.made = []
        return self._with_notices(made, commands)

    # --- The one door

    def handle(self, event: Event) -> Commands:
        """Change the run by what happened, and say what is to be done now."""
        return self._handlers[type(event)](event)

    # --- Notices

    def _notifiers_set(self, event: NotifiersSet) -> Commands:
        if "" in event.names:
            raise self._invalid(event)
        self._outbox.name(event.names, event.kinds)
        self._choose_handlers()
        return NOTHING

    def _notice_delivered(self, event: NoticeDelivered) -> Commands:
        self._outbox.deliver(event.notice)
        return NOTHING

    def _notice_dropped(self, event: NoticeDropped) -> Commands:
        self._outbox.drop(event.notice, event.error)
        return NOTHING

    # --- The run as a whole

    def _run_started(self, event: RunStarted) -> Commands:
        if self.state is not RunState.QUEUED:
            raise self._invalid(event)
        self.started_at = event.at
        told = self._outbox.tell_of_run("started", self.plan.notices, ends=self.ends, at=event.at, error=None)
        commands = self._go_on(event.at)
        return (SendNotices(told), *commands) if told else commands

    def _cancel_requested(self, event: CancelRequested) -> Commands:
        """Who asks once wants what is set up to be torn down; who asks again does not want that either."""
        if self.state is not RunState.RUNNING:
            return NOTHING
        if self._cause is None:
            return self._stop_for(event, event.at)
        if self._forced or not self.plan.setups:
            return NOTHING
        self._forced = True
        return self._stop_for(self._cause, event.at)

    def _disturb(self, event: RunTimedOut) -> Commands:
        if self.state is not RunState.RUNNING or self._cause is not None:
            return NOTHING
        return self._stop_for(event, event.at)

    def _driver_stopped(self, event: DriverStopped) -> Commands:
        """What runs is left: it will run again, but for what may not or was to end anyway. Of these the run may end."""
        failed, others = self._left_running(event.reason)
        to_end = [task for task in others if self._is_to_end(task)]
        for task in others:
            if task not in to_end:
                self._move(task, Cause.STOPPED)
        if not failed and not to_end:
            return NOTHING
        told, settled = self._settle_failed(failed, event.at)
        wave = self._settle_cancelled(to_end, event.at)
        wave.failed += settled.failed
        return (*told, *settled.commands(), *self._after(wave, event.at))

    def _left_running(self, reason: str) -> tuple[list[int], list[int]]:
        """What runs without a driver: those that have failed with that, and those that can run again."""
        running = self._those(RUNNING)
        spent = [task for task in running if self.is_spent(task)]
        for task in spent:
            story = f"its driver stopped while it ran ({reason}), and at_most_once forbids another attempt"
            self.errors[task] = ErrorText("TaskCancelled", story)
        return spent, [task for task in running if task not in spent]

    def _run_resumed(self, event: RunResumed) -> Commands:
        at = event.at
        if self.started_at is None:
            self.started_at = at
        again = self._unsuccessful() if event.by_hand else []
        if self._is_over() and not again and self._verdict() == (self.state, self.error):
            return self._with_undelivered((EndRun(self.state, self.error),))  # there is nothing that could go on
        if event.by_hand:
            self._cause, self._forced = None, False
            self.lost.clear()
            self.rounds.clear()
            self.rounds_due.clear()
        failed = []
        for task in self._those(RUNNING):
            counts = self.is_spent(task) or not (event.by_hand or self._is_to_end(task))
            if counts and self._count_lost(task):
                failed.append(task)
            else:
                self._move(task, Cause.LOST)
        _, settled = self._settle_failed(failed, at)
        if not event.by_hand:
            self._cause = self._cause or self._first_failure(settled.failed)
        if self._cause is not None:  # it was to end, and nobody has asked for more
            left = [task for task in self._those(PENDING, READY, RETRYING, DEFERRED) if self._is_to_end(task)]
            for task in left:
                self._pause_no_more(task)
            self._settle_cancelled(left, at)
        self._set_going(task for task in again if self.states[task] != REMOVED)  # by what was lost
        self._realign(at)
        ended = [command for command in settled.commands() if isinstance(command, TasksSettled)]
        return self._with_undelivered((*ended, *self._go_on(at)))

    def _tasks_rerun(self, event: TasksRerun) -> Commands:
        refused = self.state is RunState.QUEUED or RUNNING in self.states
        if refused or not all(map(self._may_be_rerun, event.tasks)):
            raise self._invalid(event)
        self._cause, self._forced = None, False
        self.rounds.clear()
        self.rounds_due.clear()
        self._begin_generation(event.tasks)
        self._realign(event.at)
        return self._with_undelivered(self._go_on(event.at))

    def _may_be_rerun(self, task: int) -> bool:
        """Whether there is such a task, and it runs by itself: in a mapped group the instances do."""
        if not 0 <= task < len(self.states) or self.states[task] == REMOVED:
            return False
        return task not in self.widths or task in self.plan.maps

    def _plan_adopted(self, event: PlanAdopted) -> Commands:
        """Carry every task that is in both plans over by its name; new ones are pending. Whatever ends by this, the run
        does not: what it has left to do is told by whatever sets it going."""
        if self._plans is None:
            raise self._invalid(event)
        failed, others = self._left_running("lost")
        for task in others:
            self._move(task, Cause.STOPPED)
        told, settled = self._settle_failed(failed, event.at)
        self._cause = self._cause or self._first_failure(settled.failed)
        before = {self.plan.names[row]: width for row, width in self.widths.items()}
        self._follow(self._plans(event.fingerprint))
        for expansion, inside in self.plan.expanded_by.items():
            widths = {before.get(self.plan.names[task], 0) for task in inside}
            if self.states[expansion] == SUCCESS and (len(widths) > 1 or 0 in widths):
                self._reset([expansion])  # something new is in the group
        again = self._those(PENDING, READY, RETRYING, DEFERRED, SKIPPED, UPSTREAM_FAILED, CANCELLED)
        asked = {task: self.asked[task] for task in self._those(DEFERRED) if task in self.asked}
        self._reset(task for task in again if not self.is_spent(task) and task not in self.skips)
        self.asked |= asked  # whoever was asked is not asked again, and has as long as before
        for task in self._those(PENDING, READY, RETRYING, DEFERRED):
            if self.is_spent(task):  # by the new plan, or it comes back into it
                self._cancel_spent(task, event.at)
        self._realign(event.at)
        return [*told]  # what else follows would be told in the old plan's numbers

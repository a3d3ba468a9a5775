"""One run of a plan: events go in, commands come out.

The engine does no I/O and reads no clock: time comes with the events, so the same events give the same run, whenever
and wherever they are handed in. It checks an event before it changes anything; an event that cannot be is refused with
InvalidEvent and leaves the run as it was. An event about an attempt that is no longer the task's current one is stale:
it changes nothing and is no error, since workers may speak late.

The law: a task's final state depends on the graph and on the bodies' own outcomes, never on who finished first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.engine.columns import CANCELLED, FAILED, PENDING, READY, RETRYING, RUNNING, UPSTREAM_FAILED, Columns
from penstock.engine.columns import InvalidEvent as InvalidEvent  # noqa: PLC0414  (it comes out of this door)
from penstock.engine.commands import (
    CancelAttempts,
    Command,
    DispatchTasks,
    EndRun,
    SendNotices,
    SetTimer,
    TasksSettled,
    WithdrawTasks,
)
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
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
from penstock.engine.notices import Outbox
from penstock.engine.retries import pause
from penstock.engine.states import NEXT_STATE, Cause, RunState, TaskState
from penstock.plan.plan import Plan
from penstock.policy import MAX_LOST_ATTEMPTS, Notice

Commands = Sequence[Command]
NOTHING: Commands = ()

_STARTED, _SUCCEEDED = int(Cause.STARTED), int(Cause.SUCCEEDED)


class RunEngine(Columns):
    """The state of one run. Everything may be read; only `handle` changes anything.

    `run_id` seeds the jitter of retries. `plans` finds a plan by its fingerprint, for a run whose plan changes.
    """

    def __init__(self, plan: Plan, *, run_id: str = "", plans: Callable[[str], Plan] | None = None) -> None:
        self.run_id = run_id
        self.state = RunState.QUEUED
        self.error: str | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.ends = 0
        """How often the run has ended."""
        self._plans = plans
        self._cause: CancelRequested | RunTimedOut | None = None
        self._outbox = Outbox(run_id, plan.workflow)
        self._handlers: dict[type, Callable[..., Commands]] = {
            RunStarted: self._run_started,
            AttemptStarted: self._attempt_started,
            AttemptSucceeded: self._attempt_succeeded,
            AttemptFailed: self._attempt_failed,
            AttemptLost: self._attempt_lost,
            AttemptCancelled: self._attempt_cancelled,
            RetryDue: self._retry_due,
            CancelRequested: self._stop_for,
            RunTimedOut: self._stop_for,
            DriverStopped: self._driver_stopped,
            RunResumed: self._run_resumed,
            TasksRerun: self._tasks_rerun,
            PlanAdopted: self._plan_adopted,
            NotifiersSet: self._notifiers_set,
            NoticeDelivered: self._notice_delivered,
            NoticeDropped: self._notice_dropped,
        }
        super().__init__(plan)

    def _lay_out(self, plan: Plan) -> None:
        super()._lay_out(plan)
        # Successes are the inner loop: where nobody is told of them, nothing asks whether somebody is.
        succeeded = self._attempt_succeeded_and_told if plan.tells_of_success else self._attempt_succeeded
        self._handlers[AttemptSucceeded] = succeeded

    # --- The one door

    def handle(self, event: Event) -> Commands:
        """Change the run by what happened, and say what is to be done now."""
        return self._handlers[type(event)](event)

    # --- Notices

    @property
    def notices(self) -> dict[str, Notice]:
        """Those that nobody has taken yet, by id, in the order in which they were made."""
        return self._outbox.notices

    @property
    def notifiers(self) -> tuple[str, ...]:
        """The names of the notifiers that are told of failed tasks and ends of the run."""
        return self._outbox.notifiers

    @property
    def dropped(self) -> dict[str, str]:
        """Notices that were given up: their ids, and why."""
        return self._outbox.dropped

    def _notifiers_set(self, event: NotifiersSet) -> Commands:
        if "" in event.names:
            raise self._invalid(event)
        self._outbox.notifiers = tuple(dict.fromkeys(event.names))
        return NOTHING

    def _notice_delivered(self, event: NoticeDelivered) -> Commands:
        self._outbox.deliver(event.notice)
        return NOTHING

    def _notice_dropped(self, event: NoticeDropped) -> Commands:
        self._outbox.drop(event.notice, event.error)
        return NOTHING

    def _tell(self, what: str, tasks: Sequence[int], at: float) -> Commands:
        """Tell whoever wants to know what became of tasks."""
        notices = [
            notice
            for task in tasks
            for notice in self._outbox.tell_of_task(
                self.plan.names[task],
                what,
                self.plan.policies[task].notices,
                generation=self.generation(task),
                attempt=self.attempts[task],
                at=at,
                error=self.errors.get(task),
            )
        ]
        return (SendNotices(notices),) if notices else NOTHING

    def _with_undelivered(self, commands: Commands) -> Commands:
        """What a driver is given that takes the run over: also to deliver what nobody has taken yet."""
        if not self.notices:
            return commands
        others = [command for command in commands if not isinstance(command, SendNotices)]
        return (SendNotices([*self.notices.values()]), *others)

    # --- Attempts

    def _attempt_started(self, event: AttemptStarted) -> Commands:
        task = event.task
        state = NEXT_STATE[self.states[task]][_STARTED]
        if state < 0 or event.attempt != self.attempts[task] + 1:
            raise self._invalid(event, task)
        self.states[task] = state
        self.attempts[task] = event.attempt
        self.started[task] = event.at
        return NOTHING

    def _attempt_succeeded(self, event: AttemptSucceeded) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        states = self.states
        states[task] = NEXT_STATE[states[task]][_SUCCEEDED]
        self.ended[task] = event.at
        if event.value is not None:
            self.values[task] = event.value
        if self.errors:
            self.errors.pop(task, None)
        self.unfinished -= 1
        ready = []
        missing = self.missing
        for downstream in self.plan.downstreams[task]:
            missing[downstream] -= 1
            if not missing[downstream] and states[downstream] == PENDING:
                states[downstream] = READY
                ready.append(downstream)
        if ready:
            return (DispatchTasks(ready),)
        return NOTHING if self.unfinished else self._end(event.at)

    def _attempt_succeeded_and_told(self, event: AttemptSucceeded) -> Commands:
        if self._is_stale(event):
            return NOTHING
        self.errors.pop(event.task, None)
        told = self._tell("success", [event.task], event.at)  # first, since the run may end with it
        return (*told, *self._attempt_succeeded(event))

    def _attempt_failed(self, event: AttemptFailed) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        failures = self.failures[task] = self.failures.get(task, 0) + 1
        policy = self.plan.policies[task]
        if not event.retryable or failures > policy.retries:
            return self._fail([task], event.at)
        if self._cause is not None:  # it might yet have succeeded
            return self._cancel([task], event.at)
        due = self.retries_due[task] = event.at + self.retry_pause(task)
        self._move(task, Cause.FAILED_WITH_RETRY)
        return (*self._tell("retry", [task], event.at), SetTimer(task, due))

    def retry_pause(self, task: int) -> float:
        """Seconds between a task's latest attempt, which failed, and the next."""
        seed = f"{self.run_id}/{self.plan.names[task]}/{self.generation(task)}/{self.attempts[task]}"
        return pause(self.plan.policies[task], self.failures[task], seed)

    def _attempt_lost(self, event: AttemptLost) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        if self._cause is not None and not self.is_spent(task):
            return self._cancel([task], event.at)
        if self._count_lost(task):
            return self._fail([task], event.at)
        self._move(task, Cause.LOST)
        return (DispatchTasks([task]),)

    def _attempt_cancelled(self, event: AttemptCancelled) -> Commands:
        if self._is_stale(event):
            return NOTHING
        if self._cause is None:
            raise self._invalid(event, event.task)
        return self._cancel([event.task], event.at)

    def _retry_due(self, event: RetryDue) -> Commands:
        task = event.task
        if self.states[task] != RETRYING:
            return NOTHING
        self._move(task, Cause.RETRY_DUE)
        del self.retries_due[task]
        return (DispatchTasks([task]),)

    def _is_stale(self, event: AttemptSucceeded | AttemptFailed | AttemptLost | AttemptCancelled) -> bool:
        if self.states[event.task] == RUNNING and self.attempts[event.task] == event.attempt:
            return False
        if event.attempt > self.attempts[event.task]:
            raise self._invalid(event, event.task)
        return True

    def _count_lost(self, task: int) -> bool:
        """Count a lost attempt; whether it was one too many."""
        lost = self.lost[task] = self.lost.get(task, 0) + 1
        if self.is_spent(task):
            story = "the worker or driver died while this task ran, and at_most_once forbids another attempt"
        elif lost >= MAX_LOST_ATTEMPTS:
            story = f"the worker or driver died {lost} times while this task ran; it is not tried again by itself"
        else:
            return False
        last = self.errors.get(task)
        self.errors[task] = ErrorText("WorkerLost", f"{story}. Last: {last.message}" if last else story)
        return True

    # --- Ends

    def _fail(self, tasks: Sequence[int], at: float) -> Commands:
        """Tasks have failed, which may be the end of the run."""
        commands = self._settle_failed(tasks, at)
        return commands if self.unfinished else (*commands, *self._end(at))

    def _settle_failed(self, tasks: Sequence[int], at: float) -> Commands:
        for task in tasks:
            self._move(task, Cause.FAILED)
        blocked = self._block_downstreams(tasks)
        self._mark_ended([*tasks, *blocked], at)
        told = self._tell("failed", tasks, at)
        return (*told, TasksSettled(blocked, TaskState.UPSTREAM_FAILED)) if blocked else told

    def _cancel(self, tasks: Sequence[int], at: float) -> Commands:
        """Tasks were cancelled, which may be the end of the run."""
        for task in tasks:
            self._move(task, Cause.CANCELLED)
        self._mark_ended(tasks, at)
        return NOTHING if self.unfinished else self._end(at)

    def _end(self, at: float) -> Commands:
        self.ended_at = at
        self.state, self.error = self._verdict()
        told = self._outbox.tell_of_run(str(self.state), self.plan.notices, ends=self.ends, at=at, error=self.error)
        self.ends += 1
        end = EndRun(self.state, self.error)
        return (SendNotices(told), end) if told else (end,)

    def _verdict(self) -> tuple[RunState, str | None]:
        cancelled = self.states.count(CANCELLED)
        if cancelled and isinstance(self._cause, RunTimedOut):
            return RunState.FAILED, f"timed out after {self.plan.timeout:g} s"
        if cancelled and isinstance(self._cause, CancelRequested):
            return RunState.CANCELLED, f"cancelled by {self._cause.by}"
        if failed := self._names(FAILED):
            return RunState.FAILED, _sentence(failed, "failed")
        # Left over from an earlier end, and not among what was run again since.
        if held_up := self._names(UPSTREAM_FAILED):
            return RunState.FAILED, _sentence(held_up, "did not run again")
        if cancelled:
            return RunState.CANCELLED, _sentence(self._names(CANCELLED), "did not run again")
        return RunState.SUCCESS, None

    def _names(self, state: int) -> list[str]:
        return [self.plan.names[task] for task in self._those(state)]

    # --- The run as a whole

    def _run_started(self, event: RunStarted) -> Commands:
        if self.state is not RunState.QUEUED:
            raise self._invalid(event)
        self.started_at = event.at
        return self._go_on(event.at)

    def _go_on(self, at: float) -> Commands:
        """The run is under way (again): whatever waits for nothing is ready."""
        self.state = RunState.RUNNING
        self.ended_at = None
        self.error = None
        ready = self._those(READY)
        for task in self._those(PENDING):
            if not self.missing[task]:
                self._move(task, Cause.UPSTREAMS_SUCCEEDED)
                ready.append(task)
        if not self.unfinished:
            return self._end(at)
        for task, due in self.retries_due.items():
            self.retries_due[task] = min(due, at + self.retry_pause(task))  # the clock may have been set back since
        timers = [SetTimer(task, due) for task, due in self.retries_due.items()]
        return (DispatchTasks(sorted(ready)), *timers) if ready else timers

    def _stop_for(self, cause: CancelRequested | RunTimedOut) -> Commands:
        """Tasks that do not run are cancelled; those that run are asked to end, and may still succeed."""
        if self.state is not RunState.RUNNING or self._cause is not None:
            return NOTHING
        self._cause = cause
        ready, running, waiting = self._those(READY), self._those(RUNNING), self._those(PENDING, READY, RETRYING)
        self.retries_due.clear()
        commands: list[Command] = [WithdrawTasks(ready), TasksSettled(waiting, TaskState.CANCELLED)]
        if running:
            commands.append(CancelAttempts(running))
        return (*commands, *self._cancel(waiting, cause.at))

    def _driver_stopped(self, event: DriverStopped) -> Commands:
        """What runs is left: it will run again, but for what may not or was to end anyway. Of these the run may end."""
        failed, others = self._left_running(event.reason)
        if self._cause is None:
            for task in others:
                self._move(task, Cause.STOPPED)
            return self._fail(failed, event.at) if failed else NOTHING
        settled = self._settle_failed(failed, event.at)
        return (*settled, *self._cancel(others, event.at)) if failed or others else NOTHING

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
        if not self.unfinished and not again and self._verdict() == (self.state, self.error):
            return self._with_undelivered((EndRun(self.state, self.error),))  # there is nothing that could go on
        if event.by_hand:
            self._cause = None
            self.lost.clear()
        failed = []
        for task in self._those(RUNNING):
            counts = self.is_spent(task) or (self._cause is None and not event.by_hand)
            if counts and self._count_lost(task):
                failed.append(task)
            else:
                self._move(task, Cause.LOST)
        if self._cause is not None:  # it was to end, and nobody has asked for more
            for task in self._those(PENDING, READY, RETRYING):
                self._move(task, Cause.CANCELLED)
                self.ended[task] = at
            self.retries_due.clear()
        settled = self._settle_failed(failed, at)
        self._reset(again)
        self._recount(at)
        return self._with_undelivered((*settled, *self._go_on(at)))

    def _tasks_rerun(self, event: TasksRerun) -> Commands:
        numbers = range(len(self.states))
        if self.state is RunState.QUEUED or RUNNING in self.states or any(task not in numbers for task in event.tasks):
            raise self._invalid(event)
        self._cause = None
        for task in event.tasks:
            self.generations[task] = self.generation(task) + 1
            self.attempts[task] = 0
        self._reset(event.tasks)
        self._recount(event.at)
        return self._with_undelivered(self._go_on(event.at))

    def _plan_adopted(self, event: PlanAdopted) -> Commands:
        """Carry every task that is in both plans over by its name; new ones are pending. Whatever ends by this, the run
        does not: what it has left to do is told by whatever sets it going."""
        if self._plans is None:
            raise self._invalid(event)
        failed, others = self._left_running("lost")
        for task in others:
            self._move(task, Cause.STOPPED)
        settled = self._settle_failed(failed, event.at)
        self._follow(self._plans(event.fingerprint))
        again = self._those(READY, RETRYING, UPSTREAM_FAILED, CANCELLED)
        self._reset(task for task in again if not self.is_spent(task))
        for task in self._those(PENDING, READY, RETRYING):
            if self.is_spent(task):  # by the new plan, or it comes back into it
                self._move(task, Cause.CANCELLED)
                self.ended[task] = event.at
                self.retries_due.pop(task, None)
                self.errors.setdefault(task, ErrorText("TaskCancelled", "it had begun, and at_most_once forbids more"))
        self._recount(event.at)
        return [command for command in settled if isinstance(command, SendNotices)]  # others use the old plan's numbers

    def _invalid(self, event: Event, task: int | None = None) -> InvalidEvent:
        message = f"{type(event).__name__} cannot happen to a run that is {self.state}"
        return InvalidEvent(message, self.story(task) if task is not None else "")


def _sentence(names: list[str], verb: str) -> str:
    if len(names) == 1:
        return f"task '{names[0]}' {verb}"
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{len(names)} tasks {verb}: {shown}{' ...' if len(names) > 3 else ''}"

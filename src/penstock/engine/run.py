"""One run of a plan: events go in, commands come out.

The engine does no I/O and reads no clock: time comes with the events, so the same events give the same run, whenever
and wherever they are handed in. It checks an event before it changes anything; an event that cannot be is refused with
InvalidEvent and leaves the run as it was. An event about an attempt that is no longer the task's current one is stale:
it changes nothing and is no error, since workers may speak late.

The law: a task's final state depends on the graph and on the bodies' own outcomes, never on who finished first.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence

from penstock.engine.commands import (
    CancelAttempts,
    Command,
    DispatchTasks,
    EndRun,
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
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksRerun,
    ValueRef,
)
from penstock.engine.retries import pause
from penstock.engine.states import ENDED, NEXT_STATE, Cause, RunState, TaskState
from penstock.errors import PenstockError
from penstock.plan.graph import reach, topological_order
from penstock.plan.plan import Plan
from penstock.policy import MAX_LOST_ATTEMPTS

Commands = Sequence[Command]
NOTHING: Commands = ()

# Plain numbers for the inner loop: an IntEnum member costs a lookup each time it is named.
_PENDING, _READY, _RUNNING, _RETRYING = (
    int(state) for state in (TaskState.PENDING, TaskState.READY, TaskState.RUNNING, TaskState.RETRYING)
)
_SUCCESS, _FAILED, _UPSTREAM_FAILED, _CANCELLED = (
    int(state) for state in (TaskState.SUCCESS, TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)
)
_ENDED = frozenset(map(int, ENDED))
_UNSUCCESSFUL = (_FAILED, _UPSTREAM_FAILED, _CANCELLED)
_STARTED, _SUCCEEDED = int(Cause.STARTED), int(Cause.SUCCEEDED)


class InvalidEvent(PenstockError):
    """An event that cannot happen to the run as it stands. `story` says what is known of the task."""

    def __init__(self, message: str, story: str = "") -> None:
        super().__init__(f"{message}; {story}" if story else message)
        self.story = story


class RunEngine:
    """The state of one run. Everything may be read; only `handle` changes anything.

    `run_id` seeds the jitter of retries. `plans` finds a plan by its fingerprint, for a run whose plan changes.
    """

    def __init__(self, plan: Plan, *, run_id: str = "", plans: Callable[[str], Plan] | None = None) -> None:
        self.run_id = run_id
        self.state = RunState.QUEUED
        self.error: str | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self._plans = plans
        self._cause: CancelRequested | RunTimedOut | None = None
        self._lay_out(plan)
        self._handlers: dict[type, Callable[..., Commands]] = {
            RunStarted: self._run_started,
            AttemptStarted: self._attempt_started,
            AttemptSucceeded: self._attempt_succeeded,
            AttemptFailed: self._attempt_failed,
            AttemptLost: self._attempt_lost,
            AttemptCancelled: self._attempt_cancelled,
            RetryDue: self._retry_due,
            CancelRequested: self._cancel_requested,
            RunTimedOut: self._run_timed_out,
            DriverStopped: self._driver_stopped,
            RunResumed: self._run_resumed,
            TasksRerun: self._tasks_rerun,
            PlanAdopted: self._plan_adopted,
        }

    def _lay_out(self, plan: Plan) -> None:
        """Columns for the tasks of a plan, all of them pending."""
        size = len(plan)
        self.plan = plan
        self.unfinished = size
        self.states = bytearray(size)
        self.missing = array("l", map(len, plan.upstreams))
        """How many upstreams of each task have not succeeded yet."""
        self.attempts = array("l", bytes(size * array("l").itemsize))
        """The number of each task's latest attempt in its generation; 0 before the first."""
        self.started = array("d", bytes(size * 8))
        self.ended = array("d", bytes(size * 8))
        # Sparse: most tasks have none of these.
        self.generations: dict[int, int] = {}
        self.failures: dict[int, int] = {}
        """Failed attempts since the task was last set going by hand."""
        self.lost: dict[int, int] = {}
        """Attempts that vanished with their worker or driver, counted apart from failures."""
        self.errors: dict[int, ErrorText] = {}
        self.values: dict[int, ValueRef] = {}
        self.retries_due: dict[int, float] = {}

    # --- The one door

    def handle(self, event: Event) -> Commands:
        """Change the run by what happened, and say what is to be done now."""
        return self._handlers[type(event)](event)

    # --- What one may ask

    def task_state(self, task: int) -> TaskState:
        """Where a task stands."""
        return TaskState(self.states[task])

    def generation(self, task: int) -> int:
        """How often the task was run again by hand."""
        return self.generations.get(task, 0)

    def done(self) -> list[int]:
        """Tasks that succeeded."""
        return [task for task, state in enumerate(self.states) if state == _SUCCESS]

    def counts(self) -> dict[str, int]:
        """How many tasks are in each state, leaving out states without tasks."""
        return {state.label: count for state in TaskState if (count := self.states.count(state))}

    def story(self, task: int) -> str:
        """What is known of a task, in a line."""
        parts = [f"task '{self.plan.names[task]}' is {self.task_state(task).label}"]
        parts.append(f"attempt {self.attempts[task]}")
        if task in self.generations:
            parts.append(f"generation {self.generations[task]}")
        if task in self.failures:
            parts.append(f"{self.failures[task]} failed")
        if task in self.lost:
            parts.append(f"{self.lost[task]} lost")
        if task in self.errors:
            parts.append(f"last error {self.errors[task].type}: {self.errors[task].message}")
        return ", ".join(parts)

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
            if not missing[downstream] and states[downstream] == _PENDING:
                states[downstream] = _READY
                ready.append(downstream)
        if ready:
            return (DispatchTasks(ready),)
        return NOTHING if self.unfinished else self._end(event.at)

    def _attempt_failed(self, event: AttemptFailed) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        failures = self.failures.get(task, 0) + 1
        policy = self.plan.policies[task]
        if event.retryable and failures <= policy.retries:
            self.failures[task] = failures
            if self._cause is not None:  # it might yet have succeeded
                self._move(task, Cause.CANCELLED)
                return self._ended([task], event.at)
            seed = f"{self.run_id}/{self.plan.names[task]}/{self.generation(task)}/{event.attempt}"
            due = event.at + pause(policy, failures, seed)
            self._move(task, Cause.FAILED_WITH_RETRY)
            self.retries_due[task] = due
            return (SetTimer(task, due),)
        self.failures[task] = failures
        return self._fail(task, event.at)

    def _attempt_lost(self, event: AttemptLost) -> Commands:
        task = event.task
        if self._is_stale(event):
            return NOTHING
        self.errors[task] = event.error
        if self._cause is not None:
            self._move(task, Cause.CANCELLED)
            return self._ended([task], event.at)
        if self._count_lost(task):
            return self._fail(task, event.at)
        self._move(task, Cause.LOST)
        return (DispatchTasks([task]),)

    def _attempt_cancelled(self, event: AttemptCancelled) -> Commands:
        if self._is_stale(event):
            return NOTHING
        if self._cause is None:
            raise self._invalid(event, event.task)
        self._move(event.task, Cause.CANCELLED)
        return self._ended([event.task], event.at)

    def _retry_due(self, event: RetryDue) -> Commands:
        task = event.task
        if self.states[task] != _RETRYING:
            return NOTHING
        self._move(task, Cause.RETRY_DUE)
        del self.retries_due[task]
        return (DispatchTasks([task]),)

    def _is_stale(self, event: AttemptSucceeded | AttemptFailed | AttemptLost | AttemptCancelled) -> bool:
        if self.states[event.task] == _RUNNING and self.attempts[event.task] == event.attempt:
            return False
        if event.attempt > self.attempts[event.task]:
            raise self._invalid(event, event.task)
        return True

    def _count_lost(self, task: int) -> bool:
        """Count a lost attempt; whether it was one too many."""
        lost = self.lost[task] = self.lost.get(task, 0) + 1
        if lost < MAX_LOST_ATTEMPTS:
            return False
        story = f"the worker or driver died {lost} times while this task ran; it is not tried again by itself"
        last = self.errors.get(task)
        self.errors[task] = ErrorText("WorkerLost", f"{story}. Last: {last.message}" if last else story)
        return True

    # --- Ends

    def _fail(self, task: int, at: float) -> Commands:
        self._move(task, Cause.FAILED)
        blocked = self._block_downstreams([task])
        ended = self._ended([task, *blocked], at)
        return (TasksSettled(blocked, TaskState.UPSTREAM_FAILED), *ended) if blocked else ended

    def _block_downstreams(self, failed: Iterable[int]) -> list[int]:
        """Everything below the failed tasks that has not run cannot run any more."""
        below = reach(failed, self.plan.downstreams)
        blocked = [task for task in sorted(below) if self.states[task] == _PENDING]
        for task in blocked:
            self._move(task, Cause.UPSTREAM_FAILED)
        return blocked

    def _ended(self, tasks: Iterable[int], at: float) -> Commands:
        for task in tasks:
            self.ended[task] = at
            self.unfinished -= 1
        return NOTHING if self.unfinished else self._end(at)

    def _end(self, at: float) -> Commands:
        self.ended_at = at
        self.state, self.error = self._verdict()
        return (EndRun(self.state, self.error),)

    def _verdict(self) -> tuple[RunState, str | None]:
        cancelled = self.states.count(_CANCELLED)
        if cancelled and isinstance(self._cause, RunTimedOut):
            return RunState.FAILED, f"timed out after {self.plan.timeout:g} s"
        if cancelled and isinstance(self._cause, CancelRequested):
            return RunState.CANCELLED, f"cancelled by {self._cause.by}"
        if failed := self._names(_FAILED):
            return RunState.FAILED, _sentence(failed, "failed")
        # Left over from an earlier end, and not among what was run again since.
        if held_up := self._names(_UPSTREAM_FAILED):
            return RunState.FAILED, _sentence(held_up, "did not run again")
        if cancelled:
            return RunState.CANCELLED, _sentence(self._names(_CANCELLED), "did not run again")
        return RunState.SUCCESS, None

    def _names(self, wanted: int) -> list[str]:
        return [self.plan.names[task] for task, state in enumerate(self.states) if state == wanted]

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
        ready = [task for task, state in enumerate(self.states) if state == _READY]
        for task, state in enumerate(self.states):
            if state == _PENDING and not self.missing[task]:
                self._move(task, Cause.UPSTREAMS_SUCCEEDED)
                ready.append(task)
        if not self.unfinished:
            return self._end(at)
        timers = [SetTimer(task, due) for task, due in self.retries_due.items()]
        return (DispatchTasks(sorted(ready)), *timers) if ready else timers

    def _cancel_requested(self, event: CancelRequested) -> Commands:
        return self._stop_for(event)

    def _run_timed_out(self, event: RunTimedOut) -> Commands:
        return self._stop_for(event)

    def _stop_for(self, cause: CancelRequested | RunTimedOut) -> Commands:
        """Tasks that do not run are cancelled; those that run are asked to end, and may still succeed."""
        if self.state is not RunState.RUNNING or self._cause is not None:
            return NOTHING
        self._cause = cause
        ready = [task for task, state in enumerate(self.states) if state == _READY]
        running = [task for task, state in enumerate(self.states) if state == _RUNNING]
        waiting = [task for task, state in enumerate(self.states) if state in (_PENDING, _READY, _RETRYING)]
        for task in waiting:
            self._move(task, Cause.CANCELLED)
        self.retries_due.clear()
        commands: list[Command] = [WithdrawTasks(ready), TasksSettled(waiting, TaskState.CANCELLED)]
        if running:
            commands.append(CancelAttempts(running))
        return (*commands, *self._ended(waiting, cause.at))

    def _driver_stopped(self, event: DriverStopped) -> Commands:
        running = [task for task, state in enumerate(self.states) if state == _RUNNING]
        if self._cause is not None and running:  # they were to end anyway
            for task in running:
                self._move(task, Cause.CANCELLED)
            return self._ended(running, event.at)
        for task in running:
            self._move(task, Cause.STOPPED)
        return NOTHING

    def _run_resumed(self, event: RunResumed) -> Commands:
        if self.started_at is None:
            self.started_at = event.at
        running = [task for task, state in enumerate(self.states) if state == _RUNNING]
        if event.by_hand:
            self._cause = None
            self.lost.clear()
            for task in running:
                self._move(task, Cause.LOST)
            self._reset(task for task, state in enumerate(self.states) if state in _UNSUCCESSFUL)
        elif self._cause is not None:
            for task in running:
                self._move(task, Cause.CANCELLED)
                self.ended[task] = event.at
        else:
            for task in running:
                poisonous = self._count_lost(task)
                self._move(task, Cause.FAILED if poisonous else Cause.LOST)
                self.ended[task] = event.at if poisonous else 0.0
            self._reset(())
        self._recount(event.at)
        return self._go_on(event.at)

    def _tasks_rerun(self, event: TasksRerun) -> Commands:
        numbers = range(len(self.states))
        if self.state is RunState.QUEUED or _RUNNING in self.states or any(task not in numbers for task in event.tasks):
            raise self._invalid(event)
        self._cause = None
        self._reset(event.tasks)
        for task in event.tasks:
            self.generations[task] = self.generation(task) + 1
            self.attempts[task] = 0
            self.values.pop(task, None)
        self._recount(event.at)
        return self._go_on(event.at)

    def _plan_adopted(self, event: PlanAdopted) -> Commands:
        """Carry every task that is in both plans over by its name; new ones are pending, removed ones are forgotten."""
        if self._plans is None or _RUNNING in self.states:
            raise self._invalid(event)
        old_plan, old = self.plan, {name: self.__dict__[name] for name in _COLUMNS + _SPARSE}
        self._lay_out(self._plans(event.fingerprint))
        for number, name in enumerate(self.plan.names):
            before = old_plan.numbers.get(name)
            if before is None:
                continue
            for column in _COLUMNS:
                getattr(self, column)[number] = old[column][before]
            for column in _SPARSE:
                if before in old[column]:
                    getattr(self, column)[number] = old[column][before]
        self._reset(task for task, state in enumerate(self.states) if state not in (_SUCCESS, _FAILED, _PENDING))
        self._recount(event.at)
        return NOTHING

    # --- Setting tasks going again

    def _reset(self, tasks: Iterable[int]) -> None:
        """Make tasks pending, with a fresh budget of retries; and what they need that died with its process."""
        tasks = set(tasks)
        for task in [*tasks, *self._dead_inputs(tasks)]:
            if self.states[task] != _PENDING:
                self._move(task, Cause.RESET)
            self.failures.pop(task, None)
            self.lost.pop(task, None)
            self.retries_due.pop(task, None)

    def _dead_inputs(self, tasks: set[int]) -> list[int]:
        """Succeeded tasks whose value was volatile and is wanted by a task that will run."""
        if not any(value.codec == "volatile" for value in self.values.values()):
            return []
        dead = []
        will_run = tasks | {task for task, state in enumerate(self.states) if state not in _ENDED}
        for task in reversed(topological_order(self.plan.upstreams)):
            value = self.values.get(task)
            if value is None or value.codec != "volatile" or self.states[task] != _SUCCESS or task in tasks:
                continue
            if any(
                consumer in will_run and task in self.plan.inputs[consumer] for consumer in self.plan.downstreams[task]
            ):
                dead.append(task)
                will_run.add(task)
        return dead

    def _recount(self, at: float) -> None:
        """Bring the derived columns in line with the states after a reset."""
        for task, upstreams in enumerate(self.plan.upstreams):
            self.missing[task] = sum(self.states[upstream] != _SUCCESS for upstream in upstreams)
        for task, state in enumerate(self.states):
            if state in (_READY, _RETRYING) and self.missing[task]:
                self._move(task, Cause.RESET)
                self.retries_due.pop(task, None)
        for task in self._block_downstreams(task for task, state in enumerate(self.states) if state in _UNSUCCESSFUL):
            self.ended[task] = at
        self.unfinished = sum(state not in _ENDED for state in self.states)

    def _move(self, task: int, cause: Cause) -> None:
        state = NEXT_STATE[self.states[task]][cause]
        if state < 0:
            raise InvalidEvent(f"a {self.task_state(task).label} task cannot move by {cause.name}", self.story(task))
        self.states[task] = state

    def _invalid(self, event: Event, task: int | None = None) -> InvalidEvent:
        message = f"{type(event).__name__} cannot happen to a run that is {self.state}"
        return InvalidEvent(message, self.story(task) if task is not None else "")


_COLUMNS = ("states", "attempts", "started", "ended")
_SPARSE = ("generations", "failures", "lost", "errors", "values", "retries_due")


def _sentence(names: list[str], verb: str) -> str:
    if len(names) == 1:
        return f"task '{names[0]}' {verb}"
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{len(names)} tasks {verb}: {shown}{' ...' if len(names) > 3 else ''}"

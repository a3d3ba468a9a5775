"""How the tasks of a run, and the run itself, come to their end; and who is told.

A run ends when nothing in it is left to do. It may also be disturbed: by whoever cancels it, by its own time-out, or,
if it is to fail fast, by its first failure. Then what has not begun is cancelled, but for teardowns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.engine.again import Again
from penstock.engine.columns import (
    CANCELLED,
    DEFERRED,
    FAILED,
    PENDING,
    READY,
    RETRYING,
    RUNNING,
    UPSTREAM_FAILED,
)
from penstock.engine.columns import InvalidEvent as InvalidEvent  # noqa: PLC0414  (it comes out of this door)
from penstock.engine.commands import (
    CancelAttempts,
    Command,
    EndRun,
    SendNotices,
    TasksSettled,
    WithdrawTasks,
)
from penstock.engine.events import (
    CancelRequested,
    Event,
    RunTimedOut,
)
from penstock.engine.notices import Outbox
from penstock.engine.readiness import Wave
from penstock.engine.states import Cause, RunState, TaskState
from penstock.plan.plan import Plan
from penstock.policy import Notice

Commands = Sequence[Command]
NOTHING: Commands = ()


@dataclass(frozen=True, slots=True)
class FailedFast:
    """A task has failed, and with it the whole run was to."""

    name: str


class Ends(Again):
    """The tasks of one run, and how far the run is from its end."""

    def __init__(self, plan: Plan, run_id: str) -> None:
        self.state = RunState.QUEUED
        self.error: str | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.ends = 0
        """How often the run has ended."""
        self._cause: CancelRequested | RunTimedOut | FailedFast | None = None
        self._forced = False
        """Whether not even teardowns are wanted any more."""
        self._outbox = Outbox(run_id, plan.workflow)
        super().__init__(plan, run_id)

    @property
    def disturbed_by(self) -> CancelRequested | RunTimedOut | FailedFast | None:
        """Why the run is to end, or was to, before all of it is done."""
        return self._cause

    def is_to_end(self, task: int) -> bool:
        """Whether a task is not to go on because of that."""
        return self._is_to_end(task)

    # --- Notices

    @property
    def notices(self) -> dict[str, Notice]:
        """Those that nobody has taken yet, by id, in the order in which they were made."""
        return self._outbox.notices

    @property
    def notifiers(self) -> dict[str, tuple[str, ...]]:
        """The names of the notifiers that are told of what happens, and of what each is."""
        return self._outbox.notifiers

    @property
    def dropped(self) -> dict[str, str]:
        """Notices that were given up: their ids, and why."""
        return self._outbox.dropped

    def _tell(self, what: str, tasks: Sequence[int], at: float, reason: str = "") -> Commands:
        """Tell whoever wants to know what became of tasks."""
        notices = [
            notice
            for task in tasks
            for notice in self._outbox.tell_of_task(
                self.name(task),
                what,
                self.policy(task).notices,
                generation=self.generation(task),
                attempt=self.attempts[task],
                at=at,
                error=self.errors.get(task),
                reason=reason,
            )
        ]
        return (SendNotices(notices),) if notices else NOTHING

    def _tell_skipped(self, slot: int, at: float) -> None:
        outbox = self._outbox
        if outbox.made is None:
            return
        outbox.tell_of_task(
            self.name(slot),
            "skipped",
            self.policy(slot).notices,
            generation=self.generation(slot),
            attempt=self.attempts[slot],
            at=at,
            error=None,
            reason=self.skips.get(slot, ""),
        )

    def _with_undelivered(self, commands: Commands) -> Commands:
        """What a driver is given that takes the run over: also to deliver what nobody has taken yet."""
        if not self.notices:
            return commands
        if self._outbox.made is not None:
            self._outbox.made = [*self.notices.values()]
        return self._with_notices(self.notices.values(), commands)

    def _with_notices(self, notices: Iterable[Notice], commands: Commands) -> Commands:
        """The same commands, with these notices in the place of others."""
        others = [command for command in commands if not isinstance(command, SendNotices)]
        return (SendNotices([*notices]), *others)

    # --- Ends of tasks

    def _is_to_end(self, task: int) -> bool:
        """Whether a task is not to go on, since the run is to end."""
        if self._cause is None:
            return False
        return self._forced or not self.policy(task).teardown

    def _is_disturbed(self) -> bool:
        return self._cause is not None

    def _is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not self.unfinished and not self.rounds_due

    def _after(self, wave: Wave, at: float) -> Commands:
        """What is to be done after tasks have ended, which may be the end of the run."""
        commands = wave.commands()
        if self.state is RunState.RUNNING and (cause := self._first_failure(wave.failed)):
            return (*commands, *self._stop_for(cause, at))
        return (*commands, *self._end(at)) if self._is_over() else commands

    def _first_failure(self, failed: Iterable[int]) -> FailedFast | None:
        """Why the run is to end, if it is to with its first failure and these have failed for good."""
        if not self.plan.fail_fast or self._cause is not None:
            return None
        counting = [task for task in failed if self.policy(task).failure_counts]
        return FailedFast(self.name(min(counting))) if counting else None

    def _close(self, tasks: Sequence[int], at: float) -> Commands:
        """Tasks have ended, which is told to those that wait for them."""
        for task in tasks:
            self._mark_ended(task, at)
        return self._after(self._spread(tasks, at), at)

    def _fail(self, tasks: Sequence[int], at: float) -> Commands:
        """Tasks have failed, which may be the end of the run."""
        told, wave = self._settle_failed(tasks, at)
        return (*told, *self._after(wave, at))

    def _settle_failed(self, tasks: Sequence[int], at: float) -> tuple[Commands, Wave]:
        """Tasks have failed; whatever ends by this, the run does not. Who is to be told, and what else follows."""
        for task in tasks:
            self._move(task, Cause.FAILED)
            self._mark_ended(task, at)
        # What is in a group that is tried again has failed for good when that is settled.
        wave = Wave(failed=[task for task in tasks if self.row(task) not in self.plan.units])
        return self._tell("failed", tasks, at), self._spread(tasks, at, wave)

    def _cancel(self, tasks: Sequence[int], at: float) -> Commands:
        """Tasks were cancelled, which may be the end of the run."""
        return self._after(self._settle_cancelled(tasks, at), at)

    def _settle_cancelled(self, tasks: Sequence[int], at: float) -> Wave:
        if self.plan.maps:  # an expanded map ends with its instances, others without any
            expanded = [self._is_expanded_head(task) for task in tasks]
            waiting = [task >= self.size and self.is_on_hold(task) for task in tasks]
            tasks = [task for task, no, nor in zip(tasks, expanded, waiting, strict=True) if not no and not nor]
        for task in tasks:
            self._move(task, Cause.CANCELLED)
            self._drop_instances(task, at)
            self._mark_ended(task, at)
        return self._spread(tasks, at)

    def _end(self, at: float) -> Commands:
        self.ended_at = at
        self.state, self.error = self._verdict()
        told = self._outbox.tell_of_run(str(self.state), self.plan.notices, ends=self.ends, at=at, error=self.error)
        self.ends += 1
        end = EndRun(self.state, self.error)
        return (SendNotices(told), end) if told else (end,)

    def _stop_for(self, cause: CancelRequested | RunTimedOut | FailedFast, at: float) -> Commands:
        """Tasks that do not run are cancelled; those that run are asked to end, and may still succeed. Teardowns run as
        if nothing had happened, unless they too are to end."""
        self._cause = cause
        ready, running, waiting = (
            [task for task in self._those(*states) if self._is_to_end(task)]
            for states in ((READY,), (RUNNING,), (PENDING, READY, RETRYING, DEFERRED))
        )
        for task in waiting:
            self._pause_no_more(task)
        wave = self._settle_cancelled(waiting, at)
        for unit in [*self.rounds_due]:  # it failed, and that is all
            self._give_up_round(unit, at, wave)
        cancelled = sorted({*waiting, *wave.settled.pop(CANCELLED, ())})
        commands: list[Command] = [WithdrawTasks(ready), TasksSettled(cancelled, TaskState.CANCELLED)]
        if running:
            commands.append(CancelAttempts(running))
        return (*commands, *self._after(wave, at))

    # --- The end of the run

    def _verdict(self) -> tuple[RunState, str | None]:
        cancelled = self.states.count(CANCELLED)
        if cancelled and isinstance(self._cause, RunTimedOut):
            return RunState.FAILED, f"timed out after {self.plan.timeout:g} s"
        if cancelled and isinstance(self._cause, CancelRequested):
            return RunState.CANCELLED, f"cancelled by {self._cause.by}"
        if isinstance(self._cause, FailedFast):
            return RunState.FAILED, f"task '{self._cause.name}' failed, and fail_fast ended the rest"
        if failed := self._failed():
            return RunState.FAILED, _sentence(failed, "failed")
        if self.plan.run_state == "leaves":
            if held_up := [self.name(leaf) for leaf in self._leaves(UPSTREAM_FAILED)]:
                return RunState.FAILED, _sentence(held_up, "did not run")
        # Left over from an earlier end, and not among what was run again since.
        elif held_up := [self.name(task) for task in self._those(UPSTREAM_FAILED) if self._is_left_over(task)]:
            return RunState.FAILED, _sentence(held_up, "did not run again")
        if cancelled:
            return RunState.CANCELLED, _sentence(
                [self.name(task) for task in self._those(CANCELLED)], "did not run again"
            )
        return RunState.SUCCESS, None

    def _failed(self) -> list[str]:
        """The names of the tasks whose failure is the run's."""
        failed = self._leaves(FAILED) if self.plan.run_state == "leaves" else self._those(FAILED)
        return [
            self.name(task) for task in failed if self.policy(task).failure_counts and not self._is_expanded_head(task)
        ]

    def _leaves(self, state: int) -> list[int]:
        """The leaves, or instances of leaves, in a state."""
        return [task for leaf in self.plan.leaves for task in self.slots(leaf) if self.states[task] == state]

    def _is_left_over(self, task: int) -> bool:
        """Whether a task that did not run would be no more kept from it."""
        return not self._is_expanded_head(task) and self._is_stale_verdict(task)

    def _invalid(self, event: Event, task: int | None = None) -> InvalidEvent:
        message = f"{type(event).__name__} cannot happen to a run that is {self.state}"
        return InvalidEvent(message, self.story(task) if task is not None else "")


def _sentence(names: list[str], verb: str) -> str:
    if len(names) == 1:
        return f"task '{names[0]}' {verb}"
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{len(names)} tasks {verb}: {shown}{' ...' if len(names) > 3 else ''}"

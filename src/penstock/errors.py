"""Every error Penstock raises, in families under one root.

Each message says what is wrong, where, and what to do about it. This module imports nothing of Penstock, so every layer
may raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, overload


class PenstockError(Exception):
    """The root of every error that Penstock raises on purpose."""


# --- Definition: what a user wrote cannot become a plan


class DefinitionError(PenstockError):
    """A workflow is not well formed. `where` is "file:line" of the task at fault, where there is one."""

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


class CycleError(DefinitionError):
    """Tasks depend on each other in a circle. `path` names it, first task repeated at the end."""

    def __init__(
        self,
        path: Sequence[str],
        *,
        where: str | None = None,
        advice: str = "each of these waits for the one before; remove one of the edges",
    ) -> None:
        super().__init__(f"{' -> '.join(path)}: {advice}", where=where)
        self.path = tuple(path)


class MissingDependencyError(DefinitionError):
    """A task depends on a name that no task of the workflow has."""


class DuplicateTaskError(DefinitionError):
    """Two tasks of one workflow carry the same name."""


class NotCallableError(DefinitionError):
    """A task was given something that cannot be called."""


class ArgumentsError(DefinitionError):
    """The arguments of a task do not fit its function."""


class OptionError(DefinitionError):
    """An option of a task or workflow has a value that cannot be."""


class ScheduleError(DefinitionError):
    """A schedule, or what a workflow says with it, tells no times. `span` is where in the text of a schedule the fault
    lies: its first character, counted from 0, and the one after its last."""

    def __init__(self, message: str, *, where: str | None = None, span: tuple[int, int] | None = None) -> None:
        super().__init__(message, where=where)
        self.span = span


class ParameterError(DefinitionError):
    """A workflow's parameter is unknown, missing or of the wrong type."""


class PlaceholderError(DefinitionError):
    """A value that only exists while a run goes on was used while the graph is built."""


class InvalidWorkflowError(DefinitionError):
    """Several things are wrong with one workflow. `problems` holds them all."""

    def __init__(self, workflow: str, problems: Sequence[DefinitionError]) -> None:
        lines = "".join(f"\n  {type(problem).__name__}: {problem}" for problem in problems)
        super().__init__(f"workflow '{workflow}' has {len(problems)} problems:{lines}")
        self.problems = tuple(problems)


class LoadError(PenstockError):
    """A file could not be turned into a workflow."""


# --- Running: what went wrong with a run or one of its attempts


class RunFailed(PenstockError):
    """A run ended without success. `run` tells what happened."""

    def __init__(self, message: str, run: Any) -> None:
        super().__init__(message)
        self.run = run


class TaskTimeout(PenstockError):
    """An attempt ran longer than its task's timeout."""


class TaskCancelled(PenstockError):
    """An attempt was asked to end because its run is cancelled or interrupted."""


class WorkerLost(PenstockError):
    """The process that ran an attempt ended without an answer."""


class ValueUnavailable(PenstockError):
    """A task's value was not kept, or cannot be read any more."""


class ValueNotKept(PenstockError):
    """What a task returned cannot be turned into bytes by the codec for its type."""


class CannotTravel(PenstockError):
    """A function or an argument cannot be sent to a worker process, or cannot be made of what was sent."""


class CommandFailed(PenstockError):
    """A command of the shell has failed. `exit_code` is its exit code, or minus the number of the signal that ended
    it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RunInterrupted(PenstockError):
    """A run was stopped by a signal and can be resumed. `run` tells how far it came.

    It is the cause (`__cause__`) of the KeyboardInterrupt that a stopped `run()` raises, or of the SystemExit for
    SIGTERM: a script that does not catch them ends as one that was stopped.
    """

    def __init__(self, message: str, run: Any) -> None:
        super().__init__(message)
        self.run = run


# --- Raised by bodies, to say how they end


class Skip(PenstockError):
    """Raised by a task's body: the task is skipped, and is not tried again."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Fail(PenstockError):
    """Raised by a task's body: the task has failed for good, and is not tried again, whatever its retries."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class ApprovalTimeout(Fail):
    """Nobody has decided about an approval by its deadline, and it has no default."""


class MessageTimeout(Fail):
    """Nobody has sent the message that a task waited for, and it has no default."""


class Defer(PenstockError):
    """Raised by a task's body: it is too early. The task leaves its worker to others, and is called again at that time:
    a datetime (of this machine's zone, if it has none), or a time from now, as timedelta or in seconds. With a `topic`,
    it is called as soon as a message of that topic comes; without a time, only then."""

    @overload
    def __init__(self, until: datetime | timedelta | float, *, topic: str | None = None) -> None: ...

    @overload
    def __init__(self, until: None = None, *, topic: str) -> None: ...

    def __init__(self, until: datetime | timedelta | float | None = None, *, topic: str | None = None) -> None:
        if until is None and topic is None:
            raise TypeError("Defer takes a time, or the topic of a message to wait for")
        super().__init__(f"until {until}" if until is not None else f"until there is a message '{topic}'")
        self.until = until
        self.topic = topic

    def moment(self, now: float) -> float | None:
        """That time in seconds since 1970, if it is `now`; None if only a message is waited for."""
        if self.until is None:
            return None
        if isinstance(self.until, datetime):
            return self.until.timestamp()
        pause = self.until.total_seconds() if isinstance(self.until, timedelta) else float(self.until)
        return now + max(0.0, pause)


# --- State: what is on record


class StoreError(PenstockError):
    """The store cannot be read or written."""


class StoreCorrupt(StoreError):
    """The store holds something that it should not: a broken checksum, an unknown record, a newer schema."""


class LeaseLost(StoreError):
    """Another driver holds the run: what this one wanted to write was refused."""


class RunNotFound(PenstockError):
    """No run, or more than one, answers to an id."""


class PoolNotFound(PenstockError):
    """No pool of that name is on record."""


class ScheduleNotFound(PenstockError):
    """No schedule of a workflow of that name is on record."""


class LogicalTimeTaken(PenstockError):
    """A workflow has had a run for a logical time, and gets no second one."""


class TaskNotFound(PenstockError):
    """A run or workflow has no task of that name."""


class RunEnded(PenstockError):
    """A run has ended, so that what was asked of it comes too late."""


class NotWaiting(PenstockError):
    """A task does not wait for what it was sent: a decision, say, that somebody else has made already."""


class RunLocked(PenstockError):
    """A run is being driven by somebody else at this moment."""


class PlanMismatch(PenstockError):
    """A changed workflow does not fit what a run has already done."""


class NoticeRefused(PenstockError):
    """A notifier will never pass a notice on, so that it is given up. Raised by notifiers."""


class TryLater(PenstockError):
    """A notifier wants a notice again after so many seconds, at the earliest. Raised by notifiers.

    With `fold`, it has taken as many as it may for now: what waits for it meanwhile is brought as one notice then, or
    at the end of the run."""

    def __init__(self, message: str, seconds: float, *, fold: bool = False) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.fold = fold

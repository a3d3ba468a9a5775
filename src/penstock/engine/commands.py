"""What the engine wants done. Commands carry batches, and are obeyed by the driver in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.engine.states import RunState, TaskState
from penstock.policy import Notice


@dataclass(slots=True)
class DispatchTasks:
    """These tasks are ready: start an attempt of each when a worker is free."""

    tasks: Sequence[int]


@dataclass(slots=True)
class WithdrawTasks:
    """These tasks are not to be dispatched any more, though they were ready."""

    tasks: Sequence[int]


@dataclass(slots=True)
class SetTimer:
    """Report RetryDue for the task at `due`, in seconds since 1970."""

    task: int
    due: float


@dataclass(slots=True)
class ExpandMaps:
    """Find out how many instances these tasks have, and report MapExpanded or ExpansionFailed of each."""

    tasks: Sequence[int]


@dataclass(slots=True)
class SetGroupTimer:
    """Report GroupRetryDue for the group at `due`, in seconds since 1970."""

    group: int
    index: int
    due: float


@dataclass(slots=True)
class CancelAttempts:
    """Ask the running attempts of these tasks to end."""

    tasks: Sequence[int]


@dataclass(slots=True)
class TasksSettled:
    """These tasks ended without an attempt of their own."""

    tasks: Sequence[int]
    state: TaskState


@dataclass(slots=True)
class EndRun:
    """Every task has ended."""

    state: RunState
    error: str | None


@dataclass(slots=True)
class SendNotices:
    """Deliver these notices once the event that made them is safe, and report NoticeDelivered or NoticeDropped of each.

    They come before the EndRun of the same event. A driver that takes a run over is given all that nobody has taken
    yet, in the order in which they were made."""

    notices: Sequence[Notice]


Command: TypeAlias = (
    DispatchTasks
    | ExpandMaps
    | WithdrawTasks
    | SetTimer
    | SetGroupTimer
    | CancelAttempts
    | TasksSettled
    | EndRun
    | SendNotices
)

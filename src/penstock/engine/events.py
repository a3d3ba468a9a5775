"""What happens to a run: the only things that change it.

An event is a fact with a time. A run is the fold of its events over its plan: the journal keeps events, and a driver
that takes a run over hands them to a new engine in the same order. Events are never changed once made; they are plain
slotted dataclasses, since frozen ones cost three times as much to make.

`task` is a slot: the task's number in the plan, or beyond these the number of an instance of a mapped task, as
MapExpanded makes them. `attempt` counts from 1 within one generation, and `at` is seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from penstock.policy import ErrorText as ErrorText  # noqa: PLC0414  (where events are read, so are their errors)


class ValueRef(NamedTuple):
    """Where a task's value is, in a form that the journal can keep. The `results` package makes and reads them."""

    codec: str
    """The codec that wrote it; "volatile" says that no codec took the value, so that it died with its process."""
    size: int
    """Bytes of the encoded value."""
    digest: str | None = None
    """The content address of a value that lies in the result store."""
    inline: str | None = None
    """The encoded value itself, where it is small: text, or base64 where the codec writes bytes. For all but small
    JSON, a line end and a note about the value follow (see `results/note.py`), also where the value lies elsewhere."""


@dataclass(slots=True)
class RunStarted:
    """A driver took a new run."""

    at: float
    row: str = ""
    """A digest of the run's row, where it was kept."""


@dataclass(slots=True)
class AttemptStarted:
    """A task's body was handed to a worker."""

    task: int
    attempt: int
    at: float


@dataclass(slots=True)
class AttemptSucceeded:
    """A body returned, and its value is stored. No `value` means None."""

    task: int
    attempt: int
    at: float
    value: ValueRef | None = None
    chosen: tuple[int, ...] | None = None
    """Of a branch or a short circuit: which of its direct downstreams are followed, as rows of the plan; None for all
    of them."""
    cpu: int | None = None
    """Microseconds of processor time that the body took, where that was measured."""
    memory: int | None = None
    """Bytes that its process had in memory at most, where that was measured."""


@dataclass(slots=True)
class AttemptSkipped:
    """A body said that there was nothing to do."""

    task: int
    attempt: int
    at: float
    reason: str
    cpu: int | None = None
    """Microseconds of processor time that the body took, where that was measured."""
    memory: int | None = None
    """Bytes that its process had in memory at most, where that was measured."""


@dataclass(slots=True)
class AttemptDeferred:
    """A body found that it is too early for its work, and left its worker to others. Another attempt follows."""

    task: int
    attempt: int
    at: float
    until: float | None = None
    """When it follows, in seconds since 1970; None for the pause that the task's polling asks for, or for whenever a
    message comes."""
    topic: str | None = None
    """It follows sooner if a message of this topic comes."""


@dataclass(slots=True)
class TaskWoken:
    """The time has come for a task that was too early."""

    task: int
    at: float


@dataclass(slots=True)
class MessageReceived:
    """Somebody sent the run something. Of the tasks that wait for the topic, the one that has waited longest gets it;
    if none does, the next that will."""

    at: float
    topic: str
    value: ValueRef | None
    by: str


@dataclass(slots=True)
class AttemptFailed:
    """A body raised, ran out of time, or could not get its inputs."""

    task: int
    attempt: int
    at: float
    error: ErrorText
    retryable: bool = True
    delay: float | None = None
    """Seconds till the next attempt, where the error asks for another pause than the usual one."""
    cpu: int | None = None
    """Microseconds of processor time that the body took, where that was measured."""
    memory: int | None = None
    """Bytes that its process had in memory at most, where that was measured."""


@dataclass(slots=True)
class AttemptLost:
    """The worker that ran a body died."""

    task: int
    attempt: int
    at: float
    error: ErrorText


@dataclass(slots=True)
class AttemptCancelled:
    """A body ended because it was asked to."""

    task: int
    attempt: int
    at: float


@dataclass(slots=True)
class RetryDue:
    """The pause before a task's next attempt is over."""

    task: int
    at: float


@dataclass(slots=True)
class MapExpanded:
    """It is known how many instances a mapped task has, or the tasks of a mapped group: then `task` is the row that
    expands the group. Their slots are made now, of each row together, in the order of the rows."""

    task: int
    at: float
    width: int
    names: tuple[str, ...] = ()
    """What users want to call the instances."""


@dataclass(slots=True)
class ExpansionFailed:
    """What a task is mapped over cannot be iterated, or could not be had."""

    task: int
    at: float
    error: ErrorText


@dataclass(slots=True)
class GroupRetryDue:
    """The pause before the next round of a group is over. `index` is -1 if the group is not mapped."""

    group: int
    index: int
    at: float


@dataclass(slots=True)
class CancelRequested:
    """Somebody wants the run to end. Teardowns still run; who asks again does not want these either."""

    at: float
    by: str


@dataclass(slots=True)
class RunTimedOut:
    """The run's own timeout passed."""

    at: float


@dataclass(slots=True)
class DriverStopped:
    """The driver stopped with work left: what still ran will run again.

    A driver that stops in good order says so itself; of one that died, whoever cancels its run says it.

    A task that may begin only one attempt, and ran, has failed. What was to end anyway is cancelled. If nothing is left
    then, this is the end of the run: the driver is given EndRun, and reports an end and no interruption."""

    at: float
    reason: str


@dataclass(slots=True)
class RunResumed:
    """A driver took the run over; what ran was lost with the driver before.

    `by_hand` says that somebody asked for it: then what did not succeed is tried again with a fresh budget, and lost
    attempts are forgiven. A driver that adopts a run by itself counts them, and leaves alone what has ended. A task
    that may begin only one attempt has failed if it ran, and is not tried again either way.

    A run that has ended, and in which nothing can go on, stays as it ended: the driver is given EndRun once more, and
    nobody is told of a second end."""

    at: float
    by_hand: bool = True


@dataclass(slots=True)
class TasksRerun:
    """Somebody wants tasks to run again, done or not: each begins a new generation, and with it a new first attempt."""

    at: float
    tasks: tuple[int, ...]


@dataclass(slots=True)
class TasksMarked:
    """Somebody says what these tasks are to be taken for: "success", "failed" or "skipped". It is a new generation of
    each, without an attempt."""

    at: float
    tasks: tuple[int, ...]
    state: str
    by: str
    note: str = ""


@dataclass(slots=True)
class PlanAdopted:
    """From here on the run follows another plan; numbers in later events are that plan's.

    Whoever takes a run over says it, before what sets the run going. What ran is left as by DriverStopped, but the run
    does not end by it. Lost attempts are not counted over a change of the plan.

    A task keeps by its name what it has done. One that the plan drops keeps its attempts, should it come back. One that
    may begin only one attempt from now on, and had begun, is cancelled if it has not ended."""

    at: float
    fingerprint: str


@dataclass(slots=True)
class NotifiersSet:
    """From here on these notifiers, by name, are told of what happens in the run, beside the callbacks that its plan
    names. "" is no name: it stands for a callback. `kinds` says of each, in the order of their names, what it is told
    of, with spaces between; where that is empty or not said it is USUAL_NOTICES."""

    at: float
    names: tuple[str, ...]
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class NoticeDelivered:
    """The receiver of a notice has taken it. `notice` is the notice's id; one that is not to be delivered any more is
    stale."""

    at: float
    notice: str


@dataclass(slots=True)
class NoticeDropped:
    """A notice is given up: its receiver refused it too often, or is there no more. `notice` is the notice's id."""

    at: float
    notice: str
    error: str


Event: TypeAlias = (
    RunStarted
    | AttemptStarted
    | AttemptSucceeded
    | AttemptSkipped
    | AttemptDeferred
    | TaskWoken
    | MessageReceived
    | AttemptFailed
    | AttemptLost
    | AttemptCancelled
    | RetryDue
    | MapExpanded
    | ExpansionFailed
    | GroupRetryDue
    | CancelRequested
    | RunTimedOut
    | DriverStopped
    | RunResumed
    | TasksRerun
    | TasksMarked
    | PlanAdopted
    | NotifiersSet
    | NoticeDelivered
    | NoticeDropped
)

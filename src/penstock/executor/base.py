"""The contract between a driver, which knows what is to be done, and an executor, which has workers to do it.

Executors pull: a worker takes an attempt, invokes it, reports the outcome and gets the next attempt in the same call,
so that no hand-off lies between two tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeAlias

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptSucceeded,
)

if TYPE_CHECKING:
    from penstock.executor.capture import AttemptOutput
    from penstock.executor.context import AttemptContext
    from penstock.executor.decisions import Decision


@dataclass(slots=True)
class StoreFailed:
    """No outcome: what the body takes could not be read, or what it gave not be written. The task is not to blame, and
    the run cannot go on."""

    task: int
    attempt: int
    at: float
    message: str


Outcome: TypeAlias = (
    AttemptSucceeded | AttemptSkipped | AttemptDeferred | AttemptFailed | AttemptLost | AttemptCancelled | StoreFailed
)


class Ending(Enum):
    """Why an attempt is asked to end before its body does."""

    TIMEOUT = "its timeout passed"
    CANCEL = "its run was cancelled"
    INTERRUPT = "its run was interrupted"


class Attempt:
    """One attempt of a task, from dispatch to outcome.

    `ending` is set when the attempt is asked to end; a body may look at it through `current().cancelled`.
    """

    # What only some attempts have is set where they get it: there is one of these for each task.
    row = -1
    """That of its task in the plan, where there is one."""
    committed = False
    """Whether the start is known to be safe, for whoever needs that before the outcome is."""
    loads: tuple[str, ...] = ()
    """The names of the transactional loads that were begun and have not failed."""
    received: tuple[str, ...] = ()
    """The topics of the messages that the body has asked for, and was given."""
    decision: Decision | None = None
    """What somebody has decided, if the task is an approval."""
    ending: Ending | None = None
    heeded = False
    """Whether the body has looked and seen that it should end: what it returns then is not its full work."""
    abandoned = False
    cpu: int | None = None
    """Microseconds of processor time that the body took, and bytes of memory, if that was measured."""
    memory: int | None = None
    output: AttemptOutput | None = None
    """What the body prints; made when it first does."""
    # For workers that are threads: an exception can be raised in the one that runs the body, by whoever has the guard.
    # There is one guard for all attempts, since it is held for moments only, and then only to interrupt.
    guard = Lock()
    interrupting = False
    """Whether somebody is about to do so, or has tried."""
    interrupted = False
    """Whether it was done."""
    cancel_coroutine: Callable[[], object] | None = None

    def __init__(
        self, context: AttemptContext, task: int, generation: int, number: int, timeout: float | None, requires: int
    ) -> None:
        self.context = context
        self.task = task
        self.generation = generation
        self.number = number
        self.timeout = timeout
        self.requires = requires
        """The journal position that must be written before the body may start."""
        self.thread: int | None = None
        """The thread that runs the body now."""

    def heed(self) -> bool:
        """Whether the attempt should end, asked by its body."""
        if self.ending is None:
            return False
        self.heeded = True
        return True

    @property
    def name(self) -> str:
        """The task's name."""
        return self.context.name(self.task)


class AttemptSource(Protocol):
    """Where an executor's workers get their work: whatever runs are driven in this process."""

    @property
    def next_context(self) -> AttemptContext | None:
        """A run that the next attempt may be of, so that a worker can make ready for it before; None if unknown."""

    def take(self) -> Attempt | None:
        """The next attempt, waiting for one if need be; None when the worker should end."""

    def settle(self, attempt: Attempt, outcome: Outcome) -> Attempt | None:
        """Report how an attempt ended, and take the next one."""

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Report how an attempt ended, where there is no worker to take the next one."""

    def fill(self) -> None:
        """A worker has gone that was not needed, or was given up: see that somebody comes for what is ready."""


class Executor(Protocol):
    """Where task bodies run."""

    name: str
    workers: int
    """How many attempts may run at once."""
    on_caller: bool
    """Whether the only worker is the thread that drives the run, which then calls `work`: so it serves one run."""

    def open(self, source: AttemptSource) -> None:
        """Begin to serve. Workers may be made later, when `grow` asks for them."""

    def work(self) -> None:
        """Invoke attempts on the calling thread until there are no more, if `on_caller`."""

    def grow(self) -> None:
        """There is more to do than workers that are free: add one, unless there are enough. Cheap, and never blocks."""

    def ask(self, attempt: Attempt) -> None:
        """`attempt.ending` was just set: see that the body learns of it, wherever it runs. Cheap, and never blocks."""

    def end(self, attempt: Attempt) -> bool:
        """End a running attempt against its will; its worker then reports an outcome. False if that cannot be done."""

    def abandon(self, attempt: Attempt) -> None:
        """The attempt will not end: count its worker as gone, and make room for another."""

    def close(self, *, wait: float | None) -> bool:
        """No more work: let idle workers go and wait for the others, at most `wait` seconds. Whether all have ended."""

"""What a task body can ask about the attempt that runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.definition.expansion import NOTHING
from penstock.errors import PenstockError, TaskCancelled
from penstock.executor.values import parameter

if TYPE_CHECKING:
    import logging
    from datetime import date, datetime, timedelta

    from penstock.executor.base import Attempt
    from penstock.executor.decisions import Decision
    from penstock.executor.logical_time import DataInterval

T = TypeVar("T")

running: ContextVar[Attempt | None] = ContextVar("penstock_attempt", default=None)
"""The attempt that the code which looks runs in."""


class Current:
    """The attempt that runs now, as `current()` gives it to a task body."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def run_id(self) -> str:
        """The run."""
        return self._attempt.context.run_id

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self._attempt.context.workflow

    @property
    def task(self) -> str:
        """The task's name."""
        return self._attempt.name

    @property
    def generation(self) -> int:
        """How often the task was run again by hand."""
        return self._attempt.generation

    @property
    def attempt(self) -> int:
        """Counts from 1 within a generation."""
        return self._attempt.number

    @property
    def params(self) -> dict[str, Any]:
        """The workflow's parameters; what is changed in them is changed for nobody else."""
        params = self._attempt.context.params
        return {name: parameter(params, name) for name in params}

    @property
    def logical_time(self) -> datetime | None:
        """When the run was due, in the zone of its workflow, however late it runs; None of a run that is for no time,
        as one that is started by hand without one."""
        return self._attempt.context.logical_time.moment

    @property
    def logical_date(self) -> date | None:
        """The day of the logical time."""
        at = self.logical_time
        return None if at is None else at.date()

    @property
    def data_interval(self) -> DataInterval | None:
        """The time whose data the run deals with, with `start` and `end`: from the logical time before up to this one.
        None where there is no schedule that says so."""
        return self._attempt.context.logical_time.interval

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was asked to end: by its timeout, a cancel or a signal. A long loop should look."""
        return self._attempt.heed()

    @property
    def is_latest(self) -> bool:
        """Whether no newer run of this workflow has been created in the store, whoever created it. It is looked up each
        time. StoreError if the store cannot be asked."""
        return self._attempt.context.is_latest()

    @property
    def logger(self) -> logging.Logger:
        """A logger whose records are shown and kept with the attempt."""
        import logging

        return logging.getLogger("penstock.task")

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this task, and another after a rerun by hand: hand it to receivers that
        recognise what they have already done. When it is given, the start of the attempt is on disk, so that no failure
        can make anyone forget that it was used. StoreError if the store does not take it."""
        attempt = self._attempt
        if not attempt.committed:
            attempt.context.commit_start(attempt)
            attempt.committed = True
        return f"{self.run_id}:{self.task}:0:{self.generation}"

    @property
    def decision(self) -> Decision | None:
        """Who has decided what, and when, in the body of an approval; None in any other."""
        return self._attempt.decision

    def receive(self, topic: str, *, timeout: float | timedelta | None = None, default: Any = NOTHING) -> Any:
        """The message that somebody sends to the run under this topic: by `penstock send`, `run.send` or
        `manager.send`. Until it is there the task leaves its worker to others: this raises Defer, and when it comes the
        body is called again from its beginning. So receive first, and leave Defer alone.

        After `timeout`, in seconds or as timedelta, it is `default`, or the task has failed (MessageTimeout) if there
        is none. A task that is tried again, or resumed, has the messages that it was given; rerun by hand, it waits
        anew. PenstockError if a body asks for one topic twice: each task gets one message of a topic.
        """
        from penstock.executor.letters import receive

        return receive(self._attempt, topic, timeout, default)

    def once(self, connection: Any, body: Callable[[], T], *, name: str = "") -> T:
        """Call `body` so that what it does through `connection`, in one transaction, is done once for this task,
        however often the task is attempted; what it returns.

        `connection` is any DB-API connection. The transaction also writes a receipt, into a table `penstock_receipt` of
        that database; where the receipt of an earlier attempt is found, its value is returned and `body` not called.
        `body` leaves commit and rollback alone and returns None or a small plain value. A task that makes several loads
        gives each a `name`. Rerun by hand, a task makes its loads again.

        Errors: those of the body and the database, after which nothing is done; PenstockError for what is not fit.
        """
        from penstock.executor.base import Ending
        from penstock.executor.receipts import Receipt, once
        from penstock.executor.target import target_of

        attempt = self._attempt
        if name in attempt.loads:
            named = f"once(..., name={name!r})" if name else "once() without a name"
            raise PenstockError(f"task '{self.task}' calls {named} twice: give each load a name of its own")

        def may_commit() -> None:
            if attempt.abandoned or attempt.ending is Ending.TIMEOUT:
                raise TaskCancelled("the time of this attempt is over, and another one may be on its way")

        target = target_of(connection)
        attempt.loads += (name,)
        try:
            return once(
                target, Receipt(self.idempotency_key, self.run_id, self.task, name), body, may_commit=may_commit
            )
        except BaseException:
            attempt.loads = tuple(other for other in attempt.loads if other != name)
            raise

    def __repr__(self) -> str:
        return f"<attempt {self.attempt} of '{self.task}' in run {self.run_id}>"


def current() -> Current:
    """The attempt that the calling code runs in. PenstockError outside of one."""
    attempt = running.get()
    if attempt is None:
        raise PenstockError("current() was called outside of a task: only a running task body has an attempt")
    return Current(attempt)

"""What a task body can ask about the attempt that runs it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError
from penstock.executor.values import parameter

if TYPE_CHECKING:
    import logging

    from penstock.executor.base import Attempt

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
    def cancelled(self) -> bool:
        """Whether the attempt was asked to end: by its timeout, a cancel or a signal. A long loop should look."""
        return self._attempt.heed()

    @property
    def logger(self) -> logging.Logger:
        """A logger whose records are shown and kept with the attempt."""
        import logging

        return logging.getLogger("penstock.task")

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this task, and another after a rerun by hand: hand it to receivers that
        recognise what they have already done."""
        return f"{self.run_id}:{self.task}:0:{self.generation}"

    def __repr__(self) -> str:
        return f"<attempt {self.attempt} of '{self.task}' in run {self.run_id}>"


def current() -> Current:
    """The attempt that the calling code runs in. PenstockError outside of one."""
    attempt = running.get()
    if attempt is None:
        raise PenstockError("current() was called outside of a task: only a running task body has an attempt")
    return Current(attempt)

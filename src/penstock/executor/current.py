"""What a task body can ask about the attempt that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError

if TYPE_CHECKING:
    import logging


class Current:
    """The attempt that runs now, as `current()` gives it to a task body."""

    __slots__ = ("_asked", "attempt", "generation", "params", "run_id", "sink", "task", "workflow")

    def __init__(
        self,
        *,
        run_id: str,
        workflow: str,
        task: str,
        generation: int,
        attempt: int,
        params: Mapping[str, Any],
        asked: Callable[[], bool],
        sink: Callable[[str, str], None],
    ) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.task = task
        self.generation = generation
        """How often the task was run again by hand."""
        self.attempt = attempt
        """Counts from 1 within a generation."""
        self.params = params
        self.sink = sink
        """Keeps text for the attempt's log: stream, text."""
        self._asked = asked

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was asked to end: by its timeout, a cancel or a signal. A long loop should look."""
        return self._asked()

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


running: ContextVar[Current | None] = ContextVar("penstock_attempt", default=None)


def current() -> Current:
    """The attempt that the calling code runs in. PenstockError outside of one."""
    attempt = running.get()
    if attempt is None:
        raise PenstockError("current() was called outside of a task: only a running task body has an attempt")
    return attempt


def current_sink() -> Callable[[str, str], None] | None:
    """Where text that is written now should be kept; None outside of an attempt."""
    attempt = running.get()
    return attempt.sink if attempt is not None else None

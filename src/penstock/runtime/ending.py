"""Ending attempts before their bodies do: first by asking, then against their will, then by giving them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from penstock.engine.events import AttemptCancelled
from penstock.errors import TaskTimeout
from penstock.executor.base import Attempt, Ending, Executor, Outcome
from penstock.executor.invoke import outcome_of

TIMEOUT_NOTICE = 0.2
"""Seconds between asking a body that ran out of time to end, and ending it."""
AGAIN = 0.5
"""Seconds that a body has which was to end at once."""


class Endings:
    """Ends attempts of one run, which are `running`. Its methods are called under the driver's lock; `arm` has them
    called later, and `close` records how an attempt ended."""

    def __init__(
        self,
        executor: Executor,
        running: Mapping[int, Attempt],
        arm: Callable[[float, Callable[[], None]], None],
        close: Callable[[Attempt, Outcome], None],
        grace: float,
    ) -> None:
        self._executor = executor
        self._running = running
        self._arm = arm
        self._close = close
        self._grace = grace

    def time_out(self, attempt: Attempt) -> None:
        """The attempt has run for as long as it may."""
        if self._runs(attempt) and attempt.ending is None:
            self.ask(attempt, Ending.TIMEOUT, TIMEOUT_NOTICE)

    def ask(self, attempt: Attempt, ending: Ending, notice: float | None = None) -> None:
        """Have the body learn that it should end, and end it after `notice` seconds, by default the grace."""
        if attempt.ending is None:
            attempt.ending = ending
            self._executor.ask(attempt)
            self._arm(self._grace if notice is None else notice, partial(self._end, attempt))

    def hurry(self, attempt: Attempt) -> None:
        """End an attempt now that was asked to."""
        self._executor.end(attempt)
        self._arm(AGAIN, partial(self._give_up, attempt))

    def _runs(self, attempt: Attempt) -> bool:
        return self._running.get(attempt.task) is attempt

    def _end(self, attempt: Attempt) -> None:
        if self._runs(attempt):
            self._executor.end(attempt)
            self._arm(self._grace, partial(self._give_up, attempt))

    def _give_up(self, attempt: Attempt) -> None:
        """The body does not come back: its late outcome will change nothing, and its worker is replaced."""
        if not self._runs(attempt):
            return
        attempt.abandoned = True
        self._executor.abandon(attempt)
        if attempt.ending is Ending.TIMEOUT:
            error = TaskTimeout(f"ran longer than its timeout of {attempt.timeout:g} s, and did not end when told to")
            self._close(attempt, outcome_of(attempt, error))
        else:
            self._close(attempt, AttemptCancelled(attempt.task, attempt.number, attempt.context.clock.time()))

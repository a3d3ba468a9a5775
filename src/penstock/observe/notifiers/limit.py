"""A notifier that is told of no more than it wants to hear in a minute."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from penstock.clock import SYSTEM, Clock
from penstock.errors import TryLater
from penstock.policy import Notice

if TYPE_CHECKING:
    from penstock.observe.notifiers.webhook import Webhook

MINUTE = 60.0


class Limited:
    """Passes at most so many notices on in any minute. What is over it asks to be held back and to be brought as one,
    when a minute is over or the run: such a notice, which stands for others, always passes."""

    def __init__(self, notifier: Webhook | Any, per_minute: int, clock: Clock = SYSTEM) -> None:
        self._notifier = notifier
        self._per_minute = per_minute
        self._clock = clock
        self._passed: deque[float] = deque()
        """When the latest ones passed, by the monotonic clock."""

    def notify(self, notice: Notice) -> None:
        """Pass a notice on. TryLater if it is one too many."""
        now = self._clock.monotonic()
        while self._passed and now - self._passed[0] >= MINUTE:
            self._passed.popleft()
        if len(self._passed) >= self._per_minute and not notice.stands_for:
            raise TryLater(
                f"it is told of {self._per_minute} notices a minute", MINUTE - (now - self._passed[0]), fold=True
            )
        self._passed.append(now)
        self._notifier.notify(notice)

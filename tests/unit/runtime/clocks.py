"""A clock that tests turn forward and back."""

from __future__ import annotations

from time import time

from penstock.clock import SystemClock


class TurnedClock(SystemClock):
    """That of this machine, with its date turned by so many seconds."""

    def __init__(self) -> None:
        self.turned = 0.0

    def time(self) -> float:
        return time() + self.turned

"""A run in the hands of this process, as whoever drives it beside others knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from penstock.runtime.record import Run


class Stop(Protocol):
    """Has a run interrupted: it starts nothing more, and what runs is asked to end. With `patient` what runs is left to
    end by itself, until it is stopped again without."""

    def __call__(self, reason: str, *, patient: bool = False) -> None: ...


class Drive(NamedTuple):
    """A run in the hands of this process that is about to be driven."""

    drive: Callable[[], Run]
    """Until it ends, is interrupted or parked."""
    stop: Stop
    is_behind: Callable[[], bool]
    """Whether it has something to do, and no worker has come to it yet."""
    give_up: Callable[[], None]
    """Give it back undriven."""


Wake: TypeAlias = Callable[[], Drive | Run]
"""Takes a parked run over. If there is nothing to do in it now, or it is not due any more, what has become of it.
RunLocked if somebody else is at it."""

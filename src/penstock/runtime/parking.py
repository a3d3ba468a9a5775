"""When a run may be parked: put aside on record, with nobody driving it, since all that is left of it waits.

A parked run costs a row. Whoever wakes it rebuilds its engine from the journal and loses nothing by that, since nothing
ran: attempts, deferrals and pauses go on where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

from penstock.definition.secret import Secret
from penstock.engine.events import DriverStopped, Event, RunResumed, RunStarted, TasksRerun
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.policy import RUN_ENDS

PARKED = "parked"
"""Why the driver of a run that was parked stopped."""
LOOK_AT_CHILDREN = 600.0
"""Seconds after which a parked run looks at these itself: who should have told of an end may have died before."""


class Parking(NamedTuple):
    """That a run may be parked now."""

    wake_at: float | None
    """When it goes on, in seconds since 1970; None if only a message wakes it."""


def parking(engine: RunEngine, now: float, after: float, deadline: float = inf) -> Parking | None:
    """Whether a run may be parked, since it has nothing to do for more than `after` seconds. `deadline` is when its
    time is up."""
    if not only_waits(engine):
        return None
    wake_at = min(next_moment(engine, now), deadline)
    if any(topic.startswith(RUN_ENDS) for topic in engine.topics.values()):
        wake_at = min(wake_at, now + after + LOOK_AT_CHILDREN)
    if wake_at <= now + after:
        return None
    return Parking(wake_at if wake_at < inf else None)


def only_waits(engine: RunEngine) -> bool:
    """Whether a run has begun, and all that is left to do in it waits for a time or a message: nothing runs or could,
    nothing is to be told, and no value would be gone if its process were."""
    states = engine.states
    if engine.state is not RunState.RUNNING or engine.notices:
        return False
    if TaskState.READY in states or TaskState.RUNNING in states:
        return False
    waits = TaskState.DEFERRED in states or TaskState.RETRYING in states or bool(engine.rounds_due)
    return waits and not any(value.codec == "volatile" for value in engine.values.values())


def next_moment(engine: RunEngine, now: float = inf) -> float:
    """When something in a run that only waits goes on by itself, in seconds since 1970; infinity for never. No pause
    is longer from `now` on than it was meant to be: the clock may have been set back since."""
    tasks = (min(due, now + engine.retry_pause(task)) for task, due in engine.retries_due.items())
    groups = (min(due, now + engine.round_pause(unit)) for unit, due in engine.rounds_due.items())
    return min((*tasks, *groups), default=inf)


def knows_secrets(params: Mapping[str, Any]) -> bool:
    """Whether a run's parameters have secrets that nobody could read again who wakes it later."""
    return any(isinstance(value, Secret) and value.source not in ("env", "file") for value in params.values())


class Going:
    """Since when a run goes, found as its journal is read: that it was parked does not interrupt it."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.is_parked = False
        """Whether it was parked last, and nobody has driven it since."""

    def follow(self, engine: RunEngine) -> Callable[[Event], object]:
        """What hands each event to an engine, and sees what it does."""

        def handle(event: Event) -> object:
            self.see(event)
            return engine.handle(event)

        return handle

    def see(self, event: Event) -> bool:
        """Take note of an event; whether a parked run was woken by it."""
        if isinstance(event, DriverStopped):
            self.is_parked = event.reason == PARKED
        elif isinstance(event, (RunStarted, RunResumed, TasksRerun)):
            woken = self.is_parked and isinstance(event, RunResumed) and not event.by_hand
            self.is_parked = False
            if not woken:
                self.since = event.at
            return woken
        return False

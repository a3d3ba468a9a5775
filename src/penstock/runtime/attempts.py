"""The attempts of a run, each with what became of it and why it was made, as the journal has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    DriverStopped,
    Event,
    GroupRetryDue,
    PlanAdopted,
    RunResumed,
    TasksMarked,
    TasksRerun,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.policy import DECISIONS, RUN_ENDS
from penstock.runtime.parking import Going
from penstock.runtime.times import moment

_SUCCESS, _RUNNING = int(TaskState.SUCCESS), int(TaskState.RUNNING)
_STATES: dict[type, str] = {
    AttemptSucceeded: "success",
    AttemptSkipped: "skipped",
    AttemptDeferred: "deferred",
    AttemptFailed: "failed",
    AttemptLost: "lost",
    AttemptCancelled: "cancelled",
}
_TURNS = frozenset({RunResumed, TasksRerun, TasksMarked, PlanAdopted, GroupRetryDue, DriverStopped})


@dataclass(slots=True)
class AttemptRun:
    """One attempt of a task: what became of it."""

    task: str
    """The task's name, of an instance of a map with its index."""
    generation: int
    number: int
    """Counts from 1 in each generation."""
    because: str
    """Why it was made, if it is not simply the first."""
    began: float
    ended: float | None = None
    state: str = "running"
    """running, success, failed, skipped, deferred (it came too early), cancelled, lost (with its worker or driver) or
    stopped (its driver was)."""
    error: str | None = None
    """Its error, in one line."""
    cpu: float | None = None
    """Seconds of processor time that the body took, in its thread or its worker process, where they were measured."""
    memory: int | None = None
    """Bytes that its worker process had in memory at most while the body ran, where that was measured."""

    @property
    def started_at(self) -> datetime | None:
        """When it began."""
        return moment(self.began)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, if that is known."""
        return moment(self.ended)

    @property
    def duration(self) -> float | None:
        """Seconds by the clock from its start to its end."""
        return None if self.ended is None else max(0.0, self.ended - self.began)


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody set the run, or a part of it, going again."""

    at: float
    text: str
    """ "the run was resumed"."""
    goes_on: bool
    """Whether that was to go on with it or to run parts of it again."""


class _Awaited(NamedTuple):
    """A task waits for a message."""

    topic: str


class Chronicle:
    """Hands events to an engine, and notes what becomes of attempts."""

    def __init__(self, engine: RunEngine) -> None:
        self.attempts: list[AttemptRun] = []
        self.turns: list[Turn] = []
        self._engine = engine
        self._open: dict[int, AttemptRun] = {}
        self._going = Going()
        self._because: dict[str, str | _Awaited] = {}
        """Why tasks begin (again), till they do."""

    def handle(self, event: Event) -> None:
        """Hand on one event."""
        kind = type(event)
        if kind in _TURNS:
            if self._going.see(event):  # a parked run was woken, which changes nothing in it
                self._engine.handle(event)
            else:
                self._turn(event)
            return
        self._engine.handle(event)
        if kind is AttemptStarted:
            self._begin(event)
        elif kind in _STATES:
            self._end(event, _STATES[kind])

    def _begin(self, event: Any) -> None:
        engine, slot = self._engine, event.task
        name = engine.name(slot)
        because = self._because.pop(name, "") if self._because else ""
        if isinstance(because, _Awaited):
            because = _heard(engine, slot, because.topic)
        attempt = AttemptRun(name, engine.generation(slot), event.attempt, because, event.at)
        self._open[slot] = attempt
        self.attempts.append(attempt)

    def _end(self, event: Any, state: str) -> None:
        attempt = self._open.get(event.task)
        if attempt is None or attempt.number != event.attempt:
            return  # it came too late
        del self._open[event.task]
        attempt.state, attempt.ended = state, event.at
        cpu: int | None = getattr(event, "cpu", None)
        attempt.cpu = None if cpu is None else cpu / 1_000_000
        attempt.memory = getattr(event, "memory", None)
        error = getattr(event, "error", None)
        if error is not None:
            attempt.error = f"{error.type}: {error.message}"
        if state == "failed":
            self._because[attempt.task] = f"attempt {attempt.number} failed"
        elif state == "deferred":
            early = f"attempt {attempt.number} came too early"
            self._because[attempt.task] = early if event.topic is None else _Awaited(event.topic)
        elif state == "lost":
            self._because[attempt.task] = f"the worker of attempt {attempt.number} died"

    # --- What sets tasks going again

    def _turn(self, event: Any) -> None:
        engine = self._engine
        had_begun = engine.state is not RunState.QUEUED
        unit = self._unit_of(event)
        slots: Iterable[int] = range(len(engine.states)) if unit is None else unit
        before = {engine.name(slot): engine.states[slot] for slot in slots if engine.states[slot] >= _SUCCESS}
        gone = {engine.name(slot) for slot in slots if _is_volatile(engine, slot)}
        named = {engine.name(slot) for slot in getattr(event, "tasks", ())}
        self._close_open(event)
        engine.handle(event)
        text = _turn_text(event)
        if had_begun and not isinstance(event, (DriverStopped, GroupRetryDue)):
            self.turns.append(Turn(event.at, text, isinstance(event, (RunResumed, TasksRerun))))
        for slot in range(len(engine.states)) if unit is None else unit:
            name = engine.name(slot)
            if engine.states[slot] < _RUNNING and name in before:
                self._because[name] = self._why_again(event, name, before[name], named, gone, text)

    def _unit_of(self, event: Any) -> list[int] | None:
        """The tasks of the group that begins anew; None for what may set any task going."""
        if not isinstance(event, GroupRetryDue):
            return None
        unit = event.group, event.index
        return [*self._engine.in_unit(unit)] if unit in self._engine.rounds_due else []

    def _why_again(
        self, event: Event, name: str, before: int, named: Iterable[str], gone: Iterable[str], text: str
    ) -> str:
        if isinstance(event, TasksRerun) and name in named:
            return "it was to run again"
        if before == _SUCCESS and name in gone:
            return f"its value was gone with its process, and is wanted, since {text}"
        return text

    def _close_open(self, event: Any) -> None:
        """What ran does not any more, if the driver has gone."""
        if isinstance(event, (TasksMarked, GroupRetryDue)):
            return
        stopped = isinstance(event, DriverStopped)
        for attempt in self._open.values():
            attempt.state = "stopped" if stopped else "lost"
            how = f"was stopped ({event.reason})" if stopped else "was gone"
            self._because[attempt.task] = f"the driver of attempt {attempt.number} {how}"
            attempt.ended = event.at if stopped else None
        self._open.clear()


def _heard(engine: RunEngine, slot: int, topic: str) -> str:
    """What has ended the wait for a message of a topic."""
    message = engine.letters.get(slot, {}).get(topic)
    if topic.startswith(RUN_ENDS):
        return f"run {topic.removeprefix(RUN_ENDS)} {'had' if message is not None else 'was to have'} ended"
    if topic.startswith(DECISIONS):
        return f"{message.by} had decided" if message is not None else "nobody had decided in time"
    return f"the message '{topic}' had come" if message is not None else f"no message '{topic}' had come in time"


def _is_volatile(engine: RunEngine, slot: int) -> bool:
    value = engine.values.get(slot)
    return value is not None and value.codec == "volatile"


def _turn_text(event: Any) -> str:
    if isinstance(event, RunResumed):
        return "the run was resumed" if event.by_hand else "another driver took the run over"
    if isinstance(event, TasksRerun):
        return "tasks were run again"
    if isinstance(event, TasksMarked):
        return f"a task was marked by {event.by}"
    if isinstance(event, PlanAdopted):
        return "the workflow had changed"
    if isinstance(event, GroupRetryDue):
        return "its group failed, and began anew"
    return "the driver stopped"

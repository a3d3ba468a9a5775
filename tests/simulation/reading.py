"""What the journal of one run says, read by an engine and an audit that no driver has touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from penstock.engine.audit import Audit
from penstock.engine.events import (
    AttemptCancelled,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Event,
    MapExpanded,
    MessageReceived,
    PlanAdopted,
    RetryDue,
    RunResumed,
    TasksRerun,
    TaskWoken,
)
from penstock.engine.invariants import ContradictionError, check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import Notice
from tests.simulation.course import OUTCOMES, Course, Outcomes, Place
from tests.simulation.happenings import Happenings
from tests.simulation.work import Work

PLACE_AND_GENERATION: TypeAlias = tuple[Place, int]
A_MOMENT = 0.001
"""Seconds by which a timer may ring too early, since clocks are not exact."""
_NOT_STATE = ("_handlers", "_plans")
"""What two engines of one run need not have in common."""


class Reading:
    """Takes the batches of one run, one after the other.

    `say` is told what cannot be. `clocks_jump` says that times on record may go back. `hear` is told of each outcome
    that counts, of resumptions, of cancellations and of plans."""

    def __init__(
        self,
        run_id: str,
        work: Work,
        plan: Plan,
        plans: Callable[[str], Plan],
        say: Callable[[str], None],
        hear: Callable[[Reading, Event, int], None],
        *,
        clocks_jump: bool,
    ) -> None:
        self.run_id = run_id
        self.engine = RunEngine(plan, run_id=run_id, plans=plans)
        self.audit = Audit(plan, plans=plans)
        self.course = Course(work, self.engine)
        self.happened = Happenings(self.engine)
        self.batches = 0
        self.outcomes: dict[PLACE_AND_GENERATION, int] = {}
        """How many attempts of a task have come out."""
        self.lost: dict[PLACE_AND_GENERATION, int] = {}
        """How many were lost, since somebody last resumed the run by hand."""
        self.made_by: dict[Place, tuple[int, int, int]] = {}
        """Whose value a task's value is: generation, attempt and token."""
        self.starts: dict[tuple[Place, int, int], int] = {}
        """The token under which an attempt of a task, in a generation, started."""
        self.started: dict[Place, int] = {}
        """The number of the batch in which the latest attempt of a task started."""
        self.decided: dict[Place, int] = {}
        """The number of the batch that says what a task decided last: a choice, a skip, the width of a map."""
        self.letters: set[str] = set()
        """What messages that were received say."""
        self.notices: dict[str, Notice] = {}
        """Every notice that ever arose."""
        self.born: dict[str, int] = {}
        """The number of the batch in which it did."""
        self._say = say
        self._hear = hear
        self._clocks_jump = clocks_jump

    def take(self, events: Sequence[Event], token: int) -> None:
        """Read a batch that was written under a token."""
        self.batches += 1
        for event in events:
            self._note(event, token)
            self.course.before(event)
            known = set(self.engine.notices)
            try:
                self.course.after(event, self.engine.handle(event))
            except InvalidEvent as error:
                self._tell(f"its journal cannot be: {error}")
            self.happened.after(event)
            for id, notice in self.engine.notices.items():
                if id not in known:
                    self._arises(id, notice)
            for line in self.audit.see(event):
                self._tell(f"after {event}: {line}")
            if not isinstance(event, PlanAdopted):
                self._check(event)

    def slot(self, place: Place) -> int | None:
        """Where a task stands in the engine; None if there is no such task now."""
        try:
            return self.engine.slot(self.engine.plan.numbers[place[0]], place[1])
        except LookupError:
            return None

    def is_running(self, place: Place, generation: int, attempt: int, token: int) -> bool:
        """Whether this attempt, started under this token, is on record as under way."""
        engine, slot = self.engine, self.slot(place)
        if slot is None:  # of a plan that a power cut made forgotten
            return False
        return (
            engine.task_state(slot) is TaskState.RUNNING
            and (engine.generation(slot), engine.attempts[slot]) == (generation, attempt)
            and self.starts.get((place, generation, attempt)) == token
        )

    def differs_from(self, engine: RunEngine) -> list[str]:
        """What another engine of this run has otherwise, though it has seen the same events."""
        mine, other = vars(self.engine), vars(engine)
        return [
            f"{name} is {other.get(name)!r}, on record {mine[name]!r}"
            for name in mine
            if name not in _NOT_STATE and mine[name] != other.get(name)
        ]

    # --- Within

    def _note(self, event: Event, token: int) -> None:
        """Keep what the engine does not, before it takes the event."""
        engine = self.engine
        if isinstance(event, AttemptStarted):
            place = self.course.place(event.task)
            self.started[place] = self.batches
            self.starts[place, engine.generation(event.task), event.attempt] = token
        elif isinstance(event, OUTCOMES):
            if engine.task_state(event.task) is TaskState.RUNNING and engine.attempts[event.task] == event.attempt:
                self._note_outcome(event, token)
                self._hear(self, event, token)
        elif isinstance(event, MessageReceived):
            letter = event.value.inline if event.value is not None else None
            if letter in self.letters:
                self._tell(f"message {letter} was taken twice")
            self.letters.add(letter or "")
        elif isinstance(event, MapExpanded):
            self.decided[self.course.place(event.task)] = self.batches
        elif isinstance(event, (CancelRequested, RunResumed, PlanAdopted)):
            self._note_taken_over(event)
            self._hear(self, event, token)
        elif isinstance(event, (RetryDue, TaskWoken)):
            due = engine.retries_due.get(event.task, 0.0)
            if event.at < due - A_MOMENT and not self._clocks_jump:
                self._tell(f"{engine.name(event.task)} is tried again {due - event.at:.3f} s too early")
        elif isinstance(event, TasksRerun):
            for slot in event.tasks:
                self.made_by.pop(self.course.place(slot), None)

    def _has_failed(self, place: Place) -> bool:
        slot = self.slot(place)
        return slot is not None and self.engine.task_state(slot) is TaskState.FAILED

    def _note_outcome(self, event: Outcomes, token: int) -> None:
        place = self.course.place(event.task)
        key = place, self.engine.generation(event.task)
        self.course.came_out(place, event)
        if not isinstance(event, AttemptCancelled):
            self.outcomes[key] = self.outcomes.get(key, 0) + 1
        if isinstance(event, AttemptLost):
            self.lost[key] = self.lost.get(key, 0) + 1
        if isinstance(event, AttemptSucceeded):
            self.made_by[place] = key[1], event.attempt, token
        if isinstance(event, AttemptSkipped) or (isinstance(event, AttemptSucceeded) and event.chosen is not None):
            self.decided[place] = self.batches

    def _note_taken_over(self, event: CancelRequested | RunResumed | PlanAdopted) -> None:
        if isinstance(event, PlanAdopted):  # what ran is stopped, and what has not ended begins afresh
            for key in [key for key in self.lost if not self._has_failed(key[0])]:
                del self.lost[key]
        elif isinstance(event, RunResumed) and event.by_hand:
            self.lost.clear()
        elif isinstance(event, RunResumed):
            for slot, state in enumerate(self.engine.states):
                if state == TaskState.RUNNING:
                    now = self.course.place(slot), self.engine.generation(slot)
                    self.lost[now] = self.lost.get(now, 0) + 1

    def _arises(self, id: str, notice: Notice) -> None:
        if id in self.notices:
            self._tell(f"two notices have the id {id}")
        self.notices[id], self.born[id] = notice, self.batches

    def _check(self, event: Event) -> None:
        try:
            check(self.engine)
        except ContradictionError as error:
            for line in error.contradictions:
                if not ("before it started at" in line and self._clocks_jump):
                    self._tell(f"after {event}: {line}")

    def _tell(self, line: str) -> None:
        self._say(f"run {self.run_id}: {line}")

"""What there is to tell of a run: read from how its tasks stand before and after each event on record, by the promise.

Transient states within one event are nothing that has happened: they are on nobody's record.
"""

from __future__ import annotations

from typing import NamedTuple

from penstock.engine.events import AttemptDeferred, AttemptStarted, Event
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState

_KINDS = {
    TaskState.SUCCESS: "task_success",
    TaskState.FAILED: "task_failed",
    TaskState.RETRYING: "task_retry",
    TaskState.SKIPPED: "task_skipped",
}
"""States of a task -> what is told when it comes to one."""
_WORDS = {"task_started": "has begun", "task_asks": "asks somebody", "task_retry": "is to be tried again"}
_OPEN = (RunState.QUEUED, RunState.RUNNING)


class Told(NamedTuple):
    """What a notice tells."""

    kind: str
    task: str | None
    generation: int
    attempt: int

    def __str__(self) -> str:
        if self.task is None:
            return f"that it is {self.kind.removeprefix('run_')}" + (f", end {self.generation}" * (self.generation > 0))
        what = _WORDS.get(self.kind, f"is {self.kind.removeprefix('task_')}")
        return f"that {self.task} {what} (generation {self.generation}, attempt {self.attempt})"


class Happenings:
    """Follows one run. It looks at the engine that reads the journal for where tasks stand, and for nothing else."""

    def __init__(self, engine: RunEngine) -> None:
        self._engine = engine
        self._stood = self._standing()
        self._state = engine.state
        self._ends = engine.ends
        self._asked: set[tuple[str, int]] = set()
        self.must: dict[Told, str] = {}
        """What whoever wants to know it must be told, and the row of the task that it is told of; "" of the run."""
        self.may: set[Told] = set()
        """What happened to a map as a whole, of which nobody need be told."""

    def after(self, event: Event) -> None:
        """Note what an event has changed."""
        engine = self._engine
        if isinstance(event, AttemptDeferred) and engine.policy(event.task).asking is not None:
            self._look_at_question(event)
        if isinstance(event, AttemptStarted):
            name, row = engine.name(event.task), self._row(event.task)
            self.must[Told("task_started", name, engine.generation(event.task), event.attempt)] = row
        self._look_at_tasks()
        self._look_at_run()

    def _look_at_question(self, event: AttemptDeferred) -> None:
        """A task waits for a decision: of that is told when it begins to, once in a generation."""
        engine, name = self._engine, self._engine.name(event.task)
        asked = name, engine.generation(event.task)
        if engine.task_state(event.task) is TaskState.DEFERRED and asked not in self._asked:
            self._asked.add(asked)
            self.must[Told("task_asks", *asked, event.attempt)] = self._row(event.task)

    def _look_at_tasks(self) -> None:
        engine, before = self._engine, self._stood
        self._stood = self._standing()
        for name, (slot, state, generation) in self._stood.items():
            if state in ENDED:
                self._asked.discard((name, generation))  # if it is set going again, so is its question
            kind = _KINDS.get(state)
            if kind is None or (name in before and before[name][1:] == (state, generation)):
                continue
            told = Told(kind, name, generation, engine.attempts[slot])
            if self._is_whole(slot):
                self.may.add(told)
            else:
                self.must.setdefault(told, self._row(slot))

    def _look_at_run(self) -> None:
        engine = self._engine
        if self._state is RunState.QUEUED and engine.state is not RunState.QUEUED:
            self.must[Told("run_started", None, 0, 0)] = ""
        if engine.state not in _OPEN and (engine.state is not self._state or engine.ends != self._ends):
            self.must[Told(f"run_{engine.state}", None, engine.ends - 1, 0)] = ""
        self._state, self._ends = engine.state, engine.ends

    def _standing(self) -> dict[str, tuple[int, TaskState, int]]:
        """Where tasks stand: slot, state and generation, by name."""
        engine = self._engine
        return {
            engine.name(slot): (slot, TaskState(state), engine.generation(slot))
            for slot, state in enumerate(engine.states)
        }

    def _is_whole(self, slot: int) -> bool:
        """Whether a slot stands for a map as a whole, of whose instances everything is told."""
        return slot in self._engine.widths or self._engine.row(slot) in self._engine.plan.expanded_by

    def _row(self, slot: int) -> str:
        return self._engine.plan.names[self._engine.row(slot)]

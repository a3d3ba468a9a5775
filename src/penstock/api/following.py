"""What becomes of one run, told as it comes: after each look, what differs from the one before."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

from penstock.api.details import task_in_run
from penstock.api.graphs import counts_of_map
from penstock.api.reading import Reading
from penstock.api.records import attempt_record, timestamp
from penstock.api.replays import Replay
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.runtime.history import ENDED
from penstock.runtime.record import Run

MOST_TASKS = 5_000
"""Of so many changed tasks at once, whoever listens is told to ask for the whole run."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run had come to when it was last looked at."""

    position: int
    plan: object
    states: bytes
    attempts: array[int]
    made: int
    """How many attempts had been made, of all tasks."""
    open: tuple[int, ...]
    """Which of them had not ended."""

    @classmethod
    def of(cls, known: Replay) -> Seen:
        """What it has come to."""
        engine, attempts = known.engine, known.attempts
        going = tuple(place for place, one in enumerate(attempts) if one.state == "running")
        return cls(known.position, engine.plan, bytes(engine.states), engine.attempts[:], len(attempts), going)


class Follower:
    """Tells what becomes of a run after a position of its journal, by default after where it is now."""

    def __init__(self, read: Reading, run_id: str, position: int | None) -> None:
        self.run_id = run_id
        self._read = read
        self._head: dict[str, Any] | None = None
        self._asks_again = False
        with read.run(run_id) as (_, known):
            if position is None or position == known.position:
                self._seen = Seen.of(known)
            elif position > known.position:
                self._seen, self._asks_again = Seen.of(known), True
            else:
                self._seen = Seen.of(Replay(read.store, read.row(run_id), upto=position))

    def look(self) -> dict[str, Any] | None:
        """What differs from the last look; None if nothing does. RunNotFound when the run has been deleted."""
        with self._read.run(self.run_id) as (run, known):
            head = _head(run)
            moved = known.position != self._seen.position
            if not moved and head == self._head and not self._asks_again:
                return None
            first, self._head = self._head is None, head
            if first and not moved and not self._asks_again and run.state in ENDED:
                return None  # else its driver may have died since it was asked for, of which the journal says nothing
            before, self._seen = self._seen, Seen.of(known) if moved else self._seen
            is_other = known.engine.plan is not before.plan and known.engine.plan != before.plan
            changed = [] if is_other else _changed(before, known.engine)
            reload = self._asks_again or is_other or len(changed) > MOST_TASKS
            self._asks_again = False
            children = {child.id for child in run.children} if changed else set()
            tasks = {task.number: task for task in run.tasks} if changed and not reload else {}
            return {
                "run": head,
                "position": known.position,
                "reload": reload,
                "tasks": [task_in_run(tasks[slot], children, None) for slot in changed if slot in tasks],
                "maps": {} if reload else _maps(known.engine, changed),
                "attempts": [] if reload else [attempt_record(one) for one in _new_attempts(before, known)],
            }


def _head(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "state": run.state,
        "started_at": timestamp(run.started_at),
        "ended_at": timestamp(run.ended_at),
        "wakes_at": timestamp(run.wakes_at),
        "duration": run.duration,
        "error": run.error,
        "counts": run.counts,
        "approvals": [approval.task for approval in run.approvals],
    }


def _changed(before: Seen, engine: RunEngine) -> list[int]:
    """The slots that are not as they were, heads of maps left out."""
    size = len(before.states)
    if before.states == engine.states and before.attempts == engine.attempts:
        return []
    pairs = zip(before.states, engine.states, before.attempts, engine.attempts, strict=False)
    changed = [slot for slot, (was, now, had, has) in enumerate(pairs) if was != now or had != has]
    changed += range(size, len(engine.states))
    return [slot for slot in changed if slot not in engine.widths and engine.states[slot] != TaskState.REMOVED]


def _maps(engine: RunEngine, changed: list[int]) -> dict[str, Any]:
    """The maps of which instances have changed: name -> how many of them are in each state."""
    rows = sorted({engine.row(slot) for slot in changed if slot >= engine.size})
    return {engine.plan.names[row]: counts_of_map(engine, row) for row in rows}


def _new_attempts(before: Seen, known: Replay) -> list[Any]:
    """The attempts that have begun or ended since."""
    ended = [known.attempts[place] for place in before.open if place < len(known.attempts)]
    return [one for one in ended if one.state != "running"] + known.attempts[before.made :]

"""How far a run is, as an observer hears it: noted in a microsecond by those who run it, and read by those who draw."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock
from time import monotonic

from penstock.engine.states import ENDED, TaskState
from penstock.observe.drawing.remarks import mapped, worst
from penstock.plan.plan import Plan


class Progress:
    """The state of each task of a run, and of the instances of its maps. `done` are names of tasks that succeeded
    before."""

    def __init__(self, plan: Plan, done: Collection[str] = ()) -> None:
        self.plan = plan
        self.states = bytearray(TaskState.SUCCESS if name in done else TaskState.PENDING for name in plan.names)
        self.running: dict[int, tuple[int, float]] = {}
        """Attempt and start of each task that runs and is no map."""
        self.maps: dict[int, bytearray] = {}
        """The states of the instances of each expanded map."""
        self.tallies: dict[int, list[int]] = {}
        """How many of them are in each state: a list with a number for each."""
        self._counting = Lock()

    def started(self, task: int, index: int, attempt: int) -> None:
        """An attempt has begun."""
        if index < 0:
            self.running[task] = attempt, monotonic()
        self.note(task, index, TaskState.RUNNING)

    def ended(self, task: int, index: int, attempt: int, state: TaskState) -> None:
        """An attempt has ended."""
        if index < 0:
            if self.running.get(task, (attempt,))[0] != attempt:
                return  # the next one has begun already
            self.running.pop(task, None)
        self.note(task, index, state)

    def expanded(self, task: int, width: int) -> None:
        """A map, or what expands a mapped group, has so many instances."""
        rows = self.plan.expanded_by.get(task, (task,))
        self.states[task] = TaskState.SUCCESS if task not in rows else TaskState.EXPANDED
        for row in rows:
            self.tallies[row] = [width if state is TaskState.PENDING else 0 for state in TaskState]
            self.maps[row] = bytearray(width)
            self.states[row] = TaskState.EXPANDED if width else TaskState.SKIPPED

    def note(self, task: int, index: int, state: TaskState) -> None:
        """A task is in a state, or an instance of a map, of which the worst is shown when all have ended."""
        if index < 0:
            self.states[task] = state
        elif index < len(self.maps.get(task, b"")):
            instances, tally = self.maps[task], self.tallies[task]
            with self._counting:
                tally[instances[index]] -= 1
                tally[state] += 1
                instances[index] = state
                is_open = any(tally[: TaskState.SUCCESS])
            self.states[task] = TaskState.EXPANDED if is_open else worst([one for one in TaskState if tally[one]])

    def counts(self) -> dict[TaskState, int]:
        """How many tasks are in each state, as people count them: of a map its instances, once it is expanded, and what
        expands a group not at all."""
        counts = {state: self.states.count(state) for state in TaskState}
        tallies = self.tallies.copy()
        for row in {*self.plan.expanded_by, *(row for row, tally in tallies.items() if any(tally))}:
            counts[TaskState(self.states[row])] -= 1
        for tally in tallies.values():
            for state in TaskState:
                counts[state] += tally[state]
        return counts

    def running_names(self) -> list[str]:
        """What runs: the tasks in the order in which they began, and maps of which an instance runs."""
        names = self.plan.names
        maps = [row for row, tally in self.tallies.copy().items() if tally[TaskState.RUNNING]]
        return [*(names[row] for row in self.running.copy()), *(mapped(names[row], True) for row in maps)]


def ended_of(counts: dict[TaskState, int]) -> int:
    """How many of the tasks that were counted have ended."""
    return sum(counts[state] for state in ENDED)

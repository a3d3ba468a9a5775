"""What a run knows of its tasks, in columns, and what it takes to set tasks going again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from penstock.engine.events import ErrorText, ValueRef
from penstock.engine.states import ENDED, NEXT_STATE, Cause, TaskState
from penstock.errors import PenstockError
from penstock.plan.graph import topological_order
from penstock.plan.plan import Plan

# Plain numbers for the inner loop: an IntEnum member costs a lookup each time it is named.
PENDING, READY, RUNNING, RETRYING = (
    int(state) for state in (TaskState.PENDING, TaskState.READY, TaskState.RUNNING, TaskState.RETRYING)
)
SUCCESS, FAILED, UPSTREAM_FAILED, CANCELLED = (
    int(state) for state in (TaskState.SUCCESS, TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)
)
_ENDED = frozenset(map(int, ENDED))
_UNSUCCESSFUL = (FAILED, UPSTREAM_FAILED, CANCELLED)

_COLUMNS = ("states", "attempts", "started", "ended")
_SPARSE = ("generations", "failures", "lost", "errors", "values", "retries_due")


class InvalidEvent(PenstockError):
    """An event that cannot happen to the run as it stands. `story` says what is known of the task."""

    def __init__(self, message: str, story: str = "") -> None:
        super().__init__(f"{message}; {story}" if story else message)
        self.story = story


class Columns:
    """The tasks of one run. A task is known by its number in the plan."""

    def __init__(self, plan: Plan) -> None:
        self.retired: dict[str, tuple[int, int]] = {}
        """Attempts and generation of tasks that had begun and that the plan has no more: their numbers go on from there
        if a plan brings them back, since what began cannot be undone by taking it out of the plan for a while."""
        self._lay_out(plan)

    def _lay_out(self, plan: Plan) -> None:
        """Columns for the tasks of a plan, all of them pending."""
        size = len(plan)
        self.plan = plan
        self.unfinished = size
        self.states = bytearray(size)
        self.missing = array("l", map(len, plan.upstreams))
        """How many upstreams of each task have not succeeded yet."""
        self.attempts = array("l", bytes(size * array("l").itemsize))
        """The number of each task's latest attempt in its generation; 0 before the first."""
        self.started = array("d", bytes(size * 8))
        self.ended = array("d", bytes(size * 8))
        # Sparse: most tasks have none of these.
        self.generations: dict[int, int] = {}
        self.failures: dict[int, int] = {}
        """Failed attempts since the task was last set going by hand."""
        self.lost: dict[int, int] = {}
        """Attempts that vanished with their worker or driver, counted apart from failures."""
        self.errors: dict[int, ErrorText] = {}
        self.values: dict[int, ValueRef] = {}
        self.retries_due: dict[int, float] = {}

    # --- What one may ask

    def task_state(self, task: int) -> TaskState:
        """Where a task stands."""
        return TaskState(self.states[task])

    def generation(self, task: int) -> int:
        """How often the task was run again by hand."""
        return self.generations.get(task, 0)

    def is_spent(self, task: int) -> bool:
        """Whether a task that may begin one attempt has begun it: only a new generation lets it begin another."""
        return self.attempts[task] > 0 and self.plan.policies[task].at_most_once

    def done(self) -> list[int]:
        """Tasks that succeeded."""
        return self._those(SUCCESS)

    def counts(self) -> dict[str, int]:
        """How many tasks are in each state, leaving out states without tasks."""
        return {state.label: count for state in TaskState if (count := self.states.count(state))}

    def story(self, task: int) -> str:
        """What is known of a task, in a line."""
        parts = [f"task '{self.plan.names[task]}' is {self.task_state(task).label}"]
        parts.append(f"attempt {self.attempts[task]}")
        if task in self.generations:
            parts.append(f"generation {self.generations[task]}")
        if task in self.failures:
            parts.append(f"{self.failures[task]} failed")
        if task in self.lost:
            parts.append(f"{self.lost[task]} lost")
        if task in self.errors:
            parts.append(f"last error {self.errors[task].type}: {self.errors[task].message}")
        return ", ".join(parts)

    def _those(self, *wanted: int) -> list[int]:
        """The tasks in these states."""
        if not any(map(self.states.count, wanted)):  # found at the speed of C, and often so
            return []
        return [task for task, state in enumerate(self.states) if state in wanted]

    # --- Moving

    def _move(self, task: int, cause: Cause) -> None:
        state = NEXT_STATE[self.states[task]][cause]
        if state < 0:
            raise InvalidEvent(f"a {self.task_state(task).label} task cannot move by {cause.name}", self.story(task))
        self.states[task] = state

    def _mark_ended(self, tasks: Iterable[int], at: float) -> None:
        for task in tasks:
            self.ended[task] = at
            self.unfinished -= 1

    def _block_downstreams(self, failed: Iterable[int]) -> list[int]:
        """What has not run and waits for the failed tasks cannot run any more, nor can what waits for that."""
        blocked = self._below(failed, PENDING)
        for task in blocked:
            self._move(task, Cause.UPSTREAM_FAILED)
        return blocked

    def _below(self, tasks: Iterable[int], *states: int) -> list[int]:
        """The tasks below these, as far as they themselves and all in between are in such a state."""
        found: set[int] = set()
        frontier = [*tasks]
        for task in frontier:
            for downstream in self.plan.downstreams[task]:
                if downstream not in found and self.states[downstream] in states:
                    found.add(downstream)
                    frontier.append(downstream)
        return sorted(found)

    # --- Setting tasks going again

    def _unsuccessful(self) -> list[int]:
        """Tasks that ended without success and may be tried again: not those that are spent, nor what these hold up."""
        unsuccessful = self._those(*_UNSUCCESSFUL)
        spent = [task for task in unsuccessful if self.is_spent(task)]
        left = {*spent, *self._below(spent, *_UNSUCCESSFUL)}
        return [task for task in unsuccessful if task not in left]

    def _reset(self, tasks: Iterable[int]) -> None:
        """Make tasks pending, without a value and with a fresh budget of retries."""
        for task in tasks:
            if self.states[task] != PENDING:
                self._move(task, Cause.RESET)
            self.values.pop(task, None)
            self.failures.pop(task, None)
            self.lost.pop(task, None)
            self.retries_due.pop(task, None)

    def _recount(self, at: float) -> None:
        """Bring all else in line after a reset: what cannot run, what must be made again, and the counts."""
        self._block_again(at)
        if dead := self._dead_inputs():
            self._reset(dead)
            self._block_again(at)
        for task, upstreams in enumerate(self.plan.upstreams):
            self.missing[task] = sum(self.states[upstream] != SUCCESS for upstream in upstreams)
        for task in self._those(READY, RETRYING):
            if self.missing[task]:
                self._move(task, Cause.RESET)
                self.retries_due.pop(task, None)
        self.unfinished = sum(state not in _ENDED for state in self.states)

    def _block_again(self, at: float) -> None:
        for task in self._block_downstreams(self._those(*_UNSUCCESSFUL)):
            self.ended[task] = at

    def _dead_inputs(self) -> list[int]:
        """Succeeded tasks whose value died with its process and is wanted by a task that will run."""
        volatile = {task for task, value in self.values.items() if value.codec == "volatile"}
        if not volatile:
            return []
        dead = []
        will_run = {task for task, state in enumerate(self.states) if state not in _ENDED}
        for task in reversed(topological_order(self.plan.upstreams)):
            if task not in volatile or self.states[task] != SUCCESS or self.is_spent(task):
                continue  # for what is spent, the consumer will say that its value is gone
            if any(
                consumer in will_run and task in self.plan.inputs[consumer] for consumer in self.plan.downstreams[task]
            ):
                dead.append(task)
                will_run.add(task)
        return dead

    def _follow(self, plan: Plan) -> None:
        """Lay out the columns for another plan, and carry every task that is in both over by its name."""
        old_plan, old = self.plan, {name: self.__dict__[name] for name in _COLUMNS + _SPARSE}
        begun = {name: (self.attempts[task], self.generation(task)) for name, task in old_plan.numbers.items()}
        self._lay_out(plan)
        for task, name in enumerate(plan.names):
            before = old_plan.numbers.get(name)
            if before is None:
                self._bring_back(task, name)
                continue
            for column in _COLUMNS:
                getattr(self, column)[task] = old[column][before]
            for column in _SPARSE:
                if before in old[column]:
                    getattr(self, column)[task] = old[column][before]
        self.retired |= {name: last for name, last in begun.items() if name not in plan.numbers and any(last)}

    def _bring_back(self, task: int, name: str) -> None:
        attempts, generation = self.retired.pop(name, (0, 0))
        self.attempts[task] = attempts
        if generation:
            self.generations[task] = generation

"""What a run knows of its tasks, in columns.

A task is known by its *slot*. The slot of a plain task is its row in the plan. A mapped task has its row's slot too,
its *head*, which stands for the map as a whole; its instances get slots after the rows, once it is known how many there
are. So a map of a million items is one row of the plan, and a few bytes an item here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from penstock.engine.events import ErrorText, MessageReceived, ValueRef
from penstock.engine.states import NEXT_STATE, Cause, TaskState
from penstock.errors import PenstockError
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy

# Plain numbers for the inner loop: an IntEnum member costs a lookup each time it is named.
PENDING, READY, RUNNING, RETRYING, DEFERRED, EXPANDED, SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED, REMOVED = (
    map(int, TaskState)
)

_INTS = ("attempts", "missing")
_TIMES = ("started", "ended")
_BYTES = ("states", "masks")
KEPT = ("attempts", *_TIMES, "states")
"""Columns that a task takes with it into another plan; what the others hold is counted anew."""
SPARSE = (
    *("generations", "failures", "lost", "errors", "values", "retries_due", "delays", "chosen", "skips", "marks"),
    *("waiting_since", "deferrals", "topics", "asked", "letters"),
)

UNMAPPED = -1
"""The index of what is no instance of a map."""


class InvalidEvent(PenstockError):
    """An event that cannot happen to the run as it stands. `story` says what is known of the task."""

    def __init__(self, message: str, story: str = "") -> None:
        super().__init__(f"{message}; {story}" if story else message)
        self.story = story


class Columns:
    """The tasks of one run, by their slots."""

    def __init__(self, plan: Plan) -> None:
        self.retired: dict[tuple[str, int], tuple[int, int]] = {}
        """Attempts and generation, by name and index, of what had begun and the plan has no more: the numbers go on
        from there if a plan brings it back, since what began cannot be undone by taking it out for a while."""
        self.mailbox: dict[str, list[MessageReceived]] = {}
        """Messages by topic that no task has waited for yet, oldest first."""
        self._lay_out(plan)

    def _lay_out(self, plan: Plan) -> None:
        """Columns for the tasks of a plan, all of them pending."""
        size = len(plan)
        self.plan = plan
        self.size = size
        """How many rows there are: slots from here on are instances."""
        self.unfinished = size
        """How many rows have not ended."""
        self.states = bytearray(size)
        self.missing = array("i", map(len, plan.upstreams))
        """How many direct upstreams of each task have not ended."""
        self.masks = bytearray(size)
        """What the others came to, as a set of Outcomes."""
        self.held = {task: len(plan.held_by(task)) for task in plan.held}
        """How many of the tasks that hold one back for another reason than its rule have not ended."""
        self.attempts = array("i", bytes(4 * size))
        """The number of each task's latest attempt in its generation; 0 before the first."""
        self.started = array("d", bytes(8 * size))
        self.ended = array("d", bytes(8 * size))
        self._lay_out_sparse()
        self._lay_out_maps()

    def _lay_out_sparse(self) -> None:
        """What most tasks have nothing of."""
        self.generations: dict[int, int] = {}
        self.failures: dict[int, int] = {}
        """Failed attempts since the task was last set going by hand."""
        self.lost: dict[int, int] = {}
        """Attempts that vanished with their worker or driver, counted apart from failures."""
        self.errors: dict[int, ErrorText] = {}
        self.values: dict[int, ValueRef] = {}
        self.retries_due: dict[int, float] = {}
        """When a task goes on that pauses, since it failed or came too early."""
        self.delays: dict[int, float] = {}
        """The pause before its next attempt that a task's last outcome asked for."""
        self.waiting_since: dict[int, float] = {}
        """When the first attempt began of a task that has come too early."""
        self.deferrals: dict[int, int] = {}
        """How often it has."""
        self.topics: dict[int, str] = {}
        """What messages deferred tasks wait for."""
        self.asked: dict[int, dict[str, float]] = {}
        """When a task first waited for a message of each topic."""
        self.letters: dict[int, dict[str, MessageReceived]] = {}
        """The messages that tasks were given in their generation, by topic."""
        self.chosen: dict[int, tuple[int, ...]] = {}
        """The rows that a branch or short circuit follows, where it does not follow all."""
        self.skips: dict[int, str] = {}
        """Why tasks skipped themselves."""
        self.marks: dict[int, str] = {}
        """Who said what became of tasks, in the place of running them, and why."""

    def _lay_out_maps(self) -> None:
        self.rows = array("i")
        """The row of each slot that is an instance."""
        self.indexes = array("i")
        self.instances: dict[int, array[int]] = {}
        """The slots of each mapped row, by index: also of instances that have been removed."""
        self.widths: dict[int, int] = {}
        self.open: dict[int, int] = {}
        """How many instances of each expanded row have not ended."""
        self.seen: dict[int, int] = {}
        """What those that have ended came to, as a set of Outcomes."""
        self.map_names: dict[int, tuple[str, ...]] = {}

    # --- Slots

    def row(self, slot: int) -> int:
        """The row of the plan that a slot belongs to."""
        return slot if slot < self.size else self.rows[slot - self.size]

    def index(self, slot: int) -> int:
        """The map index of a slot; -1 if it is no instance."""
        return UNMAPPED if slot < self.size else self.indexes[slot - self.size]

    def slot(self, row: int, index: int = UNMAPPED) -> int:
        """The slot of a row, or of one of its instances. LookupError if there is no such instance."""
        if index == UNMAPPED:
            return row
        if not 0 <= index < self.widths.get(row, 0):
            raise LookupError(f"task '{self.plan.names[row]}' has no instance {index}")
        return self.instances[row][index]

    def slots(self, row: int) -> Iterable[int]:
        """The slots of the instances of a row; of one that is not mapped, or not expanded, its own."""
        return self.instances[row][: self.widths[row]] if row in self.widths else (row,)

    def name(self, slot: int) -> str:
        """A task's name, and its index if it has one: "load", "load[3]"."""
        if slot < self.size:
            return self.plan.names[slot]
        return f"{self.plan.names[self.rows[slot - self.size]]}[{self.indexes[slot - self.size]}]"

    def policy(self, slot: int) -> TaskPolicy:
        """How the task of a slot is treated."""
        return self.plan.policies[slot if slot < self.size else self.rows[slot - self.size]]

    def is_head(self, slot: int) -> bool:
        """Whether a slot stands for a map as a whole."""
        return slot in self.plan.mapped

    # --- What one may ask

    def task_state(self, task: int) -> TaskState:
        """Where a task stands."""
        return TaskState(self.states[task])

    def generation(self, task: int) -> int:
        """How often the task was run again by hand."""
        return self.generations.get(task, 0)

    def is_spent(self, task: int) -> bool:
        """Whether a task that may begin one attempt has begun it: only a new generation lets it begin another."""
        return self.attempts[task] > 0 and self.policy(task).at_most_once and not self.is_head(task)

    def done(self) -> list[int]:
        """The rows that succeeded; of maps, those of which an instance did."""
        return sorted({self.row(slot) for slot in self._those(SUCCESS)})

    def counts(self) -> dict[str, int]:
        """How many tasks are in each state, leaving out states without tasks. A map counts as its instances."""
        expanded = [self.states[head] for head in self.widths]
        expanded += [SUCCESS for row in self.plan.expanded_by if self.states[row] == SUCCESS]
        counts = ((state, self.states.count(state) - expanded.count(state)) for state in TaskState)
        return {state.label: count for state, count in counts if count}

    def story(self, task: int) -> str:
        """What is known of a task, in a line."""
        parts = [f"task '{self.name(task)}' is {self.task_state(task).label}"]
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
        """The slots in these states."""
        if not any(map(self.states.count, wanted)):  # found at the speed of C, and often so
            return []
        return [task for task, state in enumerate(self.states) if state in wanted]

    # --- Changing

    def _move(self, task: int, cause: Cause) -> None:
        state = NEXT_STATE[self.states[task]][cause]
        if state < 0:
            raise InvalidEvent(f"a {self.task_state(task).label} task cannot move by {cause.name}", self.story(task))
        self.states[task] = state

    def _pause_no_more(self, slot: int) -> None:
        """A task that waits for its next attempt, if it does, is not to have it."""
        self.retries_due.pop(slot, None)
        self.topics.pop(slot, None)

    def _make_slots(self, row: int, width: int) -> None:
        """See that a row has at least as many instances: those that it had before keep their slots."""
        before = self.instances.setdefault(row, array("i"))
        more = range(len(before), width)
        first = len(self.states)
        before.extend(range(first, first + len(more)))
        self.rows.extend(array("i", [row]) * len(more))
        self.indexes.extend(more)
        for name in _BYTES:
            getattr(self, name).extend(bytes(len(more)))
        for name in _INTS:
            getattr(self, name).frombytes(bytes(4 * len(more)))
        for name in _TIMES:
            getattr(self, name).frombytes(bytes(8 * len(more)))
        for index in more if self.retired else ():
            self._bring_back(before[index], (self.plan.names[row], index))

    def _follow(self, plan: Plan) -> None:
        """Lay out the columns for another plan, and carry every task that is in both over by its name and index."""
        old_plan, columns = self.plan, {name: self.__dict__[name] for name in KEPT + SPARSE}
        old_slots = {(self.plan.names[self.row(slot)], self.index(slot)): slot for slot in range(len(self.states))}
        begun = {key: (self.attempts[slot], self.generation(slot)) for key, slot in old_slots.items()}
        self.retired |= {key: last for key, last in begun.items() if any(last)}
        old_slots = {key: slot for key, slot in old_slots.items() if self.states[slot] != REMOVED}
        widths = {old_plan.names[row]: width for row, width in self.widths.items()}
        names = {old_plan.names[row]: texts for row, texts in self.map_names.items()}
        chosen = {slot: [old_plan.names[row] for row in rows] for slot, rows in self.chosen.items()}
        self._lay_out(plan)
        for row, width in self._widths_after(widths):
            self._make_slots(row, width)
            self.widths[row] = width
            self.map_names[row] = names.get(plan.names[row], ())
        for slot in range(len(self.states)):
            key = plan.names[self.row(slot)], self.index(slot)
            if slot < self.size:
                self._bring_back(slot, key)
            if key in old_slots and self._is_alike(slot, old_plan, old_slots[key]):
                self._carry(slot, old_slots[key], columns)
        self.chosen = {
            slot: tuple(sorted(plan.numbers[name] for name in chosen[old] if name in plan.numbers))
            for slot, old in (
                (slot, old_slots.get((plan.names[self.row(slot)], self.index(slot)))) for slot in self.chosen
            )
            if old is not None
        }

    def _widths_after(self, before: dict[str, int]) -> list[tuple[int, int]]:
        """How many instances each mapped row has that had some under the plan before, or is in a group with such: in a
        mapped group all have as many."""
        plan = self.plan
        widths = {row: before.get(plan.names[row], 0) for row in plan.mapped}
        for inside in plan.expanded_by.values():
            widths |= dict.fromkeys(inside, max((widths[row] for row in inside), default=0))
        return [(row, width) for row, width in sorted(widths.items()) if width]

    def _is_alike(self, row: int, old_plan: Plan, old: int) -> bool:
        """Whether a task is mapped in both plans, or in neither, as an instance is: what it was cannot else be taken
        over."""
        before = old in old_plan.mapped, old_plan.maps.get(old) == "group"
        return before == (row in self.plan.mapped, self.plan.maps.get(row) == "group")

    def _carry(self, slot: int, old: int, columns: dict[str, Any]) -> None:
        for name in KEPT:
            getattr(self, name)[slot] = columns[name][old]
        for name in SPARSE:
            if old in columns[name]:
                getattr(self, name)[slot] = columns[name][old]

    def _bring_back(self, slot: int, key: tuple[str, int]) -> None:
        attempts, generation = self.retired.pop(key, (0, 0))
        self.attempts[slot] = attempts
        if generation:
            self.generations[slot] = generation

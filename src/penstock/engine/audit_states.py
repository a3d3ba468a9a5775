"""What has become of the tasks of a run, read independently of the engine; the ground that `Audit` stands on.

A task is known by its slot, as in events: its row in the plan, or, of an instance of a map, a number beyond the rows.
The row of a mapped task is the head of its instances.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy

# Plain numbers for the inner loop. A task that is ready counts as pending: whether it may start is seen when it does.
PENDING, _, RUNNING, RETRYING, DEFERRED, EXPANDED, SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED, REMOVED = map(
    int, TaskState
)
PAUSING = (RETRYING, DEFERRED)
OPEN = (PENDING, RUNNING, *PAUSING, EXPANDED)
WAITING = (PENDING, *PAUSING)
WORST = (FAILED, UPSTREAM_FAILED, CANCELLED, SUCCESS, SKIPPED)
"""What a map as a whole has come to: the first of these that occurs among its instances."""


class AuditStates:
    """Where each task of a plan stands, and what of its past still matters."""

    def __init__(self, plan: Plan) -> None:
        self.retired: dict[tuple[str, int], tuple[int, int]] = {}
        """Latest attempt and generation of each task under the plans before: it goes on from there."""
        self.lay_out(plan)

    def lay_out(self, plan: Plan) -> None:
        """Begin with a plan, all of whose tasks are pending."""
        self.plan = plan
        self.size = len(plan)
        self.states = bytearray(self.size)
        self.open = self.size
        """How many rows have not ended."""
        self.rows = list(range(self.size))
        """The row of each slot."""
        self.places = [-1] * self.size
        """The map index of each slot; -1 of what is no instance."""
        self.instances: dict[int, list[int]] = {}
        """The slots of each row that was ever expanded, by index."""
        self.widths: dict[int, int] = {}
        """How many of these there are now; others have been removed."""
        self.last = [0] * self.size
        """The latest attempt of each task in its generation."""
        self.generations = [0] * self.size
        self.failures: dict[int, int] = {}
        self.lost: dict[int, int] = {}
        self.waiting_since: dict[int, float] = {}
        """When the first attempt began of a task that has come too early."""
        self.topics: dict[int, str] = {}
        """What messages tasks wait for."""
        self.asked: dict[tuple[int, str], float] = {}
        """When a task first waited for a message of a topic."""
        self.volatile: set[int] = set()
        """Tasks whose value lives, or lived, in the process of a driver."""
        self.chosen: dict[int, tuple[int, ...]] = {}
        """The rows that a branch or short circuit follows, where it does not follow all."""
        self.idle: set[int] = set()
        """Tasks that said themselves that there was nothing to do."""
        self._map_around = {row: group.expansion for group in plan.groups if group.expansion >= 0 for row in group.rows}
        """The rows of mapped groups -> the row that expands their group."""

    # --- Slots

    def policy(self, slot: int) -> TaskPolicy:
        """How the task of a slot is to be treated."""
        return self.plan.policies[self.rows[slot]]

    def name(self, slot: int) -> str:
        """A task's name, and its index if it has one."""
        name = self.plan.names[self.rows[slot]]
        return name if self.places[slot] < 0 else f"{name}[{self.places[slot]}]"

    def key(self, slot: int) -> tuple[str, int]:
        """What a task is known by in all plans."""
        return self.plan.names[self.rows[slot]], self.places[slot]

    def slots(self, row: int) -> Sequence[int]:
        """The slots of a row's instances; its own, if it has none."""
        return self.instances[row][: self.widths[row]] if row in self.widths else (row,)

    def is_whole(self, slot: int) -> bool:
        """Whether a slot stands for a map that has instances."""
        return slot in self.widths

    def is_mapped_itself(self, row: int) -> bool:
        """Whether a row is a task that is mapped, and not one in a mapped group."""
        return self.plan.maps.get(row) == "task"

    def expansion_of(self, slot: int) -> int:
        """The row that expands the mapped group around a task; -1 if there is none."""
        return self._map_around.get(self.rows[slot], -1)

    def kind(self, slot: int) -> tuple[bool, bool]:
        """What kind of thing a slot is: what may be one in two plans."""
        row = self.rows[slot]
        is_mapped = self.places[slot] < 0 and (self.is_mapped_itself(row) or self.expansion_of(slot) >= 0)
        return is_mapped, self.plan.maps.get(row) == "group"

    def are_together(self, row: int, other: int) -> bool:
        """Whether two rows are in one mapped group."""
        around = self._map_around.get(row)
        return around is not None and around == self._map_around.get(other)

    def beside(self, slot: int, row: int) -> int:
        """The slot of another row, as it concerns this one: of the same index, if one mapped group is around both."""
        place = self.places[slot]
        if 0 <= place < self.widths.get(row, 0) and self.are_together(self.rows[slot], row):
            return self.instances[row][place]
        return row

    def widen(self, row: int, width: int) -> None:
        """See that a row has so many instances: those there were keep their slots, new ones come after all others."""
        slots = self.instances.setdefault(row, [])
        for place in range(len(slots), width):
            slots.append(len(self.states))
            self.states.append(PENDING)
            self.rows.append(row)
            self.places.append(place)
            last, generation = self.retired.get((self.plan.names[row], place), (0, 0))
            self.last.append(last)
            self.generations.append(generation)
        self.widths[row] = width

    # --- States

    def put(self, slot: int, state: int) -> None:
        """Say where a task stands now."""
        before = self.states[slot]
        if slot < self.size:
            self.open += (state in OPEN) - (before in OPEN)
        if before == DEFERRED:
            self.topics.pop(slot, None)
        self.states[slot] = state

    def has_ended(self, slot: int) -> bool:
        """Whether nothing more comes of a task by itself."""
        return self.states[slot] >= SUCCESS

    def those(self, *wanted: int) -> list[int]:
        """The tasks in these states."""
        return [slot for slot, state in enumerate(self.states) if state in wanted]

    # --- What of its past still matters

    def is_once(self, slot: int) -> bool:
        """Whether a task may start once in a generation."""
        return self.policy(slot).at_most_once

    def is_spent(self, slot: int) -> bool:
        """Whether a task that may start once has."""
        return self.last[slot] > 0 and self.is_once(slot) and not self.kind(slot)[0]

    def begin_generation(self, slots: Iterable[int]) -> None:
        """From here on it is other work than before, with a first attempt of its own."""
        for slot in slots:
            self.generations[slot] += 1
            self.last[slot] = 0

    def clear(self, slot: int) -> None:
        """A task waits, with a fresh budget and nothing decided."""
        self.put(slot, PENDING)
        self.failures.pop(slot, None)
        self.lost.pop(slot, None)
        self.waiting_since.pop(slot, None)
        for key in [key for key in self.asked if key[0] == slot]:
            del self.asked[key]
        self.chosen.pop(slot, None)
        self.idle.discard(slot)

"""Which tasks of a run are to run again, or to be marked, as a user says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.plan.fingerprint import same_work
from penstock.plan.plan import Plan
from penstock.policy import TriggerRule

WHOLE = -1
"""The index of a task that is not mapped, and of a map as a whole."""
Place = tuple[int, int]
"""A row of the plan, and the index of an instance."""
_FAILED = (TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Choice:
    """`only` these tasks, those `from_` which on all follows, those that `failed` with what they held up, and those in
    one of the states of `where`. A name is that of a task, of an instance of a map, "load[3]", or of a group."""

    only: Sequence[str] = ()
    from_: Sequence[str] = ()
    failed: bool = False
    where: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.only or self.from_ or self.failed or self.where)


def choose_again(engine: RunEngine, plan: Plan, choice: Choice) -> tuple[int, ...]:
    """The tasks to run again, ascending, as slots of the run once it follows `plan`, which may be a newer one than it
    has followed so far. What needs a setup that has been torn down gets it again, and is torn down again.

    PenstockError for an unknown name, an empty choice, or a task that would have to run without its inputs."""
    if not choice:
        raise PenstockError("say what to run again: only certain tasks, from certain tasks on, or what failed")
    tasks = _Tasks(engine, plan)
    chosen = {place for name in choice.only for place in tasks.named(name)}
    chosen |= tasks.below(place for name in choice.from_ for place in tasks.named(name))
    states = {*(_FAILED if choice.failed else ()), *map(_state_called, choice.where)}
    chosen |= {place for place in tasks.places() if tasks.state(place) in states}
    if not chosen:
        what = "failed task" if choice.failed else f"task that is {' or '.join(choice.where)}"
        raise PenstockError(f"run {engine.run_id} has no {what}: there is nothing to run again")
    chosen |= tasks.around(chosen)
    tasks.check_upstreams(chosen)
    return tuple(sorted(tasks.slots[place] for place in chosen))


def places_of(engine: RunEngine, plan: Plan) -> Mapping[int, Place]:
    """The row and index of each slot of a run once it follows a plan."""
    return {slot: place for place, slot in _Tasks(engine, plan).slots.items()}


def choose_named(engine: RunEngine, names: Sequence[str]) -> tuple[int, ...]:
    """The slots of tasks by their names. PenstockError for one that does not exist."""
    tasks = _Tasks(engine, engine.plan)
    chosen = {place for name in names for place in tasks.named(name)}
    return tuple(sorted(tasks.slots[place] for place in chosen if not tasks.stands_for_others(place)))


def slots_below(engine: RunEngine, slots: Iterable[int]) -> list[int]:
    """The slots of all that comes after tasks, ascending, these included."""
    tasks = _Tasks(engine, engine.plan)
    below = tasks.below((engine.row(slot), engine.index(slot)) for slot in slots)
    return sorted(tasks.slots[place] for place in below)


def _state_called(name: str) -> TaskState:
    for state in TaskState:
        if state.label == name:
            return state
    near = get_close_matches(name, [state.label for state in TaskState], 1)
    raise PenstockError(f"there is no state '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))


class _Tasks:
    """The tasks of a run under a plan."""

    def __init__(self, engine: RunEngine, plan: Plan) -> None:
        self._engine = engine
        self._plan = plan
        self._numbers = plan.numbers
        names = engine.plan.names
        self._widths = {
            self._numbers[names[row]]: width
            for row, width in engine.widths.items()
            if self._numbers.get(names[row]) in plan.mapped
        }
        self.slots: Mapping[Place, int] = self._laid_out()

    def _laid_out(self) -> dict[Place, int]:
        """The slot of each place: that of the run as it is, or as a new plan will lay it out."""
        engine, plan = self._engine, self._plan
        slots = {(row, WHOLE): row for row in range(len(plan))}
        stays = same_work(engine.plan, plan)
        following = len(plan)
        for row in range(len(plan)):
            for index in range(self._widths.get(row, 0)):
                slots[row, index] = engine.slot(row, index) if stays else following
                following += 1
        return slots

    def places(self) -> Iterable[Place]:
        """All tasks, maps by their instances."""
        return (place for place in self.slots if not self.stands_for_others(place))

    def stands_for_others(self, place: Place) -> bool:
        """Whether a place is that of a map as a whole, whose instances are known."""
        return place[1] == WHOLE and place[0] in self._widths

    def state(self, place: Place) -> TaskState:
        """Where a task stands in the run so far."""
        row, index = self._engine.plan.numbers.get(self._plan.names[place[0]]), place[1]
        if row is None or index >= self._engine.widths.get(row, 0):
            return TaskState.PENDING
        return self._engine.task_state(self._engine.slot(row, index))

    # --- Names

    def named(self, name: str) -> list[Place]:
        """What a name stands for."""
        if name in self._numbers and self._plan.maps.get(self._numbers[name]) != "group":
            return self._all_of(self._numbers[name])
        for group in self._plan.groups:
            if group.name == name:
                rows = [*group.rows, *([group.expansion] if group.expansion >= 0 else [])]
                return [place for row in sorted(rows) for place in self._all_of(row)]
        task, bracket, index = name.removesuffix("]").rpartition("[")
        place = self._numbers.get(task, -1), int(index) if bracket and index.isdecimal() else WHOLE
        if place[1] != WHOLE and place in self.slots:
            return [place]
        near = get_close_matches(name, [*self._numbers, *(group.name for group in self._plan.groups)], 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise PenstockError(f"workflow '{self._plan.workflow}' has no task '{name}'{hint}")

    def _all_of(self, row: int) -> list[Place]:
        """A task, and of a map everything: its instances, and unless a group's expansion does so, its width again."""
        instances = [(row, index) for index in range(self._widths.get(row, 0))]
        expansion = self._plan.mapped.get(row, row)
        return instances if instances and expansion != row else [(row, WHOLE), *instances]

    # --- What belongs to it

    def below(self, places: Iterable[Place]) -> set[Place]:
        """These, and all that follows."""
        frontier = [*places]
        found = {*frontier}
        for above in frontier:
            for down in (*self._plan.downstreams[above[0]], *self._plan.followers.get(above[0], ())):
                for place in self._seen_from(above, down):
                    if place not in found:
                        found.add(place)
                        frontier.append(place)
        return found

    def around(self, chosen: Iterable[Place]) -> set[Place]:
        """The setups and teardowns in whose scope something runs again."""
        plan, found = self._plan, {*chosen}
        before = -1
        while len(found) > before:
            before = len(found)
            for teardown, setups in plan.setups.items():
                scope = {*plan.upstreams[teardown], *plan.waits.get(teardown, ())}
                for row, index in [place for place in found if place[0] in scope]:
                    together = index != WHOLE and plan.are_together(row, teardown)
                    for task in (teardown, *setups):
                        beside = together and plan.are_together(row, task)
                        found.update([(task, index)] if beside else self._all_of(task))
        return found

    def check_upstreams(self, chosen: set[Place]) -> None:
        """PenstockError if a task is to run whose upstreams have not succeeded, and must."""
        plan = self._plan
        for row, index in sorted(chosen):
            if plan.policies[row].trigger_rule is not TriggerRule.ALL_SUCCESS or self.stands_for_others((row, index)):
                continue
            for upstream in plan.upstreams[row]:
                for place in self._seen_from((row, index), upstream):
                    state = self.state(place)
                    if place not in chosen and state is not TaskState.SUCCESS and not self.stands_for_others(place):
                        raise PenstockError(
                            f"task '{plan.names[row]}' cannot run again alone: it depends on "
                            f"'{plan.names[upstream]}', which is {state.label}; run again from there"
                        )

    def _seen_from(self, place: Place, row: int) -> list[Place]:
        """What a row is to a task: the instance beside it, if both are in one mapped group, else all of it."""
        task, index = place
        return [(row, index)] if index != WHOLE and self._plan.are_together(task, row) else self._all_of(row)

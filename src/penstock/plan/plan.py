"""The plan: what a run follows. Dense columns, one row a task, known by its number.

A plan holds no functions and no values, only what is needed to decide: it can be stored, sent and compared. The bodies
of its tasks stay with whoever compiled it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from penstock.plan.graph import topological_order
from penstock.policy import RunStateRule, TaskPolicy, TriggerRule

Some: TypeAlias = Mapping[int, tuple[int, ...]]
"""Rows -> other rows, ascending, for the few tasks that have any."""
MapKind: TypeAlias = Literal["task", "group"]


@dataclass(frozen=True)
class Group:
    """A group of tasks, as far as it matters how they run."""

    name: str
    """With the names of the groups around it: "outer.inner"."""
    parent: int
    """The group around it; -1 if there is none."""
    rows: tuple[int, ...]
    """The tasks in it and in the groups in it, ascending; without the row that expands it."""
    expansion: int = -1
    """The row that expands it, if it is mapped."""
    policy: TaskPolicy | None = None
    """How it is tried again as a unit, if it is."""


@dataclass(frozen=True)
class Plan:
    """A checked workflow. All columns have one entry a task, in the order in which the tasks were defined."""

    workflow: str
    names: tuple[str, ...]
    upstreams: tuple[tuple[int, ...], ...]
    """Tasks whose outcome its rule looks at: its direct upstreams; each once, ascending."""
    inputs: tuple[tuple[int, ...], ...]
    """Those of the upstreams whose values the task takes."""
    policies: tuple[TaskPolicy, ...]
    functions: tuple[str, ...]
    """What each task calls, as "module:qualname"."""
    digests: tuple[str, ...]
    """A digest of each function's code; "" where it has none that can be read."""
    wiring: tuple[str, ...]
    """The arguments of each task as text: two tasks with one text are called alike."""
    numbered: frozenset[int]
    """Tasks whose names were made by counting calls."""
    places: tuple[str, ...]
    """ "file:line" of each task."""
    timeout: float | None = None
    """How long a run may take, in seconds."""
    tags: tuple[str, ...] = ()
    build: str = "{}"
    """The build parameters' values, as text."""
    selection: str = ""
    """Which part of its workflow this is, as the text of a Selection; "" for all of it."""
    notices: tuple[str, ...] = ()
    """What the workflow has a callback for, of RUN_NOTICES."""
    deciders: Some = field(default_factory=dict)
    """Branches and short circuits that may skip each task, whatever its rule."""
    guards: Some = field(default_factory=dict)
    """What must have succeeded whatever a task's rule: setups further up, what a map takes its width from, the row that
    expands the group around it."""
    waits: Some = field(default_factory=dict)
    """What else must have ended before a task starts, whatever came of it: the scope of a teardown, and what an early
    rule takes values from."""
    setups: Some = field(default_factory=dict)
    """The setups of each teardown, among its direct upstreams."""
    groups: tuple[Group, ...] = ()
    """In the order of definition, each after the one around it."""
    maps: Mapping[int, MapKind] = field(default_factory=dict)
    """Rows that are as many as what they are mapped over: a task, or the tasks of a group, which such a row expands."""
    fail_fast: bool = False
    """Whether the first failure that counts ends the run."""
    run_state: RunStateRule = "any"
    max_active_tasks: int | None = None
    """How many tasks of a run may be under way at once."""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Name -> number."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def downstreams(self) -> tuple[tuple[int, ...], ...]:
        """Tasks that wait for each task; ascending."""
        downstreams: list[tuple[int, ...] | list[int]] = [()] * len(self)
        for number, upstreams in enumerate(self.upstreams):
            alone = (number,)
            for upstream in upstreams:
                others = downstreams[upstream]
                if isinstance(others, list):
                    others.append(number)
                else:  # a list only where there are several: most have none or one
                    downstreams[upstream] = [*others, number] if others else alone
        return tuple(map(tuple, downstreams))

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The tasks in an order in which each comes after all that it waits for."""
        return tuple(topological_order(self.all_upstreams))

    @cached_property
    def ranks(self) -> tuple[int, ...]:
        """The place of each task in that order."""
        ranks = [0] * len(self.names)
        for rank, task in enumerate(self.order):
            ranks[task] = rank
        return tuple(ranks)

    @cached_property
    def held(self) -> tuple[int, ...]:
        """The tasks for which not only their rule counts, ascending."""
        return tuple(sorted({*self.deciders, *self.guards, *self.waits}))

    @cached_property
    def held_set(self) -> frozenset[int]:
        """The same, to be asked for one."""
        return frozenset(self.held)

    @cached_property
    def rules(self) -> bytes:
        """The rule of each task, as its place among the rules."""
        numbers = {rule: number for number, rule in enumerate(TriggerRule)}
        return bytes(numbers[policy.trigger_rule] for policy in self.policies)

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The tasks without a downstream that is not a teardown; of teardowns, those whose failure fails the run."""
        return tuple(
            task
            for task, policy in enumerate(self.policies)
            if (policy.on_failure_fail_run if policy.teardown else self._is_last(task))
            and self.maps.get(task) != "group"  # the tasks in the group come after it
        )

    def _is_last(self, task: int) -> bool:
        return all(self.policies[down].teardown for down in self.downstreams[task])

    @cached_property
    def mapped(self) -> Mapping[int, int]:
        """The rows that have instances, by themselves or with the group around them -> the row that expands them."""
        mapped = dict.fromkeys(self.maps, 0) | {row: row for row, kind in self.maps.items() if kind == "task"}
        for group in self.groups:
            if group.expansion >= 0:
                mapped |= dict.fromkeys(group.rows, group.expansion)
        return {row: expansion for row, expansion in mapped.items() if self.maps.get(row) != "group"}

    def are_together(self, task: int, other: int) -> bool:
        """Whether two tasks are in one mapped group, so that each instance of one has one of the other beside it."""
        expansion = self.mapped.get(task)
        return expansion is not None and expansion == self.mapped.get(other) and expansion != task

    @cached_property
    def units(self) -> Mapping[int, tuple[tuple[int, bool], ...]]:
        """The groups around each task that are tried again as a unit, the innermost first, and of each whether every
        index of a map is a unit of its own."""
        units: dict[int, tuple[tuple[int, bool], ...]] = {}
        for number, group in enumerate(self.groups):  # those around others come first
            if group.policy is not None:
                for row in group.rows:
                    units[row] = ((number, self.is_indexed(number)), *units.get(row, ()))
        return units

    def is_indexed(self, group: int) -> bool:
        """Whether a group is mapped, or in one that is."""
        while group >= 0:
            if self.groups[group].expansion >= 0:
                return True
            group = self.groups[group].parent
        return False

    def is_in_indexed_unit(self, task: int) -> bool:
        """Whether a task is tried again with others of its own index."""
        return any(is_indexed for _, is_indexed in self.units.get(task, ()))

    @cached_property
    def barriers(self) -> Mapping[int, Mapping[int, int]]:
        """Of tasks in such groups: those below that are outside, and see nothing of it before this group is settled,
        the outermost that they are not in."""
        barriers: dict[int, dict[int, int]] = {}
        for task, units in self.units.items():
            below = {*self.downstreams[task], *self.followers.get(task, ())}
            for group, _ in units:  # the innermost first, so that the outermost counts
                outside = below.difference(self.groups[group].rows)
                barriers.setdefault(task, {}).update(dict.fromkeys(sorted(outside), group))
        return barriers

    @cached_property
    def expanded_by(self) -> Some:
        """The tasks of the mapped group that each row expands."""
        return {group.expansion: group.rows for group in self.groups if group.expansion >= 0}

    @cached_property
    def all_upstreams(self) -> tuple[tuple[int, ...], ...]:
        """All that each task has to do with, whatever the way: upstreams, deciders, guards and what it waits for."""
        if not self.held:
            return self.upstreams
        above = [*self.upstreams]
        for task in self.held:
            above[task] = tuple(sorted({*above[task], *self.held_by(task)}))
        return tuple(above)

    @cached_property
    def followers(self) -> Some:
        """The tasks of which each task is a decider or guard, or for which they otherwise wait; ascending."""
        followers: dict[int, list[int]] = {}
        for task in self.held:
            for above in self.held_by(task):
                followers.setdefault(above, []).append(task)
        return {above: tuple(tasks) for above, tasks in followers.items()}

    def held_by(self, task: int) -> tuple[int, ...]:
        """What must have ended before the task's rule is asked, ascending."""
        return tuple(sorted({*self.deciders.get(task, ()), *self.guards.get(task, ()), *self.waits.get(task, ())}))

    @cached_property
    def consumers(self) -> tuple[int, ...]:
        """How many tasks take each task's value."""
        counts = [0] * len(self.names)
        for inputs in self.inputs:
            for number in inputs:
                counts[number] += 1
        return tuple(counts)

    @cached_property
    def told_of_tasks(self) -> frozenset[str]:
        """What any task has a callback for, of TASK_NOTICES."""
        return frozenset().union(*(policy.notices for policy in self.distinct_policies.values()))

    @cached_property
    def distinct_policies(self) -> dict[int, TaskPolicy]:
        """The objects among the policies, by their ids, in the order of the first rows that have them."""
        return {id(policy): policy for policy in self.policies}

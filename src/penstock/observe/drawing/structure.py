"""The groups of a plan as boxes in boxes, and the edges between what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.plan.plan import Plan


def innermost_groups(plan: Plan) -> list[int]:
    """The innermost group around each row, -1 where there is none; the row that expands a group is outside of it."""
    around = [-1] * len(plan)
    for number, group in enumerate(plan.groups):  # those around others come first
        for row in group.rows:
            around[row] = number
    return around


class Tree:
    """What is directly in each group of a plan, and, as -1, in none."""

    def __init__(self, plan: Plan) -> None:
        self.expanded = expanded_groups(plan)
        self.tasks: dict[int, list[int]] = {}
        """Without the rows that expand groups: the group's box stands for those."""
        self.groups: dict[int, list[int]] = {}
        """Without empty ones."""
        for task, group in enumerate(innermost_groups(plan)):
            if task not in self.expanded:
                self.tasks.setdefault(group, []).append(task)
        for number, inner in enumerate(plan.groups):
            if inner.rows or inner.expansion >= 0:
                self.groups.setdefault(inner.parent, []).append(number)


def expanded_groups(plan: Plan) -> dict[int, int]:
    """The group that each row expands."""
    return {group.expansion: number for number, group in enumerate(plan.groups) if group.expansion >= 0}


def short_name(plan: Plan, task: int, group: int) -> str:
    """A task's name within the box of its group, which says the rest."""
    return plan.names[task].removeprefix(f"{plan.groups[group].name}.") if group >= 0 else plan.names[task]


def short_group_name(plan: Plan, group: int) -> str:
    """A group's name within the box of the group around it."""
    parent = plan.groups[group].parent
    name = plan.groups[group].name
    return name.removeprefix(f"{plan.groups[parent].name}.") if parent >= 0 else name


def edges(plan: Plan) -> Iterator[tuple[int, int]]:
    """The edges to draw, source first, in the order of their targets. What a mapped group is over leads to the group,
    and not once more to each task in it that takes it."""
    over: dict[int, set[int]] = {}
    for group in plan.groups:
        if group.expansion >= 0:
            for row in group.rows:
                over.setdefault(row, set()).update(plan.upstreams[group.expansion])
    for task, upstreams in enumerate(plan.upstreams):
        known = over.get(task, ())
        for upstream in upstreams:
            if upstream not in known:
                yield upstream, task


def is_scope(plan: Plan, source: int, target: int) -> bool:
    """Whether an edge is that from a setup to its teardown."""
    return source in plan.setups.get(target, ())


def steps_above(plan: Plan) -> Sequence[Sequence[int]]:
    """What comes before each task, the row that expands the group around it included."""
    if not plan.expanded_by:
        return plan.upstreams
    above = [*plan.upstreams]
    for expansion, rows in plan.expanded_by.items():
        for row in rows:
            above[row] = (*above[row], expansion)
    return above

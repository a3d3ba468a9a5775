"""The groups of a workflow in its plan, and the edges that lead to and from them and the blocks of teardowns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.definition.group import GroupExpansion, TaskGroup, groups_around, mapped_group
from penstock.definition.scope import Scope
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import CycleError, DefinitionError
from penstock.plan.lookup import Lookup, titled
from penstock.plan.plan import Group
from penstock.plan.regions import Region, Regions
from penstock.policy import TaskPolicy


class Groups:
    """What the groups and blocks of a workflow come to."""

    def __init__(self, workflow: Workflow, lookup: Lookup, problems: list[DefinitionError]) -> None:
        self.workflow = workflow
        self.lookup = lookup
        self.problems = problems
        numbers = lookup.group_numbers
        self.members: list[list[int]] = [[] for _ in workflow.groups]
        """The tasks in each group, those of inner groups too."""
        self.expansions: dict[int, int] = {}
        """Mapped groups -> the rows that expand them."""
        self.map_of: dict[int, int] = {}
        """Tasks in mapped groups -> which groups these are."""
        for row, task in enumerate(lookup.tasks) if workflow.groups else ():
            if isinstance(task, GroupExpansion):
                self.expansions[numbers[id(task.expands)]] = row
            if task.group is not None:
                self._place(row, task)

    def _place(self, row: int, task: Task) -> None:
        numbers = self.lookup.group_numbers
        for group in groups_around(task):
            if id(group) in numbers:  # and not one of another workflow, to which the task was added as well
                self.members[numbers[id(group)]].append(row)
        mapped = mapped_group(task)
        if mapped is not None and id(mapped) in numbers:
            self.map_of[row] = numbers[id(mapped)]

    def columns(self, policy: Callable[[TaskGroup], TaskPolicy | None]) -> tuple[Group, ...]:
        """The groups as the plan has them."""
        return tuple(
            Group(
                name=group.name,
                parent=-1 if group.parent is None else self.lookup.group_numbers[id(group.parent)],
                rows=tuple(self.members[number]),
                expansion=self.expansions.get(number, -1),
                policy=policy(group),
            )
            for number, group in enumerate(self.workflow.groups)
        )

    def resolve(
        self,
        upstreams: Sequence[tuple[int, ...]],
        waiting: Mapping[int, Sequence[int]],
        policies: Sequence[TaskPolicy],
    ) -> list[tuple[int, ...]]:
        """The upstreams of each task, where some wait for groups."""
        places = {id(block): place for place, block in enumerate(self.workflow.blocks)}
        of_group = [places[id(group)] for group in self.workflow.groups]
        regions = Regions(
            regions=[self._region(block, of_group) for block in self.workflow.blocks],
            upstreams=upstreams,
            waiting={row: [of_group[group] for group in groups] for row, groups in waiting.items()},
            teardowns=frozenset(row for row, policy in enumerate(policies) if policy.teardown),
            setups=frozenset(row for row, policy in enumerate(policies) if policy.setup),
            map_of={row: of_group[group] for row, group in self.map_of.items()},
            expansions=frozenset(self.expansions.values()),
        )
        for circle in regions.circles():
            names = [getattr(self.workflow.blocks[place], "name", "") for place in circle]
            where = getattr(self.workflow.blocks[circle[0]], "where", None)
            self.problems.append(CycleError(names, where=where))
        return regions.resolve()

    def _region(self, block: TaskGroup | Scope, of_group: Sequence[int]) -> Region:
        numbers = self.lookup.group_numbers
        if isinstance(block, Scope):
            return self._block(block, of_group)
        number = numbers[id(block)]
        rows = self.lookup.rows(block, self.lookup.dependencies(block))
        groups = self.lookup.groups_found
        inside = set(self.members[number]) if rows else ()
        for row in rows:
            if row in inside:
                message = f"{titled(block)} depends on {titled(self.lookup.tasks[row])}, which is in it: "
                message += "put it in order with the tasks in the group"
                self.problems.append(DefinitionError(message, where=block.where))
        mapped = block if block.expand is not None else mapped_group(block)
        return Region(
            rows=self.members[number],
            after_rows=[row for row in rows if row not in inside],
            after_regions=[of_group[group] for group in groups],
            expansion=self.expansions.get(number, -1),
            parent=-1 if block.parent is None else of_group[numbers[id(block.parent)]],
            parent_map=-1 if mapped is None else of_group[numbers[id(mapped)]],
        )

    def _block(self, scope: Scope, of_group: Sequence[int]) -> Region:
        group = scope.group
        mapped = None if group is None else group if group.expand is not None else mapped_group(group)
        rows = [self._row(task) for task in scope.tasks]
        return Region(
            rows=[row for row in rows if row >= 0],
            teardown=self._row(scope.teardown),
            parent_map=-1 if mapped is None else of_group[self.lookup.group_numbers[id(mapped)]],
        )

    def _row(self, task: Task) -> int:
        """The number of a task; -1 if it is none of this workflow, or another has its name."""
        number = self.lookup.numbers.get(task.name, -1)
        return number if number >= 0 and self.lookup.tasks[number] is task else -1

"""Who is whose parent, decider, guard and setup in a described workflow: what follows from the description alone.

Written from the law and not from the compiler. A row is a task, or the expansion of a mapped group, which has the
group's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tests.law.description import Flow, Group, Sources, Task

EARLY_RULES = ("one_success", "one_failed", "one_done", "always")
"""Tasks with these do not wait for all of their parents."""


class Graph:
    """The relations between the rows of a workflow. All sequences are in the order of `rows`."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.tasks: dict[str, Task] = {task.name: task for task in flow.tasks}
        self.groups: dict[str, Group] = {group.name: group for group in flow.groups}
        self.rows: list[str] = [*self.tasks, *(group.name for group in flow.groups if group.over is not None)]
        self.rank = {row: rank for rank, row in enumerate(self.rows)}
        # The graph is asked the same over and over.
        for name in ("upstreams", "above", "deciders", "guards", "leaves_of", "groups_around", "map_around", "own"):
            setattr(self, name, cache(getattr(self, name)))

    # --- Groups

    def groups_around(self, row: str) -> tuple[str, ...]:
        """The groups that a row is in, outermost first; an expansion is not in its own group."""
        if row in self.tasks:
            group = self.tasks[row].group
            return (*self.groups_above(group), group) if group else ()
        return self.groups_above(row)

    def groups_above(self, group: str) -> tuple[str, ...]:
        """The groups that a group is in, outermost first."""
        group, around = self.groups[group].parent, list[str]()
        while group:
            around.insert(0, group)
            group = self.groups[group].parent
        return tuple(around)

    def retried_around(self, row: str) -> list[str]:
        """Those of them that are retried."""
        return [group for group in self.groups_around(row) if self.groups[group].retries]

    def map_around(self, row: str) -> str:
        """The mapped group that a row is in, or ""."""
        return next((group for group in self.groups_around(row) if self.groups[group].over is not None), "")

    def map_of_group(self, group: str) -> str:
        """The mapped group that a group is or is in, or ""."""
        while group and self.groups[group].over is None:
            group = self.groups[group].parent
        return group

    def rows_in(self, group: str) -> list[str]:
        """All rows in a group, those of nested groups too; not its own expansion."""
        return [row for row in self.rows if group in self.groups_around(row)]

    # --- Edges

    def is_mapped(self, row: str) -> bool:
        """Whether a row is a task that is mapped by itself."""
        return row in self.tasks and self.tasks[row].over is not None

    def sources(self, row: str) -> Sources:
        """What a row is expanded over; nothing, if it is not."""
        return (self.tasks[row].over if row in self.tasks else self.groups[row].over) or ()

    def is_teardown(self, row: str) -> bool:
        return row in self.tasks and self.tasks[row].teardown

    def ends_of(self, name: str) -> list[str]:
        """What an edge from a task or a group comes from."""
        if name in self.tasks:
            return [name]
        return self.leaves_of(name) or [row for row in self.rows if row in self.passed_through(name)]

    def passed_through(self, group: str) -> set[str]:
        """What comes before a group in which nothing can be waited for, and so before what comes after it: what is
        drawn to it, to the groups in it, and to those around it in which nothing comes before it. A mapped group comes
        after its sources."""
        drawn = set[str]()
        for inner in (group, *(one for one in self.groups if group in self.groups_above(one))):
            drawn |= self._drawn_to(inner)
        for outer in reversed(self.groups_above(group)):
            if not any(outer in self.groups_around(upstream) for upstream in drawn):
                drawn |= self._drawn_to(outer)
        return drawn

    def _drawn_to(self, group: str) -> set[str]:
        return self._ends(self.groups[group].after) | {one for one in self.sources(group) if isinstance(one, str)}

    def leaves_of(self, group: str) -> list[str]:
        """The tasks in a group that nothing in it comes after, teardowns apart."""
        inside = self.rows_in(group)
        return [
            row
            for row in inside
            if row in self.tasks
            and not self.is_teardown(row)
            and not any(row in self.own(other, group) and not self.is_nothing(other) for other in inside)
        ]

    def is_nothing(self, row: str) -> bool:
        """Whether nobody outside of a group waits for a row, nor for what comes after it by way of the row alone: a
        teardown, or the expansion of a group of nothing else."""
        if row in self.tasks:
            return self.is_teardown(row)
        return all(self.is_nothing(other) for other in self.rows_in(row))

    def own(self, row: str, group: str) -> frozenset[str]:
        """What comes before a row by edges that are drawn inside a group: to the row itself, or to groups around it
        that are in this group too. "" for the whole workflow."""
        if row in self.tasks:
            task = self.tasks[row]
            drawn = {*self._ends(task.after), *task.takes}
        else:
            drawn = {*self._ends(self.groups[row].after)}
        drawn |= {source for source in self.sources(row) if isinstance(source, str)}
        around = self.groups_around(row)
        for outer in reversed(around[around.index(group) + 1 if group else 0 :]):
            if self._is_root(row, outer, drawn):
                drawn |= self._ends(self.groups[outer].after)
        return frozenset(drawn)

    def _ends(self, names: Iterable[str]) -> set[str]:
        return {row for name in names for row in self.ends_of(name)}

    def _is_root(self, row: str, group: str, upstreams: set[str]) -> bool:
        """Whether an edge to a group is an edge to this row. Into a mapped group lead only edges to its expansion."""
        if self.map_around(row) and self.map_of_group(group) != self.map_around(row):
            return False
        if self.groups[group].over is not None:
            return False
        return not any(group in self.groups_around(upstream) for upstream in upstreams)

    def upstreams(self, row: str) -> list[str]:
        """The direct parents of a row."""
        found = self.own(row, "")
        return [other for other in self.rows if other in found]

    def downstreams(self, row: str) -> list[str]:
        return [other for other in self.rows if row in self.upstreams(other)]

    def above(self, row: str) -> frozenset[str]:
        """Everything that a row comes after, however far."""
        direct = [*self.upstreams(row), *([self.map_around(row)] if self.map_around(row) else [])]
        return frozenset(direct).union(*(self.above(other) for other in direct))

    # --- What else decides about a row

    def deciders(self, row: str) -> list[str]:
        """The branches and short circuits that can have it skipped."""
        if self.is_teardown(row):
            return []
        near, far = self.upstreams(row), self.above(row)
        return [
            task.name
            for task in self.flow.tasks
            if task.decides and task.name in (far if task.decides == "short_circuit" and task.far else near)
        ]

    def setups(self, teardown: str) -> list[str]:
        """The setups of a teardown."""
        return [row for row in self.upstreams(teardown) if row in self.tasks and self.tasks[row].setup]

    def teardowns(self, setup: str) -> list[str]:
        """The teardowns of a setup."""
        return [row for row in self.downstreams(setup) if self.is_teardown(row)]

    def guards(self, row: str) -> list[str]:
        """What must have succeeded before a row runs, whatever its rule."""
        found = {source for source in self.sources(row) if isinstance(source, str)}
        if self.map_around(row):
            found.add(self.map_around(row))
        if not self.is_teardown(row):
            for setup in self.above(row):
                if setup in self.tasks and self.tasks[setup].setup and setup not in self.upstreams(row):
                    ends = self.teardowns(setup)
                    if not ends or any(row in self.above(end) for end in ends):
                        found.add(setup)
        return [other for other in self.rows if other in found]

    def judged_by(self, row: str) -> list[str]:
        """The parents over whose states the rule of a row is."""
        return self.setups(row) if self.is_teardown(row) else self.upstreams(row)

    def rule(self, row: str) -> str:
        if self.is_teardown(row):
            return "all_done_setup_success"
        return self.tasks[row].rule if row in self.tasks else "all_success"

    def scope(self, teardown: str) -> list[str]:
        """What a teardown waits for: whatever is below one of its setups and above it."""
        below = {row for row in self.rows for setup in self.setups(teardown) if setup in self.above(row)}
        return [row for row in self.rows if row in below and row in self.above(teardown)]

    def must_have_ended(self, row: str) -> list[str]:
        """What must have ended before a row that is to run starts, whatever came of it."""
        waits = {*self.deciders(row), *self.guards(row)}
        if row in self.tasks:
            waits |= {*self.tasks[row].takes}
        if self.rule(row) not in EARLY_RULES:
            waits |= {*self.upstreams(row)}
        if self.is_teardown(row):
            waits |= {*self.scope(row)}
        return [other for other in self.rows if other in waits]

    def is_leaf(self, row: str) -> bool:
        """Whether the verdict on a run with run_state="leaves" is over this row."""
        if row not in self.tasks:
            return False
        if self.is_teardown(row):
            return self.tasks[row].on_failure_fail_run
        return all(self.is_teardown(other) for other in self.downstreams(row))

    def same_map(self, row: str, other: str) -> bool:
        """Whether two rows are in one mapped group: then each instance has to do with the one of the same index."""
        return bool(self.map_around(row)) and self.map_around(row) == self.map_around(other)

    # --- Branches

    def chosen(self, decider: str, names: tuple[str, ...] | None) -> list[str]:
        """The direct children that a branch follows, or all, when it names these tasks and groups: those that it names,
        and those that are below one of these."""
        children = self.downstreams(decider)
        if names is None:
            return children
        named = {child for child in children if {child, *self.groups_around(child)} & {*names}}
        return [child for child in children if child in named or named & self.above(child)]

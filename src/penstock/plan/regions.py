"""Edges to and from groups, and to the blocks of teardowns, turned into edges between tasks.

What comes before a group is an edge to its roots: the tasks in it without upstreams inside. What comes after it is an
edge from its leaves: the tasks in it without downstreams inside, teardowns apart. A mapped group has one root: the row
that expands it. A group without any leaf passes edges through: what comes after it comes after all that was put before
it, or before a group in it. The block of a teardown is put after its setups and before the teardown; there the
teardowns of inner blocks count as leaves too.

Each region is two nodes of the graph while this goes on, one before its tasks and one after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.plan.graph import cycles, topological_order

Rows = tuple[int, ...]


@dataclass(slots=True)
class Region:
    """A group, or the block of a teardown."""

    rows: list[int]
    """The tasks in it, those of inner regions too; without the row that expands it."""
    after_rows: Sequence[int] = ()
    """Tasks that come before it."""
    after_regions: Sequence[int] = ()
    """Regions that come before it."""
    expansion: int = -1
    """The row that expands it, if it is a mapped group."""
    parent: int = -1
    """The group around it, if it is one."""
    teardown: int = -1
    """The teardown whose block it is, if it is one."""
    parent_map: int = -1
    """The mapped group that it is, or is in: tasks of another are no roots of it."""


@dataclass(slots=True)
class Regions:
    """The regions of a workflow, each after those around it, and what is drawn between them and its tasks."""

    regions: Sequence[Region]
    upstreams: Sequence[Rows]
    """Of each task, as drawn from task to task."""
    waiting: Mapping[int, Sequence[int]]
    """Tasks -> the regions that they come after."""
    teardowns: frozenset[int]
    setups: frozenset[int]
    map_of: Mapping[int, int]
    """Tasks in a mapped group -> which region that is."""
    expansions: frozenset[int]
    _above: dict[int, list[int]] = field(default_factory=dict, init=False)
    """Edges from or to the nodes of regions: node -> what is directly above it."""
    _hollow: dict[int, Region] = field(default_factory=dict, init=False)
    """The groups that pass edges through."""

    def resolve(self) -> list[Rows]:
        """The upstreams of each task, edges by way of regions among them."""
        for row, regions in self.waiting.items():
            self._above[row] = [self._end(region) for region in regions]
        for number, region in enumerate(self.regions):
            above = [*region.after_rows, *(self._end(other) for other in region.after_regions)]
            self._above[self._begin(number)] = above
            self._above[self._end(number)] = []
            if not self._has_leaves(region):
                self._hollow[number] = region
        for number, region in self._hollow.items():
            for group in (number, *self._around(region)):
                if group in self._hollow:
                    self._above[self._end(group)] += [self._begin(number), *self._sources(region)]
        for number in reversed(range(len(self.regions))):
            self._wire(number)
        return [
            tuple(sorted(self._rows_above(row))) if row in self._above else above
            for row, above in enumerate(self.upstreams)
        ]

    def circles(self) -> list[list[int]]:
        """Regions without tasks that come after each other in a circle, which no edge between tasks tells of."""
        above: list[Sequence[int]] = [
            () if self._has_leaves(region) else region.after_regions for region in self.regions
        ]
        return [] if len(topological_order(above)) == len(above) else cycles(above)

    def _begin(self, region: int) -> int:
        return len(self.upstreams) + 2 * region

    def _end(self, region: int) -> int:
        return len(self.upstreams) + 2 * region + 1

    def _wire(self, number: int) -> None:
        """Connect a region with its roots and leaves. The regions in it have been."""
        region = self.regions[number]
        begin, end = self._begin(number), self._end(number)
        inside = set(region.rows)
        self._pass_through(number, inside)
        above = {row: self._rows_above(row) & inside for row in region.rows}
        if region.teardown >= 0:
            before = self._rows_above(region.teardown) & self.setups - inside
            self._above[begin] = sorted(before)
            self._above.setdefault(region.teardown, []).append(end)
        if region.expansion >= 0:
            roots = [region.expansion]
        else:
            roots = [row for row in region.rows if not above[row] and self.map_of.get(row, -1) == region.parent_map]
        for root in roots:
            self._above.setdefault(root, []).append(begin)
        counted = [row for row in region.rows if not self._may_follow_the_last(row, region)]
        followed = {upstream for row in counted for upstream in above[row]}
        leaves = [row for row in counted if row not in followed and row not in self.expansions]
        self._above[end] += leaves

    def _pass_through(self, number: int, inside: set[int]) -> None:
        """What comes before a group comes also before the groups in it that pass edges through, unless something in it
        does. Of a mapped group, that is also what it is mapped over."""
        for other, region in self._hollow.items():
            end = self._end(other)
            if number in self._around(region) and not self._rows_above(end) & inside:
                self._above[end] += [self._begin(number), *self._sources(self.regions[number])]

    def _around(self, region: Region) -> Iterator[int]:
        """The groups that a group is in, the innermost first."""
        while region.parent >= 0:
            yield region.parent
            region = self.regions[region.parent]

    def _sources(self, region: Region) -> Rows:
        """What a group is mapped over."""
        return self.upstreams[region.expansion] if region.expansion >= 0 else ()

    def _may_follow_the_last(self, row: int, region: Region) -> bool:
        """Whether what comes before a row may be the last in a region all the same: if the row is a teardown, or
        expands a group of nothing else. In the block of a teardown, teardowns count."""
        if region.teardown >= 0:
            return any(row == other.expansion and not other.rows for other in self._hollow.values())
        return row in self.teardowns or any(row == other.expansion for other in self._hollow.values())

    def _has_leaves(self, region: Region) -> bool:
        """Whether anything in a region can be waited for."""
        if region.teardown >= 0:
            return True  # nobody comes after a block but its teardown, which comes after the setups anyway
        return any(row not in self.teardowns and row not in self.expansions for row in region.rows)

    def _rows_above(self, row: int) -> set[int]:
        """The tasks that a task, or what is in a region, comes after, directly or by way of regions."""
        found = set(self.upstreams[row]) if row < len(self.upstreams) else set()
        frontier = [*self._above.get(row, ())]
        seen = set(frontier)
        for other in frontier:
            if other < len(self.upstreams):
                found.add(other)
                continue
            for further in self._above[other]:
                if further not in seen:
                    seen.add(further)
                    frontier.append(further)
        return found

"""The same workflow, defined in another order: only what gives values must stand before what takes them, and what is in
a group together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tests.law.description import Flow, Sources, Task
from tests.law.graph import Graph


def scramble(flow: Flow, random: Random) -> Flow:
    """The tasks in another order."""
    return replace(flow, tasks=tuple(_Scrambler(flow, random).inside("")))


class _Scrambler:
    def __init__(self, flow: Flow, random: Random) -> None:
        self.graph = Graph(flow)
        self.random = random

    def inside(self, group: str) -> Iterator[Task]:
        """The tasks of a group; of the whole workflow for ""."""
        things = self._things(group)
        waiting = {thing: self._needs(tasks, things) - {thing} for thing, tasks in things.items()}
        while waiting:
            thing = self.random.choice([one for one, needs in waiting.items() if not needs & {*waiting}])
            del waiting[thing]
            if thing in self.graph.tasks:
                yield self.graph.tasks[thing]
            else:
                yield from self.inside(thing)

    def _things(self, group: str) -> dict[str, list[str]]:
        """What stands directly in a group, tasks and groups, with the tasks in each."""
        things: dict[str, list[str]] = {}
        for task in self.graph.tasks:
            around = self.graph.groups_around(task)
            if not group or group in around:
                inner = around[around.index(group) + 1 :] if group else around
                things.setdefault(inner[0] if inner else task, []).append(task)
        return things

    def _needs(self, tasks: list[str], things: dict[str, list[str]]) -> set[str]:
        """The things that must be defined before these tasks."""
        values: set[str] = set()
        for task in tasks:
            values |= {*self.graph.tasks[task].takes, *_names(self.graph.tasks[task].over)}
            for group in self.graph.groups_around(task):
                values |= {*_names(self.graph.groups[group].over)}
        return {thing for thing, inner in things.items() if values & {*inner}}


def _names(over: Sources | None) -> list[str]:
    return [source for source in over or () if isinstance(source, str)]

"""What stands between a task and its start besides its rule: deciders, guards, the setups of a teardown, and what it
has to wait for. All of it follows from the edges and from what kind of task each is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.plan.graph import invert, reach
from penstock.policy import EARLY_RULES, TaskPolicy

Rows = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the tasks of a workflow, by their numbers."""

    upstreams: Sequence[Rows]
    inputs: Sequence[Rows]
    policies: Sequence[TaskPolicy]
    far_reaching: Collection[int] = ()
    """The short circuits that skip all that is below them."""
    widths: Mapping[int, Rows] = field(default_factory=dict)
    """Rows that are mapped -> what they take their width from."""
    expansions: Mapping[int, Rows] = field(default_factory=dict)
    """Rows that expand a mapped group -> the tasks in the group."""

    @property
    def plain(self) -> bool:
        """Whether there is nothing but rules that wait for all upstreams."""
        kinds = {id(policy): policy for policy in self.policies}.values()  # most tasks share one
        return not self.widths and not any(
            policy.decides or policy.setup or policy.teardown or policy.trigger_rule in EARLY_RULES for policy in kinds
        )

    def above(self) -> Sequence[Sequence[int]]:
        """What each task is directly below: its upstreams, and what expands the mapped group that it is in."""
        if not self.expansions:
            return self.upstreams
        above: list[Sequence[int]] = [*self.upstreams]
        for expansion, tasks in self.expansions.items():
            for task in tasks:
                above[task] = (*above[task], expansion)
        return above


@dataclass(frozen=True, slots=True)
class Gates:
    """The columns of a plan that say so; of tasks that have any."""

    deciders: Mapping[int, Rows]
    guards: Mapping[int, Rows]
    waits: Mapping[int, Rows]
    setups: Mapping[int, Rows]


def find_setups(upstreams: Sequence[Rows], policies: Sequence[TaskPolicy]) -> dict[int, Rows]:
    """Each teardown -> the setups among its direct upstreams."""
    return {
        task: tuple(upstream for upstream in upstreams[task] if policies[upstream].setup)
        for task, policy in enumerate(policies)
        if policy.teardown
    }


def find_gates(facts: Facts) -> Gates:
    """The gates of tasks that do not depend on each other in a circle."""
    if facts.plain:
        return Gates({}, {}, {}, {})
    return _Finder(facts).find()


class _Finder:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.policies = facts.policies
        self.above = facts.above()
        self.below = invert(self.above)
        self.setups = find_setups(facts.upstreams, facts.policies)
        self.teardowns: dict[int, list[int]] = {}
        for teardown, setups in self.setups.items():
            for setup in setups:
                self.teardowns.setdefault(setup, []).append(teardown)
        self.deciders: dict[int, set[int]] = {}
        self.guards: dict[int, set[int]] = {}
        self.waits: dict[int, set[int]] = {}

    def find(self) -> Gates:
        for task, policy in enumerate(self.policies):
            if policy.decides:
                self._add(self.deciders, self._decided_by(task), task)
            if policy.setup:
                self._add(self.guards, self._guarded_by(task), task)
        for row, sources in self.facts.widths.items():
            if sources:
                self.guards.setdefault(row, set()).update(sources)
        for expansion, tasks in self.facts.expansions.items():
            self._add(self.guards, tasks, expansion)
        for task, setups in self.setups.items():
            self._wait(task, self._scope(task, setups) - set(self.facts.upstreams[task]))
        for task, policy in enumerate(self.policies):
            if policy.trigger_rule in EARLY_RULES:
                self._wait(task, set(self.facts.inputs[task]))
        return Gates(_column(self.deciders), _column(self.guards), _column(self.waits), self.setups)

    def _decided_by(self, task: int) -> Iterable[int]:
        """What is skipped if the task does not choose it. Teardowns are no matter of choice."""
        decided: Iterable[int] = self.below[task]
        if task in self.facts.far_reaching:
            decided = reach([task], self.below) - {task}
        return (other for other in decided if not self.policies[other].teardown)

    def _guarded_by(self, setup: int) -> Iterable[int]:
        """What needs a setup without being directly below it."""
        needing = reach([setup], self.below)
        if setup in self.teardowns:
            needing &= reach(self.teardowns[setup], self.above)
        return (
            task
            for task in needing
            if task != setup and setup not in self.facts.upstreams[task] and not self.policies[task].teardown
        )

    def _scope(self, teardown: int, setups: Rows) -> set[int]:
        """What lies between a teardown and its setups, these included."""
        return (reach(setups, self.below) & reach([teardown], self.above)) - {teardown}

    def _wait(self, task: int, others: set[int]) -> None:
        others = others - self.guards.get(task, set())  # which have to end anyway
        if others:
            self.waits.setdefault(task, set()).update(others)

    def _add(self, column: dict[int, set[int]], tasks: Iterable[int], what: int) -> None:
        for task in tasks:
            column.setdefault(task, set()).add(what)


def _column(sets: Mapping[int, set[int]]) -> dict[int, Rows]:
    return {task: tuple(sorted(sets[task])) for task in sorted(sets)}

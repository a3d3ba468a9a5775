"""Putting steps in order: `chain`, and the arrows of tasks and task groups."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeAlias

from penstock.definition.placeholder import Output, caller, task_of
from penstock.errors import DefinitionError

Order: TypeAlias = Any
"""A task, a task group, an output, a name, or a list of these: whatever can be put in order."""


class Step:
    """What can be put in order: the base of tasks and task groups. Not made by users."""

    __slots__ = ("_own_dependencies", "dependencies", "name")

    name: Any
    dependencies: Any
    _own_dependencies: bool

    def run_after(self, upstream: Order) -> None:
        """Make this one wait for another."""
        if not self._own_dependencies:  # the list that was given may be another task's too
            self.dependencies = _as_list(self.dependencies)
            self._own_dependencies = True
        self.dependencies.append(upstream)

    def __rshift__(self, other: Order) -> Order:
        """`a >> b`: b runs after a; either side may be a list."""
        chain(self, other)
        return other

    def __lshift__(self, other: Order) -> Order:
        """`a << b`: a runs after b."""
        chain(other, self)
        return other

    def __rrshift__(self, other: Iterable[Order]) -> Any:
        """`[a, b] >> c`."""
        chain(other, self)
        return self

    def __rlshift__(self, other: Iterable[Order]) -> Any:
        """`[a, b] << c`."""
        chain(self, other)
        return self


def chain(*steps: Order) -> None:
    """Put steps in order: `chain(a, [b, c], d)` runs b and c after a, and d after both. No values are passed."""
    groups = [steps_in(step) for step in steps]
    for upstreams, downstreams in pairwise(groups):
        for downstream in downstreams:
            for upstream in upstreams:
                downstream.run_after(upstream)


def steps_in(step: Order) -> list[Step]:
    """The tasks and groups that somebody wrote down. DefinitionError for anything else."""
    if isinstance(step, Step):
        return [step]
    if isinstance(step, Output):
        return [task_of(step)]
    if isinstance(step, (list, tuple, set, frozenset)):
        return [found for part in step for found in steps_in(part)]
    raise DefinitionError(
        f"{step!r} is not a task and cannot be put in order: use tasks, outputs of tasks, or lists of them",
        where=caller(),
    )


def _as_list(dependencies: Any) -> list[Any]:
    return [dependencies] if isinstance(dependencies, (str, Step, Output)) else list(dependencies)

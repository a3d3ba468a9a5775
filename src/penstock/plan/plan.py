"""The plan: what a run follows. Dense columns, one row a task, known by its number.

A plan holds no functions and no values, only what is needed to decide: it can be stored, sent and compared. The bodies
of its tasks stay with whoever compiled it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from penstock.policy import TaskPolicy


@dataclass(frozen=True)
class Plan:
    """A checked workflow. All columns have one entry a task, in the order in which the tasks were defined."""

    workflow: str
    names: tuple[str, ...]
    upstreams: tuple[tuple[int, ...], ...]
    """Tasks that must succeed first; each once, ascending."""
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

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Name -> number."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def downstreams(self) -> tuple[tuple[int, ...], ...]:
        """Tasks that wait for each task; ascending."""
        downstreams: list[list[int]] = [[] for _ in self.names]
        for number, upstreams in enumerate(self.upstreams):
            for upstream in upstreams:
                downstreams[upstream].append(number)
        return tuple(map(tuple, downstreams))

    @cached_property
    def consumers(self) -> tuple[int, ...]:
        """How many tasks take each task's value."""
        counts = [0] * len(self.names)
        for inputs in self.inputs:
            for number in inputs:
                counts[number] += 1
        return tuple(counts)

    @cached_property
    def tells_of_success(self) -> bool:
        """Whether any task has a callback for its success."""
        return any("success" in policy.notices for policy in self.policies)

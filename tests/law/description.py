"""A workflow and what its bodies do, as plain data: what the reference model judges and what is built and played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

Sources = tuple[int | str, ...]
"""What a map is expanded over: the length of a list that is written down, or the task that returns the list."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task; its name is the full one, with the groups around it."""

    name: str
    group: str = ""
    """The full name of the innermost group around it."""
    after: tuple[str, ...] = ()
    """Tasks and groups that come before it and pass nothing."""
    takes: tuple[str, ...] = ()
    """Tasks whose values it takes."""
    over: Sources | None = None
    """It is mapped over these."""
    rule: str = "all_success"
    allow_failure: bool = False
    setup: bool = False
    teardown: bool = False
    on_failure_fail_run: bool = False
    decides: str = ""
    """ "branch" or "short_circuit"."""
    far: bool = True
    """A short circuit with ignore_downstream_trigger_rules."""
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A group of tasks; its name is the full one."""

    name: str
    parent: str = ""
    after: tuple[str, ...] = ()
    """Tasks and groups that come before the whole group."""
    over: Sources | None = None
    """It is mapped over these."""
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow. Tasks and groups stand in an order in which each comes after what it depends on, and after what is
    around it; the tasks of a group, nested ones too, stand together."""

    tasks: tuple[Task, ...]
    groups: tuple[Group, ...] = ()
    fail_fast: bool = False
    run_state: str = "any"


RETURNS, RAISES, FATAL, SKIPS = "returns", "raises", "fatal", "skips"
"""How one attempt of a body comes out; a fatal failure is one that is not to be tried again."""


class Act(NamedTuple):
    """What one attempt of a body does."""

    what: str = RETURNS
    chosen: tuple[str, ...] | None = None
    """The tasks and groups that a branch follows; of a short circuit () for false; None for true, and elsewhere."""
    width: int = 2
    """The length of the list that it returns; -1 if it returns none that can be expanded over."""


Script = tuple[Act, ...]
"""How the attempts of one body come out, one after the other; the last goes on for ever."""


class Body(NamedTuple):
    """Whose attempts a script tells of: the instance of a task, in these rounds of the retried groups around it,
    outermost first. The place is its index in the map, -1 for a task that is not mapped."""

    task: str
    place: int
    rounds: tuple[int, ...]


@dataclass(slots=True)
class Bodies:
    """What every body does. Whoever is not written down does as `invent` says, or returns."""

    scripts: dict[Body, Script] = field(default_factory=dict)
    invent: Callable[[Body], Script] | None = None

    def script(self, body: Body) -> Script:
        """What this body does, always the same."""
        found = self.scripts.get(body)
        if found is None:
            found = self.invent(body) if self.invent else (Act(),)
            self.scripts[body] = found
        return found

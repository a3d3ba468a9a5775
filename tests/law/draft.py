"""A workflow in the making: what random workflows and chosen situations are put together with."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from tests.law.bodies import Temper
from tests.law.description import Flow, Group, Task


class Draft:
    """Tasks and groups are added in an order in which each comes after what it depends on."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.tasks: dict[str, Task] = {}
        self.groups: dict[str, Group] = {}
        self.tempers: dict[str, Temper] = {}
        self.inside = ""
        """The full name of the group that is being filled."""
        self.settled_setups: set[str] = set()
        """Setups that are to have no further teardowns."""

    def add(self, name: str, temper: Temper | None = None, **options: Any) -> str:
        """Add a task to the group that is being filled; its full name."""
        full = self._full(name)
        for edges in ("after", "takes"):
            options[edges] = tuple(dict.fromkeys(options.get(edges, ())))
        self.tasks[full] = Task(full, self.inside, **options)
        if temper is not None:
            self.tempers[full] = temper
        return full

    def open(self, name: str, **options: Any) -> str:
        """Begin a group in the one that is being filled; its full name."""
        full = self._full(name)
        options["after"] = tuple(dict.fromkeys(options.get("after", ())))
        self.groups[full] = Group(full, self.inside, **options)
        self.inside = full
        return full

    def close(self) -> None:
        """The group that is being filled is complete."""
        self.inside = self.groups[self.inside].parent

    def change(self, name: str, **options: Any) -> None:
        """Change a task that was added."""
        self.tasks[name] = replace(self.tasks[name], **options)

    def _full(self, name: str) -> str:
        return f"{self.inside}.{name}" if self.inside else name

    # --- What there is

    @property
    def open_groups(self) -> list[str]:
        """The group that is being filled and those around it, innermost first."""
        found, group = [], self.inside
        while group:
            found.append(group)
            group = self.groups[group].parent
        return found

    @property
    def in_map(self) -> bool:
        """Whether what is added now is in a mapped group."""
        return any(self.groups[group].over is not None for group in self.open_groups)

    def is_in(self, task: str, group: str) -> bool:
        return task.startswith(f"{group}.")

    def tasks_in(self, group: str) -> list[str]:
        return [task for task in self.tasks if self.is_in(task, group)]

    @property
    def ends(self) -> list[str]:
        """The groups that are complete, those with nothing in them that an edge can come from too: they pass it on."""
        return [group for group in self.groups if group not in self.open_groups]

    def flow(self, **options: Any) -> Flow:
        return Flow(tuple(self.tasks.values()), tuple(self.groups.values()), **options)

"""The block of a teardown: `with teardown:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.definition.group import TaskGroup
    from penstock.definition.task import Task


class Scope:
    """The tasks that are made within the block of a teardown: they run after its setups and before it."""

    __slots__ = ("group", "tasks", "teardown")

    def __init__(self, teardown: Task, group: TaskGroup | None) -> None:
        self.teardown = teardown
        self.group = group
        """The group that is being filled around the block."""
        self.tasks: list[Task] = []

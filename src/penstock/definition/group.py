"""A group of tasks: a name for them, options in common, and something that can be put in order as one."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.options import NO_OPTIONS, Duration, TaskOptions
from penstock.definition.order import Order, Step
from penstock.definition.placeholder import Items, caller
from penstock.definition.task import Task
from penstock.definition.workflow import building
from penstock.errors import DefinitionError


class TaskGroup(Step):
    """Tasks of a workflow that belong together.

    `with TaskGroup("name") as group:` collects the tasks made inside; groups may be within groups. The tasks get the
    group's name before their own, "name.task", unless `prefix` is False. `defaults` are options for those that do not
    set them themselves. What is put after a group waits for the tasks in it that have no downstreams inside; what is
    put before it, those wait for that have no upstreams inside. With `retries`, the group is tried again as a unit:
    when a task in it has failed and all others have ended, all of them begin anew. Made inside a workflow only.
    """

    __slots__ = (
        "_before",
        "all_defaults",
        "defaults",
        "expand",
        "file",
        "line",
        "max_retry_delay",
        "numbered",
        "parent",
        "prefix",
        "retries",
        "retry_backoff",
        "retry_delay",
        "tooltip",
        "workflow",
    )

    def __init__(
        self,
        name: str,
        *,
        prefix: bool = True,
        defaults: TaskOptions | None = None,
        retries: int = 0,
        retry_delay: Duration = 0,
        retry_backoff: float = 1.0,
        max_retry_delay: Duration | None = None,
        tooltip: str | None = None,
        after: Order = (),
    ) -> None:
        frame = sys._getframe(1)
        workflow = building()
        if workflow is None:
            raise DefinitionError(
                f"task group {name!r} is made outside of a workflow: make it inside `with Workflow(...)`, or in the "
                "function of a @workflow",
                where=caller(),
            )
        self.workflow = workflow
        self.parent = parent = workflow.group
        outer_prefix = "" if parent is None else parent.prefix
        self.name: str = outer_prefix + name if isinstance(name, str) and name else name
        self.prefix: str = f"{self.name}." if prefix else outer_prefix
        """What is put before the names of its tasks."""
        self.defaults: TaskOptions = defaults if defaults is not None else NO_OPTIONS
        outer = NO_OPTIONS if parent is None else parent.all_defaults
        own = self.defaults if isinstance(self.defaults, dict) else NO_OPTIONS
        self.all_defaults: TaskOptions = {**outer, **own}
        """With those of the groups around it."""
        self.retries = retries
        self.retry_delay = retry_delay
        self.retry_backoff = retry_backoff
        self.max_retry_delay = max_retry_delay
        self.tooltip = tooltip
        self.dependencies: Any = []
        self.expand: Expansion | None = None
        """What it is mapped over."""
        self.numbered: bool = parent is not None and parent.numbered
        """Whether its name, or one in it, was made by counting."""
        self.file = frame.f_code.co_filename
        self.line = frame.f_lineno
        self._own_dependencies = True
        self._before: list[TaskGroup | None] = []
        workflow.add_group(self)
        for upstream in after if isinstance(after, (list, tuple)) else [after]:
            self.run_after(upstream)

    @property
    def where(self) -> str:
        """ "file:line" at which the group was made."""
        return f"{self.file}:{self.line}"

    def __enter__(self) -> TaskGroup:
        self._before.append(self.workflow.group)
        self.workflow.group = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workflow.group = self._before.pop()

    def __repr__(self) -> str:
        return f"<TaskGroup '{self.name}'>"


class GroupExpansion(Task):
    """What a mapped group has in the place of a first task: it calls nothing, and stands for the group's having been
    expanded. It has the group's name."""

    __slots__ = ("arguments", "expands")

    def __init__(self, group: TaskGroup, expansion: Expansion, arguments: Mapping[str, GroupArgument]) -> None:
        nobody: Any = None
        super().__init__(group.name, nobody)
        self.expand = group.expand = expansion
        self.expands = group
        """The group."""
        self.arguments = arguments
        """What stands for its arguments inside."""
        self.group = group.parent
        self.workflow = group.workflow
        self.file, self.line = group.file, group.line

    def __repr__(self) -> str:
        return f"<expansion of group '{self.name}'>"


class GroupArgument(Items[Any]):
    """Stands, inside a mapped group, for an argument of the group: in each instance for another value. Outside, for
    the list of these."""

    __slots__ = ("_default", "_group")

    def __init__(self, name: str, group: TaskGroup, default: Any = NOTHING) -> None:
        super().__init__(name)
        self._group = group
        self._default = default

    def __repr__(self) -> str:
        return f"<argument '{self._name}' of group '{self._group.name}'>"


def group_of(argument: GroupArgument) -> TaskGroup:
    """The mapped group that an argument is one of."""
    return argument._group


def default_of(argument: GroupArgument) -> Any:
    """What stands for it where an instance is given nothing; NOTHING if there is no default."""
    return argument._default


def mapped_group(step: Task | TaskGroup) -> TaskGroup | None:
    """The mapped group that a task or group is in, if it is in one; a mapped group is not in itself."""
    group = step.parent if isinstance(step, TaskGroup) else step.group
    while group is not None and group.expand is None:
        group = group.parent
    return group


def groups_around(step: Task | TaskGroup) -> Sequence[TaskGroup]:
    """The groups that a task or group is in, the innermost first."""
    found = []
    group = step.parent if isinstance(step, TaskGroup) else step.group
    while group is not None:
        found.append(group)
        group = group.parent
    return found

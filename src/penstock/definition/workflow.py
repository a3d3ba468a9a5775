"""A workflow: tasks, collected by name, with what they have in common."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from penstock.definition.task import NO_OPTIONS, Duration, Task, TaskOptions
from penstock.policy import Callback

if TYPE_CHECKING:
    from penstock.definition.params import Parameter

_building: ContextVar[Workflow | None] = ContextVar("penstock_building", default=None)


def building() -> Workflow | None:
    """The workflow being filled by the code that runs now."""
    return _building.get()


class Workflow:
    """A named set of tasks that run in the order of their dependencies.

    `with Workflow("name") as flow:` collects the calls of `@task` functions made inside it; `add_task` adds a Task.
    `defaults` are options for every task that does not set them itself; `timeout` bounds a whole run, in seconds or as
    a timedelta; `tags` are for people to find it by; `on_success`, `on_failure` and `on_cancel` are called with a
    Notice when a run has ended so. Nothing is checked until the workflow is compiled.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: Duration | None = None,
        defaults: TaskOptions | None = None,
        tags: Sequence[str] = (),
        description: str | None = None,
        on_success: Callback | None = None,
        on_failure: Callback | None = None,
        on_cancel: Callback | None = None,
    ) -> None:
        frame = sys._getframe(1)
        self.name = name
        self.timeout = timeout
        self.defaults: TaskOptions = defaults if defaults is not None else NO_OPTIONS
        self.tags = tuple(tags)
        self.description = description
        self.on_success = on_success
        self.on_failure = on_failure
        self.on_cancel = on_cancel
        self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self.tasks: list[Task] = []
        self.parameters: dict[str, Parameter] = {}
        self.build_values: Mapping[str, Any] = {}
        self._names: set[Any] = set()
        self._next_number: dict[str, int] = {}
        self._tokens: list[Token[Workflow | None]] = []

    def __enter__(self) -> Workflow:
        self._tokens.append(_building.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _building.reset(self._tokens.pop())

    def add_task(self, task: Task) -> Task:
        """Add a task. Its name must be the only one of its kind by the time the workflow is compiled."""
        if isinstance(task, Task):
            task.workflow = self
            if isinstance(task.name, str):
                self._names.add(task.name)
        self.tasks.append(task)
        return task

    def number(self, name: str) -> str:
        """The first free name among `name`, `name__1`, `name__2` ..."""
        if name not in self._names:
            return name
        number = self._next_number.get(name, 1)
        while f"{name}__{number}" in self._names:
            number += 1
        self._next_number[name] = number + 1
        return f"{name}__{number}"

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(str(task.name))}</td><td>{escape(', '.join(task.upstream_names()))}</td></tr>"
            for task in self.tasks
            if isinstance(task, Task)
        )
        head = "<tr><th>Task</th><th>Runs after</th></tr>"
        heading = f"<p><b>{escape(str(self.name))}</b>: {len(self.tasks)} tasks</p>"
        return f"{heading}<table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def __repr__(self) -> str:
        return f"<Workflow '{self.name}': {len(self.tasks)} tasks>"

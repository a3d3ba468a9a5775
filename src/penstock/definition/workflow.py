"""A workflow: tasks, collected by name, with what they have in common."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from datetime import date, tzinfo
from typing import TYPE_CHECKING, Any

from penstock.definition.task import NO_OPTIONS, Duration, Task, TaskOptions
from penstock.policy import Callback, CatchUp, RunStateRule

if TYPE_CHECKING:
    from penstock.definition.group import TaskGroup
    from penstock.definition.params import Parameter
    from penstock.definition.partial import Partial
    from penstock.definition.scope import Scope

_building: ContextVar[Workflow | None] = ContextVar("penstock_building", default=None)


def building() -> Workflow | None:
    """The workflow being filled by the code that runs now."""
    return _building.get()


class Workflow:
    """A named set of tasks that run in the order of their dependencies.

    `with Workflow("name") as flow:` collects the calls of `@task` functions made inside it; `add_task` adds a Task.
    `defaults` are options for every task that does not set them itself; `timeout` bounds a whole run, in seconds or as
    a timedelta; `fail_fast` ends a run at the first failure; `run_state` says which failures fail it: any, or those of
    its leaves; `max_active_tasks` is how many tasks of a run may be under way at once; `tags` are for people to find it
    by; `on_start` is called with a Notice when a run has begun, `on_success`, `on_failure` and `on_cancel` when it has
    ended so.

    `schedule` says when a service runs it: a cron expression, an interval in seconds or as a timedelta, "@once",
    "@continuous", a timetable, or a list of these; in `timezone`, from `start` to `end`. `catchup` says what becomes of
    times that were missed: "all" (or True), "latest" (or False) or "none". `max_active_runs` is how many of its runs
    may be under way at once for the schedule to begin another. A run should end within `deadline` of the time it was
    due; `on_deadline` is called with a Notice when it has not.

    Nothing is checked until the workflow is compiled.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: Duration | None = None,
        fail_fast: bool = False,
        run_state: RunStateRule = "any",
        max_active_tasks: int | None = None,
        defaults: TaskOptions | None = None,
        tags: Sequence[str] = (),
        description: str | None = None,
        on_start: Callback | None = None,
        on_success: Callback | None = None,
        on_failure: Callback | None = None,
        on_cancel: Callback | None = None,
        schedule: Any = None,
        timezone: str | tzinfo = "UTC",
        start: date | str | None = None,
        end: date | str | None = None,
        catchup: bool | CatchUp = False,
        max_active_runs: int = 16,
        deadline: Duration | None = None,
        on_deadline: Callback | None = None,
    ) -> None:
        frame = sys._getframe(1)
        self.name = name
        self.timeout = timeout
        self.fail_fast = fail_fast
        self.run_state = run_state
        self.max_active_tasks = max_active_tasks
        self.defaults: TaskOptions = defaults if defaults is not None else NO_OPTIONS
        self.tags = tuple(tags)
        self.description = description
        self.on_start = on_start
        self.on_success = on_success
        self.on_failure = on_failure
        self.on_cancel = on_cancel
        self.schedule, self.timezone = schedule, timezone
        self.start, self.end = start, end
        self.catchup, self.max_active_runs = catchup, max_active_runs
        self.deadline, self.on_deadline = deadline, on_deadline
        self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        self.tasks: list[Task] = []
        self.groups: list[TaskGroup] = []
        """In the order of definition, each after the one around it."""
        self.blocks: list[TaskGroup | Scope] = []
        """These groups and the blocks of its teardowns, each after those around it."""
        self.group: TaskGroup | None = None
        """The group being filled."""
        self.partials: list[Partial] = []
        """Functions that were given some of their arguments while it was filled."""
        self.parameters: dict[str, Parameter] = {}
        self.build_values: Mapping[str, Any] = {}
        self.result: Any = None
        """What a run of it is to the workflow that it is a task of: an output, or a tuple, list or dict of outputs."""
        self.made_by: Any = None
        """The @workflow function that filled it."""
        self._names: set[Any] = set()
        self._group_names: set[Any] = set()
        self._next_number: dict[str, int] = {}
        self._next_group_number: dict[str, int] = {}
        self._open_scopes: list[Scope] = []
        self._tokens: list[Token[Workflow | None]] = []

    def __enter__(self) -> Workflow:
        self._tokens.append(_building.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _building.reset(self._tokens.pop())

    @property
    def says_when(self) -> bool:
        """Whether it says anything of when it runs, or by when."""
        when = (
            self.timezone,
            self.start,
            self.end,
            self.catchup,
            self.max_active_runs,
            self.deadline,
            self.on_deadline,
        )
        return self.schedule is not None or when != ("UTC", None, None, False, 16, None, None)

    def add_task(self, task: Task) -> Task:
        """Add a task. Its name must be the only one of its kind by the time the workflow is compiled. A ShellTask
        that has added itself, since it was made while a workflow was being built, is not added again."""
        if isinstance(task, Task):
            if task.workflow is self and task.adds_itself:
                return task
            task.workflow = self
            if self.group is not None or self._open_scopes:
                self._place(task)
            if isinstance(task.name, str):
                self._names.add(task.name)
        self.tasks.append(task)
        return task

    def _place(self, task: Task) -> None:
        """Make a task one of the group that is being filled, and of the open blocks of teardowns."""
        if self.group is not None and task.group is not self.group:
            task.group = self.group
            task.numbered = task.numbered or self.group.numbered
            if isinstance(task.name, str) and task.name:
                task.name = self.group.prefix + task.name
        for scope in self._open_scopes:
            scope.tasks.append(task)

    def add_group(self, group: TaskGroup) -> None:
        """Add a group of tasks, as TaskGroup itself does."""
        self.groups.append(group)
        self.blocks.append(group)
        self._group_names.add(group.name)

    def number(self, name: str) -> str:
        """The first of `name`, `name__1`, `name__2` ... that is free for a task in the group that is being filled."""
        return self._first_free(name, self._names, self._next_number)

    def number_group(self, name: str) -> str:
        """The first that is free for a group there, and for a task as well, which may be the one that expands it."""
        free = self._first_free(name, self._group_names, self._next_group_number)
        prefix = "" if self.group is None else self.group.prefix
        while prefix + free in self._names:
            self._group_names.add(prefix + free)
            free = self._first_free(name, self._group_names, self._next_group_number)
        return free

    def _first_free(self, name: str, names: set[Any], numbers: dict[str, int]) -> str:
        full = name if self.group is None else self.group.prefix + name
        if full not in names:
            return name
        number = numbers.get(full, 1)
        while f"{full}__{number}" in names:
            number += 1
        numbers[full] = number + 1
        return f"{name}__{number}"

    def open_scope(self, scope: Scope) -> None:
        """From here on, tasks are made within the block of a teardown."""
        self.blocks.append(scope)
        self._open_scopes.append(scope)

    def close_scope(self) -> None:
        """Leave the innermost of these blocks."""
        self._open_scopes.pop()

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

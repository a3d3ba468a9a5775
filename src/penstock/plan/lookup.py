"""The tasks and groups of a workflow, numbered and found by whatever stands for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from penstock.definition.group import GroupExpansion, TaskGroup, groups_around
from penstock.definition.placeholder import Output, task_of
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import (
    DefinitionError,
    DuplicateTaskError,
    MissingDependencyError,
    NotCallableError,
    OptionError,
)


class Lookup:
    """Finds tasks by name, and what is wrong with names and dependencies, which goes to `problems`."""

    def __init__(self, workflow: Workflow, problems: list[DefinitionError]) -> None:
        self.workflow = workflow
        self.tasks: list[Task] = []
        self.numbers: dict[str, int] = {}
        """Of tasks, by name."""
        self.group_numbers: dict[int, int] = {}
        """Of groups, by identity."""
        self.groups_found: list[int] = []
        """Groups among the dependencies that were looked up last."""
        self._latest: tuple[int, ...] = ()
        """What was looked up last."""
        self._groups: dict[str, TaskGroup] = {}
        self._problems = problems
        self._typos = 0
        self._number_groups()
        self._number_tasks()

    def _number_groups(self) -> None:
        for number, group in enumerate(self.workflow.groups):
            self.group_numbers[id(group)] = number
            if not isinstance(group.name, str) or not group.name or not group.name.isprintable():
                self._problem(OptionError, f"a task group's name is a printable text, not {group.name!r}", group.where)
            elif group.name in self._groups:
                first = self._groups[group.name].where
                message = f"task group '{group.name}' is defined twice, first at {first}; give one another name"
                self._problem(DuplicateTaskError, message, group.where)
            else:
                self._groups[group.name] = group

    def _number_tasks(self) -> None:
        tasks, numbers = self.tasks, self.numbers
        for task in self.workflow.tasks:
            if not isinstance(task, Task):
                self._problem(
                    NotCallableError, f"{task!r} was added as a task: add Task(name, function)", self.workflow.where
                )
            elif not isinstance(task.name, str) or not task.name or not task.name.isprintable():
                if not isinstance(task, GroupExpansion):  # whose group has been told of
                    self._problem(OptionError, f"a task's name is a printable text, not {task.name!r}", task.where)
            elif task.name in numbers:
                self._tell_of_duplicate(task, tasks[numbers[task.name]])
            else:
                numbers[task.name] = len(tasks)
                tasks.append(task)

    def _tell_of_duplicate(self, task: Task, first: Task) -> None:
        one, other = isinstance(first, GroupExpansion), isinstance(task, GroupExpansion)
        if one and other:
            return  # it has been told of the groups
        if one or other:
            message = f"'{task.name}' is the name of a mapped task group and of a task, first at {first.where}; "
        else:
            message = f"task '{task.name}' is defined twice, first at {first.where}; "
        self._problem(DuplicateTaskError, f"{message}give one another name", task.where)

    # --- Dependencies

    def rows(self, step: Task | TaskGroup, dependencies: Sequence[Any]) -> tuple[int, ...]:
        """The tasks among the dependencies of a task or group, ascending. The groups are in `groups_found` then."""
        if self.groups_found:
            self.groups_found = []
        names = self.numbers
        try:
            rows = tuple(sorted(set(map(names.__getitem__, dependencies))))  # names of tasks, as most often
            if rows != self._latest:  # tasks that follow each other often wait for the same ones
                self._latest = rows
            return self._latest
        except (KeyError, TypeError):
            found = [
                names[dependency] if type(dependency) is str and dependency in names else self._find(step, dependency)
                for dependency in dependencies
            ]
        return tuple(sorted({number for number in found if number is not None}))

    def known(self, tasks: Iterable[Task]) -> tuple[int, ...]:
        """Those of the tasks that are in the workflow, ascending."""
        found = [(self.numbers.get(task.name), task) for task in tasks]
        return tuple(sorted({row for row, task in found if row is not None and self.tasks[row] is task}))

    def dependencies(self, step: Task | TaskGroup) -> Sequence[Any]:
        """What a task or group depends on, as a list."""
        if isinstance(step.dependencies, (list, tuple, set, frozenset)):
            return step.dependencies  # type: ignore[return-value]
        hint = f"[{step.dependencies!r}]" if isinstance(step.dependencies, str) else "a list of names or tasks"
        message = f"dependencies of {titled(step)} are {shown(step.dependencies)}; write dependencies={hint}"
        self._problem(OptionError, message, step.where)
        return ()

    def _find(self, step: Task | TaskGroup, dependency: Any) -> int | None:
        if isinstance(dependency, Output):
            dependency = task_of(dependency)
        if isinstance(dependency, str):
            return self._find_name(step, dependency)
        if isinstance(dependency, TaskGroup):
            self._find_group(step, dependency)
            return None
        if not isinstance(dependency, Task):
            message = f"{titled(step)} depends on {shown(dependency)}; a dependency is a task, an output or a name"
            self._problem(MissingDependencyError, message, step.where)
            return None
        number = self.numbers.get(dependency.name)
        if number is None or self.tasks[number] is not dependency:
            self._tell_of_stranger(step, dependency)
            return None
        return number

    def _find_name(self, step: Task | TaskGroup, name: str) -> int | None:
        number = self.numbers.get(name)
        if name in self._groups and (number is None or isinstance(self.tasks[number], GroupExpansion)):
            self._find_group(step, self._groups[name])
            return None
        if number is None:
            message = f"{titled(step)} depends on '{name}', which does not exist{self._hint(step, name)}"
            self._problem(MissingDependencyError, message, step.where)
        return number

    def _hint(self, step: Task | TaskGroup, name: str) -> str:
        self._typos += 1
        near: Sequence[str] = [f"{group.prefix}{name}" for group in groups_around(step)]
        near = [full for full in near if full in self.numbers or full in self._groups]
        if not near and self._typos <= _MOST_HINTS:
            near = get_close_matches(name, [*self.numbers, *self._groups], 1)
        return f"; did you mean '{near[0]}'?" if near else "; add it to the workflow, or remove the dependency"

    def _find_group(self, step: Task | TaskGroup, group: TaskGroup) -> None:
        number = self.group_numbers.get(id(group))
        if number is None:
            self._tell_of_stranger(step, group)
        elif step is group or group in groups_around(step) or step in groups_around(group):
            message = f"{titled(step)} depends on {titled(group)}, and one of them is in the other: "
            self._problem(DefinitionError, f"{message}put it in order with the tasks in the group", step.where)
        else:
            self.groups_found.append(number)

    def _tell_of_stranger(self, step: Task | TaskGroup, dependency: Task | TaskGroup) -> None:
        message = f"{titled(step)} depends on {titled(dependency)} (made at {dependency.where}), "
        message += f"which was not added to workflow '{self.workflow.name}'; add it there"
        self._problem(MissingDependencyError, message, step.where)

    def _problem(self, kind: type[DefinitionError], message: str, where: str) -> None:
        self._problems.append(kind(message, where=where))


_MOST_HINTS = 20  # looking for the nearest name takes milliseconds


def titled(step: Task | TaskGroup) -> str:
    """What errors call a task or group."""
    kind = "task group" if isinstance(step, (TaskGroup, GroupExpansion)) else "task"
    return f"{kind} '{step.name}'"


def shown(value: Any) -> str:
    """A value in an error."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

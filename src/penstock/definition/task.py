"""A task: a named callable, what it waits for, and how its attempts are made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.options import NO_OPTIONS, Duration, TaskOptions
from penstock.definition.order import Order, Step, chain, steps_in
from penstock.definition.placeholder import Output, caller, task_of
from penstock.definition.scope import Scope
from penstock.errors import DefinitionError

if TYPE_CHECKING:
    from penstock.definition.group import TaskGroup
    from penstock.definition.workflow import Workflow

__all__ = ["NO_OPTIONS", "Duration", "Order", "Task", "TaskOptions", "chain"]


class Task(Step):
    """A step of a workflow.

    `func` is called with `args` and `kwargs`; a task or output among them, also inside lists, tuples and dictionaries,
    stands for its value. `dependencies` are tasks, task groups, outputs or names of tasks and groups that come first;
    they pass nothing. `expand` makes it a mapped task, with an instance for each combination of what its arguments are
    mapped over; `expand_kwargs` one with an instance for each dict of keyword arguments.
    """

    __slots__ = (
        "args",
        "expand",
        "file",
        "func",
        "group",
        "kwargs",
        "line",
        "numbered",
        "options",
        "workflow",
    )

    adds_itself = False
    """Whether a task of this class is in the workflow within which it was made."""

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        dependencies: Sequence[Task | TaskGroup | Output | str] | None = None,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        expand: Mapping[str, Any] | None = None,
        expand_kwargs: Any = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        frame = sys._getframe(1)
        self.name = name
        self.func = func
        self.dependencies: Any = dependencies if dependencies is not None else []
        self.args = args
        self.kwargs = kwargs
        self.expand: Expansion | None = None
        if expand is not None or expand_kwargs is not None:
            self.expand = Expansion(expand, NOTHING if expand_kwargs is None else expand_kwargs)
        self.options = options or NO_OPTIONS
        self.file = frame.f_code.co_filename
        self.line = frame.f_lineno
        self.numbered = False
        self._own_dependencies = False
        self.workflow: Workflow | None = None
        self.group: TaskGroup | None = None

    @property
    def where(self) -> str:
        """ "file:line" at which the task was made."""
        return f"{self.file}:{self.line}"

    @property
    def output(self) -> Output:
        """What stands for this task's value."""
        return Output(self)

    def as_setup(self) -> Task:
        """Make this task a setup: what others need is made by it. The task itself."""
        self.options = {**self.options, "setup": True}
        return self

    def as_teardown(self, *, setups: Order = (), on_failure_fail_run: bool = False) -> Task:
        """Make this task the teardown of `setups`, which become setups and come first. The task itself."""
        self.options = {**self.options, "teardown": True}
        if on_failure_fail_run:
            self.options["on_failure_fail_run"] = True
        for setup in steps_in(setups):
            if not isinstance(setup, Task):
                message = f"{setup!r} cannot be a setup: setups are tasks, outputs of tasks, or lists of them"
                raise DefinitionError(message, where=caller())
            self.run_after(setup.as_setup())
        return self

    def upstream_names(self) -> list[str]:
        """Names of the tasks that this one waits for, as written: nothing is checked."""
        found: list[str] = []
        _collect_names(self.dependencies, found, texts=True)
        _collect_names([self.args, self.kwargs], found)
        if self.expand is not None:
            _collect_names([self.expand.sources, self.expand.whole], found)
        return list(dict.fromkeys(found))

    def __enter__(self) -> Task:
        """`with teardown:` the tasks made in this block run after its setups and before it."""
        if self.options.get("teardown") is not True:
            raise DefinitionError(
                f"task '{self.name}' is no teardown, so no tasks can be made within it: "
                "make it one with @teardown or .as_teardown(setups=...)",
                where=caller(),
            )
        if self.workflow is None:
            raise DefinitionError(f"teardown '{self.name}' is in no workflow yet: add it to one first", where=caller())
        self.workflow.open_scope(Scope(self, self.workflow.group))
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.workflow is not None
        self.workflow.close_scope()

    def __repr__(self) -> str:
        return f"<Task '{self.name}'>"


def _collect_names(value: Any, found: list[str], *, texts: bool = False) -> None:
    if isinstance(value, Output):
        value = task_of(value)
    if isinstance(value, Step):
        found.append(str(value.name))
    elif texts and isinstance(value, str):
        found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect_names(item, found, texts=texts)
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect_names(item, found)

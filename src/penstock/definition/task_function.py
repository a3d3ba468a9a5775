"""What `@task` makes of a function: one that makes tasks when it is called inside a workflow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from types import FrameType
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast

from penstock.definition.expansion import Expansion
from penstock.definition.options import NO_OPTIONS, TaskOptions
from penstock.definition.order import Order
from penstock.definition.placeholder import Output, caller
from penstock.definition.task import Task
from penstock.definition.workflow import building
from penstock.errors import ArgumentsError, DefinitionError

P = ParamSpec("P")
R = TypeVar("R")


class TaskFunction(Generic[P, R]):
    """A function that makes a task when it is called inside a workflow, and is itself anywhere else."""

    __wrapped__: Callable[P, R]

    def __init__(
        self, func: Callable[P, R], options: TaskOptions, *, name: str | None = None, after: Sequence[Order] = ()
    ) -> None:
        self.func = func
        self._options = options
        self._name = name
        self._after = after
        update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside a workflow: add a task and return its output, typed as the value it stands for. Elsewhere: call."""
        workflow = building()
        if workflow is None:
            return self.func(*args, **kwargs)
        frame = sys._getframe(1)
        name = self._name or workflow.number(getattr(self.func, "__name__", "task"))
        task = Task(name, self.func, list(self._after), args=args, kwargs=kwargs, **self._options)
        task.file, task.line = frame.f_code.co_filename, frame.f_lineno
        task.numbered = self._name is None
        return cast(R, Output(workflow.add_task(task)))

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """A mapped task, with an instance for each value: `f.expand(x=[1, 2, 3])`. A value is mapped over that is a
        list, a tuple, a range, a dict (by its pairs), an output that will be one of these, or a parameter of the
        workflow. Several arguments give an instance for each combination, the last changing fastest. The output stands
        for the list of what the instances return, with None for those that return nothing."""
        _check_named(self, "expand", args)
        return self._map(Expansion(sources), None, sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """A mapped task, with an instance for each dict of arguments in a list: `f.expand_kwargs([{"x": 1, "y": 2}])`.
        The list may be an output or a parameter of the workflow."""
        return self._map(Expansion(None, source), None, sys._getframe(1))

    def partial(self, /, *args: Any, **kwargs: Any) -> PartialFunction:
        """Arguments that are the same in all instances of a mapped task: `f.partial(y=1).expand(x=[1, 2])`."""
        _check_named(self, "partial", args)
        return PartialFunction(self, kwargs)

    def _map(self, expansion: Expansion, kwargs: Mapping[str, Any] | None, frame: FrameType) -> Any:
        workflow, title = building(), getattr(self.func, "__name__", "task")
        if workflow is None:
            raise DefinitionError(
                f"'{title}' is mapped outside of a workflow: only inside of one can a task be mapped; "
                "elsewhere, call the function in a loop",
                where=f"{frame.f_code.co_filename}:{frame.f_lineno}",
            )
        task = Task(self._name or workflow.number(title), self.func, list(self._after), kwargs=kwargs, **self._options)
        task.expand = expansion
        task.file, task.line = frame.f_code.co_filename, frame.f_lineno
        task.numbered = self._name is None
        return Output(workflow.add_task(task))

    def named(self, name: str) -> TaskFunction[P, R]:
        """The same function, for a task of this name."""
        return TaskFunction(self.func, self._options, name=name, after=self._after)

    def options(
        self, *, name: str | None = None, after: Order = (), **options: Unpack[TaskOptions]
    ) -> TaskFunction[P, R]:
        """The same function with other options; `after` are tasks and groups that come first and pass nothing."""
        merged = cast(TaskOptions, {**self._options, **options})
        order = after if isinstance(after, (list, tuple)) else [after]
        return TaskFunction(self.func, merged, name=name or self._name, after=[*self._after, *order])

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A method stays a method: `self` is bound before the task is made."""
        if instance is None:
            return self
        bound = TaskFunction(self.func.__get__(instance, owner), self._options, name=self._name, after=self._after)
        return bound

    def __repr__(self) -> str:
        return f"<task function '{getattr(self.func, '__qualname__', self.func)}'>"

    def __reduce__(self) -> Any:
        """Pickled by its parts, so that process workers can call one task function from another."""
        return (TaskFunction, (self.func, self._options))


class PartialFunction:
    """A task function with some of its arguments, to be mapped over others."""

    def __init__(self, function: TaskFunction[Any, Any], kwargs: Mapping[str, Any]) -> None:
        self._function = function
        self._kwargs = kwargs

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """See TaskFunction.expand."""
        _check_named(self._function, "expand", args)
        return self._function._map(Expansion(sources), self._kwargs, sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """See TaskFunction.expand_kwargs."""
        return self._function._map(Expansion(None, source), self._kwargs, sys._getframe(1))

    def __repr__(self) -> str:
        return f"<{self._function!r} with {', '.join(self._kwargs)}>"


def with_options(func: Any, name: str | None, options: Mapping[str, Any]) -> TaskFunction[Any, Any]:
    """A function, or one that is a task function already, as a task function with these options."""
    if not isinstance(func, TaskFunction):
        return TaskFunction(func, cast(TaskOptions, options) if options else NO_OPTIONS, name=name)
    return func.options(name=name, **cast(TaskOptions, options))


def add_condition(func: Any, option: str, condition: Callable[..., object]) -> TaskFunction[Any, Any]:
    """A task function with one condition more."""
    if not isinstance(func, TaskFunction):
        raise DefinitionError(f"@task.{option}(...) stands above @task: {func!r} is no task yet", where=caller())
    if option in func._options:
        raise DefinitionError(f"{func!r} has a {option} already: put both conditions into one function", where=caller())
    return func.options(**cast(TaskOptions, {option: condition}))


def _check_named(function: TaskFunction[Any, Any], method: str, args: tuple[Any, ...]) -> None:
    if args:
        title = getattr(function.func, "__name__", "f")
        message = f"{title}.{method}() takes arguments by name: write {title}.{method}(x=...)"
        raise ArgumentsError(message, where=caller())

"""`@task` and `@workflow`: functions that describe a graph when they are called inside one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from penstock.definition.params import Parameter, bind, parameters_of
from penstock.definition.placeholder import Output, ParameterPlaceholder, caller
from penstock.definition.task import NO_OPTIONS, Duration, Order, Task, TaskOptions
from penstock.definition.workflow import Workflow, building
from penstock.errors import DefinitionError, OptionError
from penstock.policy import Callback

P = ParamSpec("P")
R = TypeVar("R")

_WORKFLOW_OPTIONS = ("timeout", "defaults", "tags", "description", "on_success", "on_failure", "on_cancel")


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

    def named(self, name: str) -> TaskFunction[P, R]:
        """The same function, for a task of this name."""
        return TaskFunction(self.func, self._options, name=name, after=self._after)

    def options(
        self, *, name: str | None = None, after: Order = (), **options: Unpack[TaskOptions]
    ) -> TaskFunction[P, R]:
        """The same function with other options; `after` are tasks that must succeed first and pass nothing."""
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


@overload
def task(func: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    *, name: str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task: `@task` or `@task(retries=3, ...)`. See TaskOptions."""
    if func is not None:
        return TaskFunction(func, NO_OPTIONS)
    return lambda func: TaskFunction(func, options, name=name)


class WorkflowFunction(Generic[P]):
    """A function that fills a workflow. Its signature is the workflow's parameters."""

    def __init__(
        self,
        func: Callable[P, object],
        *,
        name: str | None = None,
        build: Sequence[str] = (),
        options: Mapping[str, Any],
    ) -> None:
        if not hasattr(func, "__code__"):
            raise DefinitionError(
                f"{func!r} cannot describe a workflow: put @workflow on a plain function", where=caller()
            )
        self.func = func
        self.name = name or func.__name__
        self.build_names = tuple(build)
        self.parameters: dict[str, Parameter] = parameters_of(func)
        self._options = options
        self.where = f"{func.__code__.co_filename}:{func.__code__.co_firstlineno}"
        unknown = [name for name in self.build_names if name not in self.parameters]
        if unknown:
            raise OptionError(
                f"build={list(build)!r}: workflow '{self.name}' has no parameter '{unknown[0]}'", where=self.where
            )
        for option in options:
            if option not in _WORKFLOW_OPTIONS:
                near = get_close_matches(option, _WORKFLOW_OPTIONS, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(_WORKFLOW_OPTIONS)}"
                raise OptionError(f"workflow '{self.name}': there is no option '{option}'; {hint}", where=self.where)
        update_wrapper(self, func)

    def build(self, values: Mapping[str, Any] | None = None) -> Workflow:
        """The workflow for these parameters. Only those named in `build=` reach the function as values."""
        bound = bind(self.name, self.parameters, values or {}, only=self.build_names, where=self.where)
        flow = Workflow(self.name, **self._options)
        flow.where = self.where
        flow.parameters = self.parameters
        flow.build_values = {name: bound[name] for name in self.build_names}
        given = {name: flow.build_values.get(name, ParameterPlaceholder(name)) for name in self.parameters}
        positional = [given.pop(p.name) for p in self.parameters.values() if p.positional_only]
        with flow:
            self.func(*positional, **given)
        return flow

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Refused: a workflow is run by a manager."""
        raise DefinitionError(
            f"workflow '{self.name}' was called like a function: "
            f"run it with WorkflowManager().run({self.func.__name__}, ...)"
        )

    def __repr__(self) -> str:
        return f"<workflow function '{self.name}'>"


@overload
def workflow(func: Callable[P, object], /) -> WorkflowFunction[P]: ...


@overload
def workflow(
    *,
    name: str | None = None,
    build: Sequence[str] = (),
    timeout: Duration | None = None,
    defaults: TaskOptions | None = None,
    tags: Sequence[str] = (),
    description: str | None = None,
    on_success: Callback | None = None,
    on_failure: Callback | None = None,
    on_cancel: Callback | None = None,
) -> Callable[[Callable[P, object]], WorkflowFunction[P]]: ...


def workflow(
    func: Callable[P, object] | None = None, /, *, name: str | None = None, build: Sequence[str] = (), **options: Any
) -> Any:
    """Make a function describe a workflow: `@workflow` or `@workflow(name=..., defaults=..., ...)`.

    The function is called while the graph is built, with a placeholder for each parameter; those named in `build` get
    their values, and so may shape the graph. The other options are those of Workflow.
    """
    if func is not None:
        return WorkflowFunction(func, options={})
    return lambda func: WorkflowFunction(func, name=name, build=build, options=options)

"""What `@task` makes of a function: one that makes tasks when it is called inside a workflow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import update_wrapper
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from penstock.definition.expansion import Expansion
from penstock.definition.options import NO_OPTIONS, TaskOptions
from penstock.definition.order import Order
from penstock.definition.partial import Partial, check_named
from penstock.definition.placeholder import Many, Output, caller
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow, building
from penstock.errors import DefinitionError

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    T = TypeVar("T")
    K = TypeVar("K")

    class _OfAnyType:
        """Nothing is of this type, so of functions only those that return Any can return it."""

    class ListOutput(list[T], Many[T]):
        """The list that a task will return: pass it to a task, or map over it, or over what is made of it here."""

    class DictOutput(dict[K, T], Many[tuple[K, T]]):
        """The dict that a task will return: pass it to a task, or map over its pairs, or over what is made of them."""


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

    @property
    def title(self) -> str:
        """The function's own name."""
        return getattr(self.func, "__name__", "task")

    if TYPE_CHECKING:  # it is typed as what the function returns; a list or dict so that it has .map and the like too

        @overload
        def __call__(self: TaskFunction[P, _OfAnyType], *args: P.args, **kwargs: P.kwargs) -> Any: ...

        @overload
        def __call__(self: TaskFunction[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T: ...

        @overload
        def __call__(self: TaskFunction[P, list[T]], *args: P.args, **kwargs: P.kwargs) -> ListOutput[T]: ...

        @overload
        def __call__(self: TaskFunction[P, dict[K, T]], *args: P.args, **kwargs: P.kwargs) -> DictOutput[K, T]: ...

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside a workflow: add a task and return its output, typed as the value it stands for. Elsewhere: call."""
        workflow = building()
        if workflow is None:
            return self.func(*args, **kwargs)
        return self.add_to(workflow, args, kwargs, sys._getframe(1))

    def add_to(self, workflow: Workflow, args: tuple[Any, ...], kwargs: Mapping[str, Any], frame: FrameType) -> Any:
        """Add a task to a workflow that is being built, by a call in that frame; its output."""
        name = self._name or workflow.number(self.title)
        task = Task(name, self.func, list(self._after), args=args, kwargs=kwargs, **self._options)
        task.file, task.line = frame.f_code.co_filename, frame.f_lineno
        task.numbered = self._name is None
        return Output(workflow.add_task(task))

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """A mapped task, with an instance for each value: `f.expand(x=[1, 2, 3])`. A value is mapped over that is a
        list, a tuple, a range, a dict (by its pairs), an output that will be one of these, or a parameter of the
        workflow. Several arguments give an instance for each combination, the last changing fastest. The output stands
        for the list of what the instances return, with None for those that return nothing."""
        check_named(self.title, "expand", args)
        return self._map(Expansion(sources), {}, sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """A mapped task, with an instance for each dict of arguments in a list: `f.expand_kwargs([{"x": 1, "y": 2}])`.
        The list may be an output or a parameter of the workflow."""
        return self._map(Expansion(None, source), {}, sys._getframe(1))

    def partial(self, /, *args: Any, **kwargs: Any) -> Partial:
        """Arguments that are the same in all instances of a mapped task: `f.partial(y=1).expand(x=[1, 2])`."""
        check_named(self.title, "partial", args)
        return Partial(self, kwargs)

    def _map(self, expansion: Expansion, kwargs: Mapping[str, Any], frame: FrameType) -> Any:
        workflow = building()
        if workflow is None:
            raise DefinitionError(
                f"'{self.title}' is mapped outside of a workflow: only inside of one can a task be mapped; "
                "elsewhere, call the function in a loop",
                where=f"{frame.f_code.co_filename}:{frame.f_lineno}",
            )
        name = self._name or workflow.number(self.title)
        task = Task(name, self.func, list(self._after), kwargs=kwargs, **self._options)
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

"""`@task_group`: a function that fills a group of tasks when it is called inside a workflow."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import update_wrapper
from types import FrameType
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.group import GroupArgument, GroupExpansion, TaskGroup, mapped_group
from penstock.definition.options import Duration, TaskOptions
from penstock.definition.order import Order
from penstock.definition.partial import Partial, check_named
from penstock.definition.workflow import building
from penstock.errors import ArgumentsError, DefinitionError

P = ParamSpec("P")
R = TypeVar("R")


class GroupOptions(TypedDict, total=False):
    """What a group of tasks may be told. See TaskGroup."""

    prefix: bool
    """Put the group's name before the names of its tasks. Default True."""
    defaults: TaskOptions
    """Options for those of its tasks that do not set them themselves."""
    retries: int
    """How many times the group begins anew as a unit after tasks in it have failed. Default 0."""
    retry_delay: Duration
    """Pause before it begins anew for the first time: seconds or timedelta. Default 0."""
    retry_backoff: float
    """Each further pause is this many times the one before. Default 1."""
    max_retry_delay: Duration | None
    """No pause is longer. Default: no bound."""
    tooltip: str | None
    """What is told of the group where it is drawn."""
    after: Order
    """What runs before the group."""


class GroupFunction(Generic[P, R]):
    """A function that fills a group when it is called inside a workflow, and is itself anywhere else."""

    __wrapped__: Callable[P, R]

    def __init__(self, func: Callable[P, R], options: GroupOptions, *, name: str | None = None) -> None:
        self.func = func
        self._options = options
        self._name = name
        update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside a workflow: fill a group, and give what the function returns, or else the group, which can be put in
        order. Elsewhere: call."""
        if building() is None:
            return self.func(*args, **kwargs)
        group = self._group(sys._getframe(1))
        with group:
            returned = self.func(*args, **kwargs)
        return cast(R, group) if returned is None else returned

    def named(self, name: str) -> GroupFunction[P, R]:
        """The same function, for a group of this name."""
        return GroupFunction(self.func, self._options, name=name)

    def options(self, *, name: str | None = None, **options: Unpack[GroupOptions]) -> GroupFunction[P, R]:
        """The same function with other options."""
        merged = cast(GroupOptions, {**self._options, **options})
        return GroupFunction(self.func, merged, name=name or self._name)

    def partial(self, /, *args: Any, **kwargs: Any) -> Partial:
        """Arguments that are the same in all instances of a mapped group: `g.partial(y=1).expand(x=[1, 2])`."""
        check_named(self.title, "partial", args)
        return Partial(self, kwargs)

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """A mapped group, with an instance for each combination of the values of `sources`; see TaskFunction.expand.
        The function is called once. What it returns stands, outside, for the list over all instances."""
        check_named(self.title, "expand", args)
        return self._map(Expansion(sources), {}, sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """A mapped group, with an instance for each dict of arguments in a list."""
        return self._map(Expansion(None, source), {}, sys._getframe(1))

    @property
    def title(self) -> str:
        """The function's own name."""
        return getattr(self.func, "__name__", "group")

    def _group(self, frame: FrameType) -> TaskGroup:
        workflow = building()
        if workflow is None:
            raise DefinitionError(
                f"'{self.title}' is mapped outside of a workflow: only inside of one can a group be mapped",
                where=f"{frame.f_code.co_filename}:{frame.f_lineno}",
            )
        group = TaskGroup(self._name or workflow.number_group(self.title), **self._options)
        group.numbered = group.numbered or self._name is None
        group.file, group.line = frame.f_code.co_filename, frame.f_lineno
        return group

    def _map(self, expansion: Expansion, kwargs: Mapping[str, Any], frame: FrameType) -> Any:
        group = self._group(frame)
        around = mapped_group(group)
        if around is not None:
            message = f"task group '{group.name}' is mapped within '{around.name}', which is mapped: "
            raise DefinitionError(f"{message}map only one of them", where=group.where)
        arguments = self._stand_ins(group, expansion, kwargs)
        group.workflow.add_task(GroupExpansion(group, expansion, arguments))
        given = {**arguments, **kwargs}
        with group:
            returned = self._call(given, group.where)
        return group if returned is None else returned

    def _stand_ins(self, group: TaskGroup, expansion: Expansion, kwargs: Mapping[str, Any]) -> dict[str, GroupArgument]:
        """What stands for the mapped arguments while the function is called."""
        if expansion.whole is NOTHING:
            both = next((name for name in expansion.sources if name in kwargs), None)
            if both is not None:
                message = f"argument '{both}' of task group '{group.name}' is both mapped and partial; give it once"
                raise ArgumentsError(message, where=group.where)
            return {name: GroupArgument(name, group) for name in expansion.sources}
        parameters = inspect.signature(self.func).parameters.values()
        return {
            parameter.name: GroupArgument(
                parameter.name, group, NOTHING if parameter.default is parameter.empty else parameter.default
            )
            for parameter in parameters
            if parameter.name not in kwargs
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }

    def _call(self, given: Mapping[str, Any], where: str) -> Any:
        func: Callable[..., Any] = self.func
        wanted = inspect.signature(func)
        try:
            wanted.bind(**given)
        except TypeError as error:
            message = f"the arguments of task group '{self.title}' do not fit {self.title}{wanted}: {error}"
            raise ArgumentsError(message, where=where) from None
        return func(**given)

    def __reduce__(self) -> Any:
        """Pickled by its parts, so that process workers can call it."""
        return (GroupFunction, (self.func, self._options))

    def __repr__(self) -> str:
        return f"<task group function '{getattr(self.func, '__qualname__', self.func)}'>"


@overload
def task_group(func: Callable[P, R], /) -> GroupFunction[P, R]: ...


@overload
def task_group(
    *, name: str | None = None, **options: Unpack[GroupOptions]
) -> Callable[[Callable[P, R]], GroupFunction[P, R]]: ...


def task_group(
    func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Unpack[GroupOptions]
) -> Any:
    """Make a function a group of tasks: `@task_group` or `@task_group(name=..., retries=2, ...)`. See TaskGroup."""
    if func is not None:
        return GroupFunction(func, {})
    return lambda func: GroupFunction(func, options, name=name)

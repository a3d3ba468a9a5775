"""`@workflow`: a function that describes a workflow, and is a task of another where it is called inside that."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, tzinfo
from difflib import get_close_matches
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, overload

from penstock.definition.expansion import Expansion
from penstock.definition.options import NO_OPTIONS, Duration, TaskOptions
from penstock.definition.order import Order
from penstock.definition.params import Parameter, bind, parameters_of
from penstock.definition.partial import Partial, check_named
from penstock.definition.placeholder import ParameterPlaceholder, caller
from penstock.definition.sub_workflow import WorkflowCall
from penstock.definition.task_function import TaskFunction
from penstock.definition.workflow import Workflow, building
from penstock.errors import DefinitionError, OptionError
from penstock.policy import Callback, CatchUp, RunStateRule

if TYPE_CHECKING:
    from penstock.definition.task_function import DictOutput, ListOutput

    T = TypeVar("T")
    K = TypeVar("K")

P = ParamSpec("P")
R = TypeVar("R")

_WORKFLOW_OPTIONS = (
    "timeout",
    "defaults",
    "tags",
    "description",
    "fail_fast",
    "run_state",
    "max_active_tasks",
    "on_start",
    "on_success",
    "on_failure",
    "on_cancel",
    "schedule",
    "timezone",
    "start",
    "end",
    "catchup",
    "max_active_runs",
    "deadline",
    "on_deadline",
)


class WorkflowFunction(Generic[P, R]):
    """A function that fills a workflow. Its signature is the workflow's parameters, and what it returns is what a run
    gives to the workflow that it is a task of."""

    def __init__(
        self,
        func: Callable[P, R],
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
        secret = [name for name in self.build_names if name in self.parameters and self.parameters[name].is_secret]
        if secret:
            raise OptionError(
                f"build={list(build)!r}: '{secret[0]}' of workflow '{self.name}' is a secret, which cannot shape the "
                "graph: the graph is kept and shown",
                where=self.where,
            )
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
        flow = self.unfilled()
        flow.build_values = {name: bound[name] for name in self.build_names}
        given = {name: flow.build_values.get(name, ParameterPlaceholder(name)) for name in self.parameters}
        positional = [given.pop(p.name) for p in self.parameters.values() if p.positional_only]
        flow.made_by = self
        with flow:
            flow.result = self.func(*positional, **given)
        return flow

    def unfilled(self) -> Workflow:
        """The workflow with its options and parameters, and without its tasks."""
        flow = Workflow(self.name, **self._options)
        flow.where = self.where
        flow.parameters = self.parameters
        return flow

    if TYPE_CHECKING:  # as the call of a task function is typed

        @overload
        def __call__(self: WorkflowFunction[P, list[T]], *args: P.args, **kwargs: P.kwargs) -> ListOutput[T]: ...

        @overload
        def __call__(self: WorkflowFunction[P, dict[K, T]], *args: P.args, **kwargs: P.kwargs) -> DictOutput[K, T]: ...

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside another workflow: add a task that runs this one as a run of its own, and return its output. Elsewhere
        refused: a workflow is run by a manager."""
        workflow = building()
        if workflow is None:
            raise DefinitionError(
                f"workflow '{self.name}' was called like a function: run it with "
                f"WorkflowManager().run({self.func.__name__}, ...), or call it inside another workflow"
            )
        return self._as_task().add_to(workflow, args, kwargs, sys._getframe(1))

    # --- As a task of another workflow

    @property
    def detached(self) -> TaskFunction[P, str]:
        """The same, for a task that only begins a run: it does not wait for its end, and its value is the run's id."""
        return TaskFunction(WorkflowCall(self, wait=False), NO_OPTIONS)

    def named(self, name: str) -> TaskFunction[P, R]:
        """The same, for a task of this name."""
        return self._as_task().named(name)

    def options(
        self, *, name: str | None = None, after: Order = (), **options: Unpack[TaskOptions]
    ) -> TaskFunction[P, R]:
        """The same, for a task with these options; `after` are tasks and groups that come first and pass nothing."""
        return self._as_task().options(name=name, after=after, **options)

    def partial(self, /, *args: Any, **kwargs: Any) -> Partial:
        """Parameters that are the same in all instances of a mapped task: `f.partial(y=1).expand(x=[1, 2])`."""
        return self._as_task().partial(*args, **kwargs)

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """A mapped task, with a run for each value of a parameter; see TaskFunction.expand."""
        check_named(self.name, "expand", args)
        return self._as_task()._map(Expansion(sources), {}, sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """A mapped task, with a run for each dict of parameters in a list."""
        return self._as_task()._map(Expansion(None, source), {}, sys._getframe(1))

    def _as_task(self) -> TaskFunction[P, R]:
        return TaskFunction(WorkflowCall(self), NO_OPTIONS)

    def __repr__(self) -> str:
        return f"<workflow function '{self.name}'>"


@overload
def workflow(func: Callable[P, R], /) -> WorkflowFunction[P, R]: ...


@overload
def workflow(
    *,
    name: str | None = None,
    build: Sequence[str] = (),
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
) -> Callable[[Callable[P, R]], WorkflowFunction[P, R]]: ...


def workflow(
    func: Callable[P, R] | None = None, /, *, name: str | None = None, build: Sequence[str] = (), **options: Any
) -> Any:
    """Make a function describe a workflow: `@workflow` or `@workflow(name=..., defaults=..., ...)`.

    The function is called while the graph is built, with a placeholder for each parameter; those named in `build` get
    their values, and so may shape the graph. The other options are those of Workflow.
    """
    if func is not None:
        return WorkflowFunction(func, options={})
    return lambda func: WorkflowFunction(func, name=name, build=build, options=options)

"""`@task`, `@setup`, `@teardown` and `@workflow`: functions that describe a graph when they are called inside one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from penstock.definition.options import Condition, Duration, TaskOptions
from penstock.definition.params import Parameter, bind, parameters_of
from penstock.definition.placeholder import ParameterPlaceholder, caller
from penstock.definition.task_function import TaskFunction, add_condition, with_options
from penstock.definition.workflow import Workflow
from penstock.errors import DefinitionError, OptionError
from penstock.policy import Callback, RunStateRule

P = ParamSpec("P")
R = TypeVar("R")
B = TypeVar("B", bound="str | Iterable[str] | Coroutine[Any, Any, str | Iterable[str] | None] | None")
"""What a branch returns: the name, or the names, of what is to run."""

_WORKFLOW_OPTIONS = (
    "timeout",
    "defaults",
    "tags",
    "description",
    "fail_fast",
    "run_state",
    "on_start",
    "on_success",
    "on_failure",
    "on_cancel",
)


class TaskDecorator:
    """`@task`, and what is written with a dot after it. Not made by users."""

    @overload
    def __call__(self, func: Callable[P, R], /) -> TaskFunction[P, R]: ...

    @overload
    def __call__(
        self, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...

    def __call__(self, func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function a task: `@task` or `@task(retries=3, ...)`. See TaskOptions."""
        return _decorate(func, name, options)

    @overload
    def branch(self, func: Callable[P, B], /) -> TaskFunction[P, B]: ...

    @overload
    def branch(
        self, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, B]], TaskFunction[P, B]]: ...

    def branch(self, func: Callable[P, B] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function a task that chooses: it returns the names of those of its direct downstreams (tasks, or
        groups) that are to run, or one name, or None; the others are skipped. If it is annotated to return a Literal,
        the names in it are checked before anything runs."""
        return _decorate(func, name, {**options, "branch": True})

    @overload
    def short_circuit(self, func: Callable[P, R], /) -> TaskFunction[P, R]: ...

    @overload
    def short_circuit(
        self, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...

    def short_circuit(self, func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function a task after which all that is below it is skipped, unless it returns something true. With
        `ignore_downstream_trigger_rules=False` its direct downstreams are, and their rules say what follows."""
        return _decorate(func, name, {**options, "short_circuit": True})

    @overload
    def sensor(self, func: Callable[P, Any], /) -> TaskFunction[P, Any]: ...

    @overload
    def sensor(
        self,
        /,
        *,
        name: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> Callable[[Callable[P, Any]], TaskFunction[P, Any]]: ...

    def sensor(
        self,
        func: Callable[P, Any] | None = None,
        /,
        *,
        name: str | None = None,
        timeout: Duration | None = 604_800.0,
        **options: Any,
    ) -> Any:
        """Make a function a task that waits for something outside: it is called every `poll_interval` seconds until it
        returns True or Done(value), and holds no worker in between. After `timeout` seconds it fails, without retries,
        or is skipped with `soft_fail`."""
        return _decorate(func, name, {**options, "sensor": True, "poll_timeout": timeout})

    def run_if(self, condition: Condition, /) -> Callable[[TaskFunction[P, R]], TaskFunction[P, R]]:
        """Above `@task`: skip the task, before its body, unless the condition returns something true."""
        return lambda func: add_condition(func, "run_if", condition)

    def skip_if(self, condition: Condition, /) -> Callable[[TaskFunction[P, R]], TaskFunction[P, R]]:
        """Above `@task`: skip the task, before its body, if the condition returns something true."""
        return lambda func: add_condition(func, "skip_if", condition)

    def __repr__(self) -> str:
        return "<the decorator @task>"

    def __reduce__(self) -> str:
        return "task"  # by its name, as a function is


task = TaskDecorator()
"""Make a function a task: `@task` or `@task(retries=3, ...)`. See TaskOptions."""


@overload
def setup(func: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def setup(
    *, name: str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def setup(func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a setup, which makes what other tasks need: `@setup` or `@setup(retries=3, ...)`."""
    return _decorate(func, name, {**options, "setup": True})


@overload
def teardown(func: Callable[P, object], /) -> TaskFunction[P, Any]: ...


@overload
def teardown(
    *, name: str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, object]], TaskFunction[P, Any]]: ...


def teardown(func: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a teardown, which clears away what its setups made: `@teardown` or
    `@teardown(on_failure_fail_run=True)`. Its setups are the setups among its direct upstreams."""
    return _decorate(func, name, {**options, "teardown": True})


def _decorate(func: Callable[..., Any] | None, name: str | None, options: Mapping[str, Any]) -> Any:
    if func is not None:
        return with_options(func, name, options)
    return lambda func: with_options(func, name, options)


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
    fail_fast: bool = False,
    run_state: RunStateRule = "any",
    defaults: TaskOptions | None = None,
    tags: Sequence[str] = (),
    description: str | None = None,
    on_start: Callback | None = None,
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

"""`@task`, `@setup` and `@teardown`: functions that make tasks when they are called inside a workflow."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from penstock.definition.options import Condition, Duration, TaskOptions
from penstock.definition.task_function import TaskFunction, add_condition, with_options

P = ParamSpec("P")
R = TypeVar("R")
B = TypeVar("B", bound="str | Iterable[str] | Coroutine[Any, Any, str | Iterable[str] | None] | None")
"""What a branch returns: the name, or the names, of what is to run."""


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

    @overload
    def approval(self, func: Callable[..., R], /) -> TaskFunction[..., R]: ...

    @overload
    def approval(
        self, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[..., R]], TaskFunction[..., R]]: ...

    def approval(self, func: Callable[..., R] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
        """Make a function a task that asks a person: for its parameters that its call in the workflow leaves open, by
        their annotations. The docstring is what the person is asked. The body is called with all of them when the
        answer is there, and no worker is held until then. After `deadline` seconds the answer is `default`, a dict of
        the inputs; without one the task fails."""
        return _decorate(func, name, {**options, "approval": True})

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

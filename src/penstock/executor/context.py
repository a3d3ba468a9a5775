"""What all attempts of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.clock import SYSTEM, Clock
from penstock.definition.task import Task
from penstock.executor.values import parameter
from penstock.logs.base import Stream
from penstock.plan.plan import Plan
from penstock.plan.wiring import fill_in

if TYPE_CHECKING:
    from penstock.engine.events import ValueRef
    from penstock.executor.base import Attempt
    from penstock.executor.values import RunValues
    from penstock.results.base import ResultStore

WriteLog = Callable[[int, int, int, Stream, str], None]
"""Keep text of an attempt: task, generation, attempt, stream, text."""


class AttemptContext(Protocol):
    """What the steps of an attempt take from its run, in whichever process they are made."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def workflow(self) -> str:
        """The workflow's name."""

    @property
    def params(self) -> Mapping[str, Any]:
        """The workflow's parameters."""

    @property
    def write_log(self) -> WriteLog:
        """Where text goes."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    def name(self, task: int) -> str:
        """The task's name."""

    def function(self, task: int) -> Callable[..., Any]:
        """The task's body."""

    def arguments(self, task: int) -> tuple[Any, Any]:
        """Positional and keyword arguments for the body, made for one attempt."""

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what the body returned."""

    def retry_on(self, task: int) -> Any:
        """The exceptions after which the task is tried again."""

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of this attempt is safe: on disk, where the store has one. StoreError if it cannot be
        made so."""


@dataclass(slots=True)
class RunContext:
    """A run, as its attempts see it in the process that drives it."""

    run_id: str
    plan: Plan
    tasks: tuple[Task, ...]
    """The task behind each row of the plan."""
    defaults: Mapping[str, Any]
    """The workflow's default options."""
    params: Mapping[str, Any]
    results: ResultStore
    values: RunValues
    write_log: WriteLog
    commit: Callable[[Attempt], None] = lambda attempt: None
    """Makes the start of an attempt safe, for the driver that knows how."""
    clock: Clock = SYSTEM

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self.plan.workflow

    def name(self, task: int) -> str:
        """The task's name."""
        return self.plan.names[task]

    def function(self, task: int) -> Callable[..., Any]:
        """The task's body."""
        return self.tasks[task].func

    def arguments(self, task: int) -> tuple[Any, Any]:
        """Positional and keyword arguments, with values in the place of outputs and parameters."""

        def load(upstream: str) -> Any:
            return self.values.take(self.plan.numbers[upstream])

        made = self.tasks[task]
        return fill_arguments(made.args, made.kwargs, load, self.params)

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what a task returned."""
        return self.values.keep(task, value)

    def retry_on(self, task: int) -> Any:
        """The exceptions after which a task is tried again."""
        return self.tasks[task].options.get("retry_on", self.defaults.get("retry_on", Exception))

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of this attempt is safe."""
        self.commit(attempt)


def fill_arguments(
    args: Any, kwargs: Any, load: Callable[[str], Any], params: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A task's arguments with values in the place of what stands for them; `load` gets a task's value by its name."""
    if not args and not kwargs:
        return (), {}
    loaded: dict[str, Any] = {}  # a value that occurs twice among the arguments is one object

    def task_value(upstream: Task) -> Any:
        if upstream.name not in loaded:
            loaded[upstream.name] = load(upstream.name)
        return loaded[upstream.name]

    def parameter_value(name: str) -> Any:
        return parameter(params, name)

    filled = tuple(fill_in(argument, task_value, parameter_value) for argument in args)
    return filled, {name: fill_in(item, task_value, parameter_value) for name, item in (kwargs or {}).items()}

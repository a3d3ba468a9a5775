"""What all attempts of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from penstock.clock import SYSTEM, Clock
from penstock.definition.options import options_of
from penstock.definition.secret import has_secrets
from penstock.definition.task import Task
from penstock.executor.arguments import Arguments
from penstock.executor.caught import MOST_CAUGHT, CaughtError
from penstock.executor.handling import PLAIN, Handling
from penstock.logs.base import Stream
from penstock.plan.choices import choices
from penstock.plan.plan import Plan

if TYPE_CHECKING:
    from penstock.engine.events import ErrorText, ValueRef
    from penstock.engine.run import RunEngine
    from penstock.executor.base import Attempt
    from penstock.executor.requests import Requests
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
    def results(self) -> ResultStore:
        """Where large values are kept."""

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

    def handling(self, task: int) -> Handling:
        """How it is taken what the body does."""

    def keep_error(self, task: int, error: BaseException, text: ErrorText, *, final: bool) -> ErrorText:
        """The text of an error with the exception itself, if it is final (no other attempt can follow, or none is left)
        and can be kept. Never raises."""

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of this attempt is safe: on disk, where the store has one. StoreError if it cannot be
        made so."""

    def is_latest(self) -> bool:
        """Whether no newer run of the workflow has been created. StoreError if that cannot be found out."""


@dataclass(slots=True)
class RunContext:
    """A run, as its attempts see it in the process that drives it."""

    run_id: str
    engine: RunEngine
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
    look_for_newer: Callable[[], bool] = lambda: False
    """Says whether a newer run of the workflow has been created, for whoever has the store."""
    clock: Clock = SYSTEM
    caught: int = 0
    """How many exceptions there are as the very objects."""
    handlings: dict[int, Handling] = field(default_factory=dict)
    """By row, as they are first asked for."""
    requests: Requests | None = None
    """What is sent of it to worker processes, once it is; made by one thread only, under `guard`."""
    guard: Lock = field(default_factory=Lock)
    filling: Arguments = field(init=False)

    def __post_init__(self) -> None:
        self.filling = Arguments(self.plan, self.tasks, self.engine, self.values, self.params)

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self.plan.workflow

    def name(self, task: int) -> str:
        """The task's name, and its index if it has one."""
        return self.engine.name(task)

    def function(self, task: int) -> Callable[..., Any]:
        """The task's body."""
        return self.tasks[self.engine.row(task)].func

    def arguments(self, task: int) -> tuple[Any, Any]:
        """Positional and keyword arguments, with values in the place of outputs and parameters."""
        return self.filling.of(task)

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what a task returned."""
        return self.values.keep(task, value)

    def handling(self, task: int) -> Handling:
        """How it is taken what a task's body does. Tasks that are handled alike have the very same object."""
        row = self.engine.row(task)
        options = options_of(self.tasks[row], self.defaults)
        if not options:
            return PLAIN
        if row not in self.handlings:
            decides = self.plan.policies[row].decides
            names = choices(self.plan, row) if decides == "branch" else None
            made = Handling.of(options, decides, names, polls=self.plan.policies[row].polling is not None)
            self.handlings[row] = PLAIN if made == PLAIN else made
        return self.handlings[row]

    def keep_error(self, task: int, error: BaseException, text: ErrorText, *, final: bool) -> ErrorText:
        """The text of an error with the exception itself, also as the very object for the first few."""
        if not final and not self.is_last(task):
            return text
        from penstock.results.exceptions import keep_exception

        kept = text._replace(kept=keep_exception(error))
        if self.caught >= MOST_CAUGHT or (has_secrets() and not kept.kept):  # it may have a secret in it
            return kept
        self.caught += 1
        return CaughtError.of(kept, error)

    def is_last(self, task: int) -> bool:
        """Whether no attempt of the task is left after this one."""
        return self.engine.failures.get(task, 0) >= self.engine.policy(task).retries

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of this attempt is safe."""
        self.commit(attempt)

    def is_latest(self) -> bool:
        """Whether no newer run of the workflow has been created."""
        return not self.look_for_newer()

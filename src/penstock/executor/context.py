"""What all attempts of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from penstock.clock import SYSTEM, Clock
from penstock.definition.options import options_of
from penstock.definition.secret import has_secrets
from penstock.definition.sub_workflow import WorkflowCall
from penstock.definition.task import Task
from penstock.executor.arguments import Arguments
from penstock.executor.caught import MOST_CAUGHT, CaughtError
from penstock.executor.handling import PLAIN, Handling
from penstock.executor.logical_time import NO_TIME, LogicalTime
from penstock.executor.prepared import Prepared
from penstock.logs.base import Stream
from penstock.plan.approval_options import asked_of
from penstock.plan.choices import choices
from penstock.plan.plan import Plan

if TYPE_CHECKING:
    from penstock.engine.events import ErrorText, ValueRef
    from penstock.engine.run import RunEngine
    from penstock.executor.base import Attempt
    from penstock.executor.letters import Letter
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
    def logical_time(self) -> LogicalTime:
        """The time that the run is for."""

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

    def prepared(self, task: int) -> Prepared:
        """The task's body with its arguments, made for one attempt."""

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

    def letter(self, task: int, topic: str) -> Letter | None:
        """The message of this topic that the task was given, if it was. StoreError or ValueUnavailable if it cannot be
        read."""

    def asked_since(self, task: int, topic: str | None) -> float | None:
        """When the task first waited for a message of this topic, in seconds since 1970; without a topic, when it first
        came too early. None if it never did."""

    def state_of(self, run_id: str) -> tuple[str, str]:
        """The whole id of a run in the same store, and its state as its row has it. RunNotFound; StoreError."""


class Children(Protocol):
    """The runs that are tasks of a run, for whoever can begin runs."""

    def run(self, task: int, call: WorkflowCall, params: Mapping[str, Any]) -> Any:
        """What the workflow of a task gives. Defer while it goes on; RunFailed if it came to nothing."""


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
    logical_time: LogicalTime = NO_TIME
    commit: Callable[[Attempt], None] = lambda attempt: None
    """Makes the start of an attempt safe, for the driver that knows how."""
    look_for_newer: Callable[[], bool] = lambda: False
    """Says whether a newer run of the workflow has been created, for whoever has the store."""
    look_up: Callable[[str], tuple[str, str]] = lambda run_id: (run_id, "")
    """Says the whole id and the state of another run, likewise."""
    children: Children | None = None
    """Runs the workflows that tasks of it are."""
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
        """The task's body; for one that runs a workflow, what does so."""
        func = self.tasks[task if task < self.engine.size else self.engine.row(task)].func
        if type(func) is WorkflowCall and self.children is not None:
            return partial(self._run_workflow, self.children, task, func)
        return func

    def _run_workflow(self, children: Children, task: int, call: WorkflowCall, *args: Any, **kwargs: Any) -> Any:
        from penstock.executor.current import running
        from penstock.executor.invoke import insist

        attempt, given = running.get(), call.named(args, kwargs)
        assert attempt is not None
        return insist(attempt, children.run, task, call, given)

    def arguments(self, task: int) -> tuple[Any, Any]:
        """Positional and keyword arguments, with values in the place of outputs and parameters."""
        return self.filling.of(task)

    def prepared(self, task: int) -> Prepared:
        """The task's body with its arguments, made for one attempt."""
        args, kwargs = self.filling.of(task)
        row = task if task < self.engine.size else self.engine.row(task)
        task_ = self.tasks[row]
        if task_.options or self.defaults or task_.group is not None or type(task_.func) is WorkflowCall:
            return Prepared(self.function(task), args, kwargs, self._handling(row))
        return Prepared(task_.func, args, kwargs, PLAIN)

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what a task returned."""
        return self.values.keep(task, value)

    def handling(self, task: int) -> Handling:
        """How it is taken what a task's body does. Tasks that are handled alike have the very same object."""
        return self._handling(task if task < self.engine.size else self.engine.row(task))

    def _handling(self, row: int) -> Handling:
        task = self.tasks[row]
        options = options_of(task, self.defaults) if self.defaults or task.group is not None else task.options
        if not options and type(task.func) is not WorkflowCall:
            return PLAIN
        if row not in self.handlings:
            self.handlings[row] = self._new_handling(row, options)
        return self.handlings[row]

    def _new_handling(self, row: int, options: Mapping[str, Any]) -> Handling:
        from penstock.executor.decisions import Asks

        policy = self.plan.policies[row]
        decides = policy.decides
        names = choices(self.plan, row) if decides == "branch" else None
        asks = None if policy.asking is None else Asks(policy.asking, asked_of(self.tasks[row]))
        polls, runs_workflow = policy.polling is not None, policy.workflow is not None
        made = Handling.of(options, decides, names, polls=polls, asks=asks, runs_workflow=runs_workflow)
        return PLAIN if made == PLAIN else made

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

    def letter(self, task: int, topic: str) -> Letter | None:
        """The message of this topic that the task was given."""
        message = self.engine.letters.get(task, {}).get(topic)
        if message is None:
            return None
        from penstock.executor.letters import Letter
        from penstock.results.values import load_value

        return Letter(load_value(message.value, self.results), message.by, message.at)

    def asked_since(self, task: int, topic: str | None) -> float | None:
        """When the task first waited for a message, or came too early."""
        if topic is None:
            return self.engine.waiting_since.get(task)
        return self.engine.asked.get(task, {}).get(topic)

    def state_of(self, run_id: str) -> tuple[str, str]:
        """The whole id of a run in the same store, and its state."""
        return self.look_up(run_id)

"""What a worker process is sent of a run and its tasks, in the place of the run's own objects. `Requests` sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.clock import SYSTEM, Clock
from penstock.code.travel import loads
from penstock.engine.events import ErrorText, ValueRef
from penstock.errors import CannotTravel, RunNotFound, StoreError, ValueUnavailable
from penstock.executor.arguments import fill_arguments
from penstock.executor.base import Attempt
from penstock.executor.channel import Sender
from penstock.executor.context import WriteLog
from penstock.executor.driver_link import DriverLink
from penstock.executor.driver_results import DriverResults
from penstock.executor.handling import PLAIN, Handling
from penstock.executor.letters import Letter
from penstock.executor.logical_time import NO_TIME, LogicalTime
from penstock.executor.prepared import Prepared
from penstock.executor.values import GAP
from penstock.results.base import ResultStore
from penstock.results.values import VOLATILE, load_value, store_value

SentValue = tuple[Any, ...] | list[tuple[Any, ...] | None] | None


class SentTask:
    """What was sent of a task for one attempt."""

    def __init__(
        self,
        name: str,
        function: int,
        pickled_function: tuple[bytes, bytes] | None,
        pickled_arguments: bytes | None,
        values: dict[str, SentValue],
        wanted: bool,
        last: bool,
    ) -> None:
        self.name = name
        self.function = function
        """Which of the functions that were sent it calls."""
        self.pickled_function = pickled_function
        """That function and how it is handled, if they were not sent before."""
        self.pickled_arguments = pickled_arguments
        self.values = values
        """References to the values among the arguments, by task: a list for a map, () where there is no value."""
        self.wanted = wanted
        """Whether another task takes what this one returns."""
        self.last = last
        """Whether no attempt is left after this one."""


class SentRun:
    """The run, as far as it was sent: what `RunContext` is in the driver's process."""

    task: SentTask

    clock: Clock = SYSTEM

    def __init__(
        self,
        messages: Sender,
        link: DriverLink,
        run_id: str,
        workflow: str,
        params: bytes,
        results: bytes | None,
        logical_time: tuple[Any, ...] = NO_TIME,
    ) -> None:
        self.run_id = run_id
        self.logical_time = LogicalTime(*logical_time)
        self.workflow = workflow
        self.params: Mapping[str, Any] = {}
        self.results: ResultStore = DriverResults(link)
        self._messages = messages
        self._link = link
        self._names: dict[int, str] = {}
        self._pickled: dict[int, tuple[bytes, bytes]] = {}
        self._functions: dict[int, tuple[Callable[..., Any], Handling]] = {}
        self._failure: CannotTravel | None = None
        try:
            self.params = loads(params)
            if results is not None:
                self.results = loads(results)
        except CannotTravel as error:
            self._failure = CannotTravel(f"the workflow's parameters cannot be read in a worker process: {error}")

    @property
    def write_log(self) -> WriteLog:
        """Where text goes."""
        return lambda task, generation, attempt, stream, text: self._messages.send("print", stream, text)

    def begin(self, number: int, task: SentTask) -> None:
        """From here on, this is the task."""
        self.task = task
        self._names[number] = task.name
        if task.pickled_function is not None:
            self._pickled[task.function] = task.pickled_function

    def name(self, task: int) -> str:
        """The task's name. Threads that earlier bodies left behind may ask for theirs."""
        return self._names[task]

    def function(self, task: int) -> Callable[..., Any]:
        """The task's body."""
        return self._function()[0]

    def handling(self, task: int) -> Handling:
        """How it is taken what the body does."""
        try:
            return self._function()[1]
        except CannotTravel:
            return PLAIN

    def prepared(self, task: int) -> Prepared:
        """The task's body with its arguments."""
        args, kwargs = self._arguments(task)
        return Prepared(self.function(task), args, kwargs, self.handling(task))

    def _arguments(self, task: int) -> tuple[Any, Any]:
        if self._failure is not None:
            raise self._failure
        self._function()  # first, since what imports its modules may make arguments readable
        if self.task.pickled_arguments is None:
            return (), {}
        args, kwargs = self._read(self.task.pickled_arguments, "arguments")
        taken: dict[str, Any] = {}  # a value that occurs twice among the arguments is one object

        def load(name: str) -> Any:
            if name not in taken:
                taken[name] = self._load(name)
            return taken[name]

        return fill_arguments(self.function(task), args, kwargs, load, self.params)

    def keep(self, task: int, value: Any) -> ValueRef | None:
        """Store what the body returned."""
        ref = store_value(value, self.results)
        if ref == VOLATILE and self.task.wanted:
            raise ValueUnavailable(
                f"it returned a {type(value).__qualname__}, which cannot leave its process, and another task takes it: "
                "return something that can be pickled, or use executor='threads'"
            )
        return ref

    def keep_error(self, task: int, error: BaseException, text: ErrorText, *, final: bool) -> ErrorText:
        """The text of an error with the exception itself, if that can be kept and none follows it."""
        if not final and not self.task.last:
            return text
        from penstock.results.exceptions import keep_exception

        return text._replace(kept=keep_exception(error))

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of this attempt is safe, which the driver's process sees to."""
        self._ask("commit", attempt=attempt)

    def is_latest(self) -> bool:
        """Whether no newer run of the workflow has been created, as the driver's process sees it."""
        return bool(self._ask("latest"))

    def letter(self, task: int, topic: str) -> Letter | None:
        """The message of this topic that the task was given, which the driver's process knows."""
        told = self._ask("letter", topic)
        if told is None:
            return None
        ref, by, at = told
        return Letter(self._value(ref), by, at)

    def asked_since(self, task: int, topic: str | None) -> float | None:
        """When the task first waited for a message, or came too early."""
        since: float | None = self._ask("asked since", topic)
        return since

    def state_of(self, run_id: str) -> tuple[str, str]:
        """The whole id of a run and its state, as the driver's process sees it."""
        found: tuple[str, str] | str = self._ask("state", run_id)
        if isinstance(found, str):
            raise RunNotFound(found)
        return found

    def _ask(self, kind: str, *content: Any, attempt: Attempt | None = None) -> Any:
        answer, failure = self._link.ask(kind, *content, attempt=attempt)
        if failure is not None:
            raise StoreError(failure)
        return answer

    def _function(self) -> tuple[Callable[..., Any], Handling]:
        number = self.task.function
        if number not in self._functions:
            func, handling = self._pickled[number]
            self._functions[number] = self._read(func, "function"), self._read(handling, "options")
            del self._pickled[number]
        return self._functions[number]

    def _read(self, pickled: bytes, what: str) -> Any:
        try:
            return loads(pickled)
        except CannotTravel as error:
            raise CannotTravel(
                f"the {what} of task '{self.task.name}' cannot be made in a worker process: {error}"
            ) from error.__cause__

    def _value(self, ref: tuple[Any, ...] | None) -> Any:
        return load_value(None if ref is None else ValueRef(*ref), self.results)

    def _load(self, upstream: str) -> Any:
        ref = self.task.values[upstream]
        if ref == ():
            return GAP
        try:
            if isinstance(ref, list):
                return [self._value(one) for one in ref]
            return self._value(ref)
        except ValueUnavailable as error:
            raise ValueUnavailable(f"the value of task '{upstream}': {error}") from error

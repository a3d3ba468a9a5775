"""What of a run is sent to its worker processes. A function is pickled once, and goes to each process once."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any

from penstock.code.travel import dumps
from penstock.definition.secret import leaving
from penstock.errors import CannotTravel
from penstock.executor.base import Attempt
from penstock.executor.context import RunContext
from penstock.executor.sent import SentValue
from penstock.executor.values import GAP
from penstock.plan.naming import LOADED_FROM
from penstock.plan.wiring import Wiring

ADVICE = "make it inside the function, or use executor='threads'"


def requests_of(context: RunContext) -> Requests:
    """What is sent of a run, the same each time."""
    with context.guard:
        if context.requests is None:
            context.requests = Requests(context)
        return context.requests


class Requests:
    """Makes the messages that ask a worker to run attempts; `SentRun` and `SentTask` say what is in them."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._lock = Lock()
        self._functions: dict[tuple[int, int], tuple[int, bytes, bytes]] = {}
        self._setup: tuple[Any, ...] | None = None

    def setup(self) -> tuple[Any, ...]:
        """The first message to each process. CannotTravel if the workflow's parameters cannot be sent."""
        with self._lock:
            if self._setup is None:
                self._setup = self._make_setup()
            return self._setup

    def _make_setup(self) -> tuple[Any, ...]:
        context = self._context
        try:
            with leaving():
                params = dumps(dict(context.params))
        except CannotTravel as error:
            raise CannotTravel(f"the parameters of the workflow cannot be sent to a worker process: {error}") from error
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        scripts = {
            name: str(getattr(module, LOADED_FROM))
            for name, module in sys.modules.copy().items()
            if hasattr(module, LOADED_FROM)
        }
        # A store that no other process reaches stays here: values of its runs go through the pipe.
        results = dumps(context.results) if context.results.portable else None
        about_run = context.run_id, context.workflow, params, results, tuple(context.logical_time)
        return (sys.argv[:], file and str(file), scripts, *about_run)

    def attempt(self, attempt: Attempt, known: Collection[int]) -> tuple[int, tuple[Any, ...]]:
        """The message that asks for an attempt, and the number of its function, which is in it unless it is `known`.
        CannotTravel if something about the task cannot be sent."""
        context, task = self._context, attempt.task
        function, *pickled = self._function(attempt)
        return function, (
            task,
            attempt.generation,
            attempt.number,
            attempt.timeout,
            attempt.name,
            function,
            None if function in known else pickled,
            *self._arguments(attempt),
            context.plan.consumers[context.engine.row(task)] > 0,
            context.is_last(task),
        )

    def _function(self, attempt: Attempt) -> tuple[int, bytes, bytes]:
        """A number for the attempt's function, the function, and how it is handled."""
        func, handling = self._context.function(attempt.task), self._context.handling(attempt.task)
        with self._lock:
            found = self._functions.get((id(func), id(handling)))
            if found is None:
                try:
                    found = len(self._functions), dumps(func), dumps(handling)
                except CannotTravel as error:
                    raise CannotTravel(
                        f"the function of task '{attempt.name}' cannot be sent to a worker process: {error}; {ADVICE}"
                    ) from error
                self._functions[id(func), id(handling)] = found
            return found

    def _arguments(self, attempt: Attempt) -> tuple[bytes | None, dict[str, Any]]:
        """The arguments as they were given, with placeholders for values, and where the values are."""
        context = self._context
        args, kwargs = context.filling.written(attempt.task)
        if not args and not kwargs:
            return None, {}
        wiring = Wiring()
        wiring.text(args, kwargs)
        plan = context.plan
        refs = {task.name: _plain(context.values.refs(plan.numbers[task.name], attempt.task)) for task in wiring.tasks}
        try:
            return dumps((args, kwargs)), refs
        except CannotTravel as error:
            named = {str(place): value for place, value in enumerate(args, 1)} | kwargs
            name, cause = _culprit(named) or ("", error)
            raise CannotTravel(
                f"argument {name} of task '{attempt.name}' cannot be sent to a worker process: {cause}; {ADVICE}"
            ) from error


def _culprit(named: Mapping[str, Any]) -> tuple[str, CannotTravel] | None:
    for name, value in named.items():
        try:
            dumps(value)
        except CannotTravel as error:
            return name, error
    return None


def _plain(ref: Any) -> SentValue:
    """References as plain tuples, which pass between processes without their classes."""
    if ref is GAP:
        return ()
    if type(ref) is list:
        return [None if one is None else tuple(one) for one in ref]
    return None if ref is None else tuple(ref)

"""Observers that packages bring: they are told of every run, and cannot harm one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from threading import Lock

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.extensions import find
from penstock.plan.plan import Plan
from penstock.runtime.observer import Observer


def create_notifiers(names: Sequence[str]) -> list[Observer]:
    """The notifiers of these names, made anew. PenstockError for one that is not installed or cannot be made."""
    return [Notifier(name, _create(name)) for name in names]


def _create(name: str) -> Observer:
    try:
        return find("notifiers", name)()  # type: ignore[no-any-return]
    except PenstockError:
        raise
    except Exception as error:
        raise PenstockError(f"notifier '{name}' cannot be made: {type(error).__name__}: {error}") from error


class Notifier:
    """Passes on to an observer what it is told, and says once on stderr if that raises."""

    def __init__(self, name: str, observer: Observer) -> None:
        self._name = name
        self._observer = observer
        self._failed = False
        self._lock = Lock()

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        """See `Observer`."""
        self._tell("run_started", run_id, plan, done)

    def attempt_started(self, task: int, attempt: int) -> None:
        """See `Observer`."""
        self._tell("attempt_started", task, attempt)

    def attempt_ended(self, task: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float) -> None:
        """See `Observer`."""
        self._tell("attempt_ended", task, attempt, state, error, seconds)

    def tasks_settled(self, tasks: Sequence[int], state: TaskState) -> None:
        """See `Observer`."""
        self._tell("tasks_settled", tasks, state)

    def stopping(self, reason: str, running: int) -> None:
        """See `Observer`."""
        self._tell("stopping", reason, running)

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """See `Observer`."""
        self._tell("run_ended", state, error, counts, seconds)

    def _tell(self, method: str, *arguments: object) -> None:
        try:
            getattr(self._observer, method)(*arguments)
        except Exception as error:
            with self._lock:
                first, self._failed = not self._failed, True
            if first:
                kind = type(error).__name__
                sys.stderr.write(f"Notifier '{self._name}' failed; the run goes on: {method}: {kind}: {error}\n")

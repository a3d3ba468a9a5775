"""The contract of observers: what a driver tells those who show a run. `observe` has some, which need not import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.plan.plan import Plan
from penstock.policy import Notice


class Notifier(Protocol):
    """Told of what somebody should hear of, such as failed tasks and the end of a run: at least once, and only of what
    is safe. The settings name notifiers; packages bring them."""

    def notify(self, notice: Notice) -> None:
        """Pass a notice on. It may come again with the same id, if this raises or its process dies."""


class Observer(Protocol):
    """Told of a run as it goes, to show it. An observer changes nothing, and is called from many threads, so it must be
    quick and must not raise. What has to survive a crash is not told here. A subclass has the methods that it wants; a
    class of its own needs all of them."""

    # An observer that has a method `echo(stream, text)` is given all that is printed, to show it. One that has a method
    # `for_child(name)` gives the observer of the run that a task of this name is; else nobody shows that. One that has
    # an attribute `hears_successes = False` need not be told of attempts that have succeeded.
    #
    # The methods return explicitly: a type checker would take empty ones of a protocol for abstract.

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        """A driver took the run; `done` tasks of it have succeeded before."""
        return

    # `task` is the number of a task in the plan, `index` that of an instance of a map, or -1.

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        """A body is about to run."""
        return

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        """A body has run, and left its task in `state`; `error` if it failed, whether or not it is tried again, or why
        it skipped itself. Of a success not before it is written, so that its task does not run again by itself."""
        return

    def map_expanded(self, task: int, width: int) -> None:
        """It is known how many instances a mapped task has, or the tasks of a group that `task` expands."""
        return

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        """Tasks, each with its index, ended without running."""
        return

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        """Somebody says what is to be taken for the outcome of tasks, each with its index: "success", "failed" or
        "skipped"; `story` says who, and why."""
        return

    def stopping(self, reason: str, running: int) -> None:
        """The run is asked to stop; `running` bodies are still to end."""
        return

    def parked(self, until: float | None) -> None:
        """All that is left of the run waits, and its driver puts it aside until that time, in seconds since 1970, or
        until somebody sends it a message: None, if only that wakes it. `run_ended` follows."""
        return

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The driver lets go of the run: it has ended, is interrupted, or is parked, which is the state "waiting"."""
        return

"""A run as plain lines: what scripts, logs and notebooks show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.observe.words import asked, goes_on, instance, marked, went_wrong
from penstock.plan.plan import Plan


class Console:
    """Announces each task on `out`, and what goes wrong on `err`."""

    @property
    def hears_successes(self) -> bool:
        """It says nothing of successes, but one that was made of it may."""
        return type(self).attempt_ended is not Console.attempt_ended

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        # Those of now: once the run lives, the streams are routers, which cost more and keep nothing of ours.
        self._out = out if out is not None else sys.stdout
        self._err = err if err is not None else sys.stderr
        self._plan: Plan | None = None
        self._within = ""
        """The tasks of other runs that the run is, before the names of its own."""

    def for_child(self, name: str) -> Console:
        """Who tells, in the same place, of the run that a task is."""
        child = Console(self._out, self._err)
        child._within = f"{self._within}{name} / "
        return child

    def _name(self, task: int, index: int) -> str:
        return self._within + instance(self._names[task], index)

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._plan, self._run_id = plan, run_id
        self._names = plan.names

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        name = self._within + (self._names[task] if index < 0 else instance(self._names[task], index))
        again = f" (attempt {attempt})" if attempt > 1 else ""
        _write(self._out, f"Running task: {name}{again}\n")

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if self._plan is None:
            return
        policy, name = self._plan.policies[task], self._name(task, index)
        if state is TaskState.DEFERRED:
            if policy.asking is not None:
                own = instance(self._names[task], index)
                _write(self._out, asked(self._run_id, own, policy.asking, self._within) + "\n")
        elif state is TaskState.SKIPPED and error is not None:
            _write(self._out, f"Task {name} skipped{f': {error.message}' if error.message else ''}\n")
        elif state is not TaskState.SUCCESS and error is not None:
            _write(self._err, went_wrong(name, attempt, policy.retries, state, error) + "\n")

    def map_expanded(self, task: int, width: int) -> None:
        """Told by its instances."""

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        """Told in sum, when the run has ended."""

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        names = [self._name(task, index) for task, index in tasks]
        _write(self._out, marked(names, state, story) + "\n")

    def stopping(self, reason: str, running: int) -> None:
        if self._within:
            return  # it was told of the run around it
        waiting = f", waiting for {running} running task{'s' if running != 1 else ''}" if running else ""
        _write(self._err, f"Stopping ({reason}){waiting}\n")

    def parked(self, until: float | None) -> None:
        if not self._within:
            _write(self._out, f"Waiting: {goes_on(until)}\n")

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The caller of `run` gets the verdict."""


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text)
    except (OSError, ValueError, UnicodeError):  # a closed pipe or an odd terminal must not stop a run
        return

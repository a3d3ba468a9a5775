"""A run as plain lines: what scripts, logs and notebooks show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from penstock.engine.events import ErrorText
from penstock.engine.states import TaskState
from penstock.observe.words import attempt_of, instance, marked
from penstock.plan.plan import Plan


class Console:
    """Announces each task on `out`, and what goes wrong on `err`."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        # Those of now: once the run lives, the streams are routers, which cost more and keep nothing of ours.
        self._out = out if out is not None else sys.stdout
        self._err = err if err is not None else sys.stderr
        self._plan: Plan | None = None

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        self._plan = plan
        self._names = plan.names

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        again = f" (attempt {attempt})" if attempt > 1 else ""
        _write(self._out, f"Running task: {instance(self._names[task], index)}{again}\n")

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        if state is TaskState.SUCCESS or error is None:
            return
        name = instance(self._names[task], index)
        if state is TaskState.RETRYING:
            retries = self._plan.policies[task].retries if self._plan else 0
            message = f"Task {name} failed, {attempt_of(attempt, retries)}, will be tried again"
        elif state is TaskState.READY:
            message = f"Task {name} was lost with its worker, will be tried again"
        elif state is TaskState.SKIPPED:
            _write(self._out, f"Task {name} skipped{f': {error.message}' if error.message else ''}\n")
            return
        else:
            message = f"Task {name} {state.label}"
        _write(self._err, f"{message}: {summary(error)}\n")

    def map_expanded(self, task: int, width: int) -> None:
        """Told by its instances."""

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        """Told in sum, when the run has ended."""

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        names = [instance(self._names[task], index) for task, index in tasks]
        _write(self._out, marked(names, state, story) + "\n")

    def stopping(self, reason: str, running: int) -> None:
        waiting = f", waiting for {running} running task{'s' if running != 1 else ''}" if running else ""
        _write(self._err, f"Stopping ({reason}){waiting}\n")

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The caller of `run` gets the verdict."""


def summary(error: ErrorText) -> str:
    """An error in one line."""
    first = error.message.strip().split("\n", 1)[0]
    return f"{error.type}: {first}" if first else error.type


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text)
    except (OSError, ValueError, UnicodeError):  # a closed pipe or an odd terminal must not stop a run
        return

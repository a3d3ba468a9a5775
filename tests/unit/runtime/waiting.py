"""Waiting for what must come, with a bound after which it counts as not coming."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from penstock import Run

LONG = 30.0
"""Seconds after which something that has not happened is taken not to happen any more."""


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    pause = threading.Event()
    deadline = monotonic() + LONG
    while not condition():
        assert monotonic() < deadline, "it never came true"
        pause.wait(0.002)


def come(event: threading.Event) -> None:
    """Wait for an event."""
    assert event.wait(LONG), "the event never came"


class Background:
    """Something that goes on in another thread: `result()` waits for it, and raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._outcome: list[Any] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        try:
            self._outcome.append(self._work())
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "it never came to an end"
        if self._error is not None:
            raise self._error
        return self._outcome[0]


def error_of(run: Run, task: str) -> str:
    """Why a task failed."""
    error = run.task(task).error
    assert error is not None, f"task {task} has no error"
    return error


def states(run: Run) -> dict[str, str]:
    """Task -> state."""
    return {task.name: task.state for task in run.tasks}

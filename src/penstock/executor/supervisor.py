"""The thread that supervises one worker process: it hands over attempts and tells how they ended, whatever happens."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from functools import partial
from threading import Thread
from time import time
from typing import Any

from penstock.engine.events import AttemptCancelled, AttemptFailed, AttemptLost, AttemptSucceeded, ErrorText, ValueRef
from penstock.errors import CannotTravel, PenstockError, TaskCancelled, WorkerLost
from penstock.executor.base import Attempt, AttemptSource, Outcome
from penstock.executor.capture import Router, output_of
from penstock.executor.invoke import outcome_of
from penstock.executor.requests import Requests
from penstock.executor.worker_process import WorkerProcess
from penstock.logs.base import Stream
from penstock.results.base import ResultStore

PATIENCE = 2.0
"""Seconds that a process has to end in good order when there is no more work."""


class Supervisor(Thread):
    """Takes attempts from `source` until there are no more. While one runs it is in `running`; `leave` is called at the
    end."""

    def __init__(
        self,
        source: AttemptSource,
        requests: Requests,
        running: dict[Attempt, Supervisor],
        leave: Callable[[Supervisor], None],
    ) -> None:
        super().__init__(name="penstock-worker", daemon=True)
        self._source = source
        self._requests = requests
        self._running = running
        self._leave = leave
        self._process: WorkerProcess | None = None

    # --- From any thread

    def ask(self, attempt: Attempt) -> None:
        """Let the attempt's body know that it should end."""
        process = self._process
        if process is not None and attempt.ending is not None:
            process.ask(attempt.ending)

    def kill(self) -> None:
        """End the process, if there is one."""
        process = self._process
        if process is not None:
            process.kill()

    # --- In this thread

    def run(self) -> None:
        """Supervise."""
        attempt = self._source.take()
        while attempt is not None:
            attempt = self._source.settle(attempt, self._hand_over(attempt))
        if self._process is not None:
            self._process.bury(PATIENCE)
        self._leave(self)

    def _hand_over(self, attempt: Attempt) -> Outcome:
        """Have an attempt run by the process, and by another one next time if this one does not live through it."""
        try:
            if self._process is None or self._process.killed:
                self._start()
        except Exception as error:
            return _lost(attempt, f"no worker process can be started: {error}")
        assert self._process is not None
        self._running[attempt] = self
        try:
            outcome = self._exchange(attempt, self._process)
        except CannotTravel as error:
            return outcome_of(attempt, error)
        except Exception as error:
            self._process.kill()
            outcome = outcome_of(attempt, error)
        finally:
            del self._running[attempt]
        if outcome is None:
            outcome = _outcome_of_death(attempt, self._process, self._process.bury())
            self._process = None
        return outcome

    def _start(self) -> None:
        if self._process is not None:
            self._process.bury()
            self._process = None
        self._process = WorkerProcess()

    def _exchange(self, attempt: Attempt, process: WorkerProcess) -> Outcome | None:
        """Hand over an attempt and listen until it has ended; None if the process dies."""
        try:
            if not process.is_set_up:
                process.send(*self._requests.setup())
                process.is_set_up = True
            function, request = self._requests.attempt(attempt, process.functions)
            process.sequence += 1
            process.where = ""
            if attempt.ending is not None:
                return outcome_of(attempt, TaskCancelled("asked to end before it began"))
            process.send(process.sequence, *request)
            process.functions.add(function)
            if attempt.ending is not None:
                process.ask(attempt.ending)  # perhaps it was asked just before there was somebody to hear it
            return self._listen(attempt, process)
        except BrokenPipeError:
            return None

    def _listen(self, attempt: Attempt, process: WorkerProcess) -> Outcome | None:
        task, number = attempt.task, attempt.number
        while (message := process.receive()) is not None:
            kind, *content = message
            if kind == "succeeded":
                at, value = content
                return AttemptSucceeded(task, number, at, None if value is None else ValueRef(*value))
            if kind == "failed":
                at, error, retryable = content
                return AttemptFailed(task, number, at, ErrorText(*error), retryable)
            if kind == "cancelled":
                return AttemptCancelled(task, number, *content)
            if kind == "print":
                _write(attempt, *content)
            elif kind == "where":
                sequence, where = content
                process.where = where if sequence == process.sequence else process.where
            else:
                process.send(*_answer(self._source.context.results, kind, content[0]))
        return None


def _outcome_of_death(attempt: Attempt, process: WorkerProcess, code: int) -> Outcome:
    if attempt.ending is None:
        return _lost(attempt, _cause_of_death(code))
    outcome = outcome_of(attempt, WorkerLost(_cause_of_death(code)))
    if isinstance(outcome, AttemptFailed) and process.where:
        told = f"Traceback (most recent call last):\n{process.where}{outcome.error.traceback}"
        outcome.error = outcome.error._replace(traceback=told)
    return outcome


def _lost(attempt: Attempt, message: str) -> Outcome:
    return AttemptLost(attempt.task, attempt.number, time(), ErrorText(WorkerLost.__name__, message))


def _cause_of_death(code: int) -> str:
    """What is known of how a process ended, from its exit code or minus the number of a signal."""
    if code >= 0:
        return f"the worker process ended with exit code {code} while the task was running"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        hints = {
            "SIGKILL": " (often: the machine was out of memory)",
            "SIGSEGV": " (a crash in code written in C)",
            "SIGABRT": " (code written in C gave up)",
        }
        return f"the worker process died with signal {name}{hints.get(name, '')}"
    return f"the worker process died with signal {-code}"


def _answer(results: ResultStore, kind: str, content: Any) -> tuple[Any, str | None]:
    """Read or write a value of a result store that only this process reaches; the result, or what went wrong."""
    try:
        if kind == "get":
            with results.open(content) as file:
                return file.read(), None
        writer = results.writer()
        writer.file.write(content)
        return writer.commit(), None
    except PenstockError as error:
        return None, str(error)


def _write(attempt: Attempt, stream: Stream, text: str) -> None:
    """Keep and show what a body wrote; whether it should wait for the end of its line was decided where it runs."""
    output = output_of(attempt)
    output.write(stream, text, partial(_show, stream))
    output.flush(stream)


def _show(stream: Stream, text: str) -> None:
    place = sys.stdout if stream == "stdout" else sys.stderr
    if isinstance(place, Router):
        place.show(text)
    elif place is not None:
        with contextlib.suppress(OSError, ValueError):
            place.write(text)

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

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptSucceeded,
    ErrorText,
    ValueRef,
)
from penstock.errors import CannotTravel, PenstockError, RunNotFound, TaskCancelled, WorkerLost
from penstock.executor.base import Attempt, AttemptSource, Ending, Outcome, StoreFailed
from penstock.executor.capture import Router, output_of
from penstock.executor.context import AttemptContext, RunContext
from penstock.executor.invoke import GivenUp, insist, invoke, outcome_of
from penstock.executor.requests import requests_of
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
        running: dict[Attempt, Supervisor],
        leave: Callable[[Supervisor], None],
    ) -> None:
        super().__init__(name="penstock-worker", daemon=True)
        self._source = source
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
        self._prepare_early()
        attempt = self._source.take()
        while attempt is not None:
            outcome = self._hand_over(attempt)
            if attempt.ending in (None, Ending.TIMEOUT):
                self._prepare_early()
            attempt = self._source.settle(attempt, outcome)
        self._retire()
        self._leave(self)
        self._source.fill()  # what became ready while this one still counted as a worker

    def _prepare_early(self) -> None:
        """Have a process before there is an attempt for it, which would wait for it at the expense of its timeout."""
        with contextlib.suppress(Exception):  # it is tried again when an attempt is there to tell
            self._prepare(self._source.next_context)

    def _prepare(self, context: AttemptContext | None) -> WorkerProcess:
        """A process that can begin an attempt of a run at once: the one from before, if it lives. WorkerLost or OSError
        if none can be had, _NotBegun if it died just now, CannotTravel if it cannot be told about the run."""
        process = self._process
        if process is not None and (process.killed or process.is_gone()):
            process.bury()
            process = self._process = None
        if process is None:
            process = self._process = WorkerProcess()
            if process.receive() is None:
                self._process = None
                raise WorkerLost(f"it {_cause_of_death(process, process.bury())}")
        if isinstance(context, RunContext) and process.run != context.run_id:
            setup = requests_of(context).setup()
            try:
                process.send("run", *setup)
            except BrokenPipeError:
                raise _NotBegun from None
            process.run = context.run_id
            process.functions.clear()
        return process

    def _hand_over(self, attempt: Attempt) -> Outcome:
        """Have an attempt run by the process, and by another one if that died before it heard of it."""
        if attempt.context.handling(attempt.task).runs_workflow:
            return invoke(attempt)
        try:
            return self._try(attempt)
        except _NotBegun:
            pass
        try:
            return self._try(attempt)
        except _NotBegun:
            return _lost(attempt, "two worker processes died before they began the task")

    def _try(self, attempt: Attempt) -> Outcome:
        """Have an attempt run by a process. _NotBegun if that died before it heard of it."""
        try:
            process = self._prepare(attempt.context)
        except _NotBegun:
            raise
        except CannotTravel as error:
            return outcome_of(attempt, error)
        except Exception as error:
            return _lost(attempt, f"no worker process can be started: {error}")
        self._running[attempt] = self
        try:
            outcome = self._exchange(attempt, process)
        finally:
            del self._running[attempt]
        if outcome is None:
            self._process = None
            return _outcome_of_death(attempt, process, process.bury())
        if isinstance(outcome, AttemptFailed) and outcome.error.type == MemoryError.__name__:
            self._retire()  # what took the memory, or a limit that was set, may outlast the body
        return outcome

    def _retire(self) -> None:
        """Let the process end in good order."""
        if self._process is not None:
            self._process.bury(PATIENCE)
            self._process = None

    def _exchange(self, attempt: Attempt, process: WorkerProcess) -> Outcome | None:
        """Hand over an attempt and listen until it has ended; None if the process dies, _NotBegun if it was dead."""
        try:
            function, request = insist(attempt, self._request, attempt, process)
        except GivenUp as error:
            return StoreFailed(attempt.task, attempt.number, time(), str(error))
        except BaseException as error:  # what it is given may be of the user's own making, e.g. by .map(f)
            return outcome_of(attempt, error)
        process.sequence += 1
        process.where = ""
        if attempt.ending is not None:
            return outcome_of(attempt, TaskCancelled("asked to end before it began"))
        try:
            process.send(process.sequence, *request)
        except BrokenPipeError:
            raise _NotBegun from None
        process.functions.add(function)
        if attempt.ending is not None:
            process.ask(attempt.ending)  # perhaps it was asked just before there was somebody to hear it
        try:
            return self._listen(attempt, process)
        except BrokenPipeError:
            return None
        except _NotBegun:
            raise
        except Exception as error:  # the body has got at the pipes
            process.astray = f"said something that cannot be ({type(error).__name__}: {error})"
            return None

    def _request(self, attempt: Attempt, process: WorkerProcess) -> tuple[int, tuple[Any, ...]]:
        assert isinstance(attempt.context, RunContext)
        return requests_of(attempt.context).attempt(attempt, process.functions)

    def _listen(self, attempt: Attempt, process: WorkerProcess) -> Outcome | None:
        task, number = attempt.task, attempt.number
        message = process.receive()
        if message is None and attempt.ending is None and process.has_unread():
            raise _NotBegun
        while message is not None:
            kind, *content = message
            if kind in _OUTCOMES:
                sequence, *told = content
                if sequence == process.sequence:  # else a second one of an attempt before
                    return _OUTCOMES[kind](task, number, *told)
            elif kind == "print":
                _write(attempt, *content)
            elif kind == "where":
                sequence, where = content
                process.where = where if sequence == process.sequence else process.where
            else:
                process.send(*_answer(attempt, attempt.context.results, kind, *content))
            message = process.receive()
        return None


class _NotBegun(Exception):
    """The process has died before it read what was asked of it."""


def _succeeded(task: int, number: int, at: float, value: tuple[Any, ...] | None, *others: Any) -> Outcome:
    return AttemptSucceeded(task, number, at, None if value is None else ValueRef(*value), *others)


def _failed(task: int, number: int, at: float, error: tuple[str, ...], *others: Any) -> Outcome:
    return AttemptFailed(task, number, at, ErrorText(*error), *others)


_OUTCOMES: dict[str, Callable[..., Outcome]] = {
    "succeeded": _succeeded,
    "skipped": AttemptSkipped,
    "deferred": AttemptDeferred,
    "failed": _failed,
    "cancelled": AttemptCancelled,
    "store failed": StoreFailed,
}


def _outcome_of_death(attempt: Attempt, process: WorkerProcess, code: int) -> Outcome:
    cause = f"the worker process {_cause_of_death(process, code)} while the task was running"
    if attempt.ending is None:
        return _lost(attempt, cause)
    outcome = outcome_of(attempt, WorkerLost(cause))
    if isinstance(outcome, AttemptFailed) and process.where:
        told = f"Traceback (most recent call last):\n{process.where}{outcome.error.traceback}"
        outcome.error = outcome.error._replace(traceback=told)
    return outcome


def _lost(attempt: Attempt, message: str) -> Outcome:
    return AttemptLost(attempt.task, attempt.number, time(), ErrorText(WorkerLost.__name__, message))


def _cause_of_death(process: WorkerProcess, code: int) -> str:
    """What is known of how a process ended, from its exit code or minus the number of a signal."""
    if process.astray:
        return f"{process.astray}, and was ended"
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        hints = {
            "SIGKILL": " (often: the machine was out of memory)",
            "SIGSEGV": " (a crash in code written in C)",
            "SIGABRT": " (code written in C gave up)",
        }
        return f"died with signal {name}{hints.get(name, '')}"
    return f"died with signal {-code}"


def _answer(attempt: Attempt, results: ResultStore, kind: str, *content: Any) -> tuple[Any, str | None]:
    """Do what only this process can, for an attempt: make its start safe, look for newer runs, or read or write a value
    of a result store that other processes do not reach. The result, or what went wrong. TypeError or ValueError for
    another question."""
    try:
        if kind == "commit":
            attempt.context.commit_start(attempt)
            return None, None
        if kind == "latest":
            return attempt.context.is_latest(*content), None
        if kind in _QUESTIONS:
            assert isinstance(attempt.context, RunContext)
            return _QUESTIONS[kind](attempt.context, attempt.task, *content), None
        if kind == "get":
            return _read(results, *content), None
        if kind == "put":
            return _keep(results, *content), None
    except (PenstockError, OSError) as error:
        return None, str(error)
    raise ValueError(f"there is no question {kind!r}")


def _letter(context: RunContext, task: int, topic: str) -> tuple[Any, ...] | None:
    """A message, with its value as it is stored."""
    message = context.engine.letters.get(task, {}).get(topic)
    return None if message is None else (message.value and tuple(message.value), message.by, message.at)


def _state_of(context: RunContext, task: int, run_id: str) -> tuple[str, str] | str:
    """The id and state of a run, or why there is none."""
    try:
        return context.state_of(run_id)
    except RunNotFound as error:
        return str(error)


_QUESTIONS: dict[str, Callable[..., Any]] = {
    "letter": _letter,
    "asked since": RunContext.asked_since,
    "state": _state_of,
}


def _read(results: ResultStore, digest: str) -> bytes:
    with results.open(digest) as file:
        return file.read()


def _keep(results: ResultStore, content: bytes) -> tuple[str, int]:
    writer = results.writer()
    try:
        writer.file.write(content)
        return writer.commit()
    except BaseException:
        writer.abort()
        raise


def _write(attempt: Attempt, stream: Stream, text: str) -> None:
    """Keep and show what a body wrote; whether it should wait for the end of its line was decided where it runs."""
    output = output_of(attempt)
    output.write(stream, text, partial(_show, stream))
    output.flush(stream, entirely=True)  # where it was written, secrets were taken out already


def _show(stream: Stream, text: str) -> None:
    place = sys.stdout if stream == "stdout" else sys.stderr
    if isinstance(place, Router):
        place.show(text)
    elif place is not None:
        with contextlib.suppress(OSError, ValueError):
            place.write(text)

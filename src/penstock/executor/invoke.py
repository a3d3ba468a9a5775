"""The body of an attempt, in the process that runs it, in named steps: inputs, call, value, outcome."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from types import CoroutineType, TracebackType
from typing import Any, TypeVar

from penstock.clock import SYSTEM
from penstock.definition.secret import mask
from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptSkipped,
    AttemptSucceeded,
    ErrorText,
)
from penstock.errors import Defer, PenstockError, Skip, StoreError, TaskCancelled, TaskTimeout
from penstock.executor.base import Attempt, Ending, Outcome, StoreFailed
from penstock.executor.current import Current, running
from penstock.executor.handling import EARLY, PLAIN
from penstock.executor.prepared import Prepared
from penstock.executor.usage import FRESH, LONG, last, read, used
from penstock.store.base import RETRY_FOR

T = TypeVar("T")


class AttemptInterrupted(BaseException):
    """Raised in a worker's thread to end a body against its will. Not an Exception, so that bodies do not catch it."""


def invoke(attempt: Attempt) -> Outcome:
    """Run an attempt to its outcome. Never raises."""
    token = running.set(attempt)
    prepared = prepare(attempt)
    outcome = finish(attempt, prepared) if isinstance(prepared, Prepared) else prepared
    running.reset(token)
    return outcome


def prepare(attempt: Attempt) -> Prepared | Outcome:
    """Make ready what a body takes; or the outcome, if it is not to be called. Never raises. The caller has set
    `running`, for this and `finish`."""
    try:
        if attempt.ending is not None:
            raise TaskCancelled("asked to end before it began")
        prepared = insist(attempt, attempt.context.prepared, attempt.task)
        handling = prepared.handling
        if handling is not PLAIN:
            handling.check(Current(attempt))
            if handling.asks is not None:
                from penstock.executor.decisions import decided

                prepared.kwargs = {**prepared.kwargs, **decided(attempt, handling.asks)}
        return prepared
    except BaseException as error:
        if attempt.output is not None:
            attempt.output.end()
        return _ended(attempt, error)


def finish(attempt: Attempt, prepared: Prepared) -> Outcome:
    """Call a body that is ready, and see what comes of it. Never raises."""
    value, error = None, None
    try:
        value = _call(attempt, prepared)
    except BaseException as raised:  # a worker outlives whatever a body raises, SystemExit included
        error = raised
    try:
        return conclude(attempt, prepared, value, error)
    finally:
        value = error = None


def conclude(attempt: Attempt, prepared: Prepared, value: Any, error: BaseException | None) -> Outcome:
    """The outcome of an attempt whose body has returned a value, or raised. Never raises."""
    context, handling = attempt.context, prepared.handling
    prepared.args = prepared.kwargs = None  # an exception that is kept holds the frames that know of these
    try:
        if error is not None:
            return _ended(attempt, error)
        if attempt.ending is not None and (attempt.ending is Ending.TIMEOUT or attempt.heeded):
            raise TaskCancelled("the body returned after it was asked to end")
        chosen = None
        if handling is not PLAIN:
            value = handling.seen(value)
            if value is EARLY:
                return AttemptDeferred(attempt.task, attempt.number, context.clock.time())
            chosen = handling.chosen(value)
        ref = insist(attempt, context.keep, attempt.task, value) if value is not None else None
        at = context.clock.time()
        return AttemptSucceeded(attempt.task, attempt.number, at, ref, chosen, attempt.cpu, attempt.memory)
    except BaseException as raised:
        return _ended(attempt, raised)
    finally:
        value = error = None
        if attempt.output is not None:
            attempt.output.end()


def _ended(attempt: Attempt, error: BaseException) -> Outcome:
    if isinstance(error, GivenUp):
        return StoreFailed(attempt.task, attempt.number, attempt.context.clock.time(), str(error))
    return outcome_of(attempt, error)


class GivenUp(Exception):
    """The store has refused for too long."""


def insist(attempt: Attempt, step: Callable[..., T], *arguments: Any) -> T:
    """Do what needs the store, and while it fails try again for a while: the body is not to blame for a full disk.
    GivenUp in the end."""
    try:
        return step(*arguments)
    except StoreError as error:
        failed = error
    clock = attempt.context.clock
    give_up = clock.monotonic() + RETRY_FOR
    delay = 0.05
    while attempt.ending is None and clock.monotonic() + delay <= give_up:
        clock.sleep(delay)
        delay = min(2 * delay, 1.0)
        try:
            return step(*arguments)
        except StoreError as error:
            failed = error
    raise GivenUp(str(failed)) from failed


def _call(attempt: Attempt, prepared: Prepared) -> Any:
    """Call the body, open to `interrupt` for just as long."""
    attempt.thread = get_ident()
    began = perf_counter()
    if began - last.at > FRESH and attempt.context.clock is SYSTEM:
        read(began)
    try:
        value = prepared.func(*prepared.args, **prepared.kwargs)
        return _run_coroutine(attempt, value) if type(value) is CoroutineType else value
    finally:
        attempt.thread = None
        if attempt.interrupting:
            _await_interrupt(attempt)
        ended = perf_counter()
        if ended - began > LONG and attempt.context.clock is SYSTEM:  # in others' time, none of it is known
            attempt.cpu, attempt.memory = used(began, ended)


def _run_coroutine(attempt: Attempt, coroutine: Any) -> Any:
    """The value of an async body, on an event loop of its own. `interrupt` cancels it, since an exception raised in the
    thread would not wake a loop that waits."""
    import asyncio

    async def body() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with attempt.guard:
            attempt.cancel_coroutine = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await coroutine
        finally:
            with attempt.guard:
                attempt.cancel_coroutine = None

    def run() -> Any:
        with asyncio.Runner() as runner:
            return runner.run(body())

    if asyncio._get_running_loop() is None:
        return run()
    # The body runs on the thread of somebody's event loop, as a notebook's: there is room for ours on another.
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, run).result()


def _await_interrupt(attempt: Attempt) -> None:
    """The window is closed, which is to say that the attempt's thread is none: no exception is raised in it any more.
    One that is under way is awaited here.

    It cannot be taken back: CPython would note it as pending for ever, and trip over that note when it traces.

    Either `interrupt` sees that the thread is none, or its wish was seen by who closed the window: each says what it
    does before it looks at the other."""
    try:
        with attempt.guard:
            pass
        if attempt.interrupted:
            for _ in range(_SOON):
                pass
    except AttemptInterrupted:
        pass


_SOON = 1_000
"""Turns of a loop, each of which would raise what is pending."""


def interrupt(attempt: Attempt) -> bool:
    """Raise AttemptInterrupted in the thread that runs a body. It is seen at the next bytecode: a body that sits in C
    code ends only when it comes back. False if the body does not run, or was interrupted before."""
    with attempt.guard:
        attempt.interrupting = True
        thread = attempt.thread
        if thread is None or attempt.interrupted:
            return False
        attempt.interrupted = True
        if attempt.cancel_coroutine is not None:
            attempt.cancel_coroutine()
            return True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(AttemptInterrupted))
        return True


def outcome_of(attempt: Attempt, error: BaseException) -> Outcome:
    """The outcome of a body that raised. Never raises."""
    try:
        return _outcome_of(attempt, error)
    except BaseException as broken:  # e.g. an exception class in retry_on whose checks raise
        text = f"{type(error).__name__}, and {type(broken).__name__} while it was looked at: {broken}"
        text = mask(text)
        at = attempt.context.clock.time()
        return AttemptFailed(attempt.task, attempt.number, at, ErrorText(type(error).__name__, text), False)


def _outcome_of(attempt: Attempt, error: BaseException) -> Outcome:
    if attempt.ending in (Ending.CANCEL, Ending.INTERRUPT):
        # Whatever a body raises after it was asked to end, it ends because of that: a child process that got the same
        # Ctrl-C, a connection closed under it.
        return AttemptCancelled(attempt.task, attempt.number, attempt.context.clock.time())
    if attempt.ending is Ending.TIMEOUT and not isinstance(error, TaskTimeout):
        late = TaskTimeout(f"ran longer than its timeout of {attempt.timeout:g} s")
        error = late.with_traceback(error.__traceback__)  # it shows where the body was
    at = attempt.context.clock.time()
    if isinstance(error, Skip):
        return AttemptSkipped(attempt.task, attempt.number, at, _message(error), attempt.cpu, attempt.memory)
    if isinstance(error, Defer):
        return AttemptDeferred(attempt.task, attempt.number, at, error.moment(at), error.topic)
    retryable, delay = attempt.context.handling(attempt.task).after(error)
    text = attempt.context.keep_error(attempt.task, error, error_text(error), final=not retryable)
    return AttemptFailed(attempt.task, attempt.number, at, text, retryable, delay, attempt.cpu, attempt.memory)


def error_text(error: BaseException) -> ErrorText:
    """An exception as text, its traceback without Penstock's own frames at the top. What Penstock itself has to say of
    a task has no traceback, since there is no line of the user's in it."""
    import traceback

    kind, frames = type(error), error.__traceback__
    while frames is not None and _is_own(frames):
        frames = frames.tb_next
    is_plain = isinstance(error, PenstockError) and error.__cause__ is None and error.__context__ is None
    if frames is None and not is_plain:
        frames = error.__traceback__  # this should not happen, and shows where it did
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    if isinstance(error, PenstockError):
        name = kind.__name__
    message = _message(error)
    try:
        text = (
            "".join(traceback.format_exception(kind, error, frames)) if frames is not None else f"{name}: {message}\n"
        )
    except BaseException:
        text = f"{name}: {message}\n"
    return ErrorText(name, message, mask(text))


def _is_own(frames: TracebackType) -> bool:
    return str(frames.tb_frame.f_globals.get("__name__")).startswith("penstock.")


def _message(error: BaseException) -> str:
    try:
        return mask(str(error))
    except BaseException as broken:  # the text of an error is the user's code too
        return f"(its message cannot be read: {type(broken).__name__})"

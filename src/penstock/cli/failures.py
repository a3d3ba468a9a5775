"""Errors as the command line tells them: a line, and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from penstock.cli.output import Output
from penstock.errors import (
    LeaseLost,
    LogicalTimeTaken,
    NotWaiting,
    PenstockError,
    PlanMismatch,
    PoolNotFound,
    RunEnded,
    RunFailed,
    RunLocked,
    RunNotFound,
    ScheduleNotFound,
    StoreError,
    TaskNotFound,
    ValueUnavailable,
)

FAILED, USAGE, NOT_FOUND, CONFLICT, INTERRUPTED = 1, 2, 3, 4, 130


class NotFound(PenstockError):
    """What a command was asked for is not there."""


_CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((RunNotFound, TaskNotFound, PoolNotFound, ScheduleNotFound, NotFound), NOT_FOUND),
    ((RunLocked, LeaseLost, PlanMismatch, RunEnded, NotWaiting, LogicalTimeTaken), CONFLICT),
    ((RunFailed, StoreError, ValueUnavailable), FAILED),
    ((KeyboardInterrupt,), INTERRUPTED),
    ((PenstockError, click.ClickException, OSError, UnicodeError), USAGE),
)


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    known = next((code for kinds, code in _CODES if isinstance(error, kinds)), None)
    if known is not None:
        return known
    return USAGE if users_place(error) else FAILED


def report(error: BaseException, output: Output, *, debug: bool) -> int:
    """Tell an error on stderr, or on stdout where JSON is asked for. Returns the exit code."""
    if debug and not isinstance(error, click.ClickException):
        import traceback

        traceback.print_exception(error)
    message = _message(error)
    if output.as_json:
        output.emit({"error": {"kind": type(error).__name__, "message": message}})
    elif isinstance(error, click.UsageError):
        error.show(sys.stderr)
    else:
        label = output.paint("Error:", "red", bold=True, stream=sys.stderr)
        output.tell(f"{label} {output.clean(message)}")
    return exit_code(error)


def _message(error: BaseException) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted"
    if isinstance(error, (PenstockError, OSError)):
        return str(error)
    if isinstance(error, UnicodeError):
        return f"some text is not valid: {error}"
    kind = f"{type(error).__name__}: {error}"
    place = users_place(error)
    return f"{place}: {kind}" if place else f"this should not happen: {kind}; --debug shows where, please report it"


def users_place(error: BaseException) -> str | None:
    """ "file:line" in the user's code, if that is what raised: a @workflow function may, while the graph is built."""
    import traceback
    from sysconfig import get_paths

    others = (str(Path(__file__).parents[1]), *get_paths().values(), "<")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(others)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None

"""`penstock debug`: a task of a run again, in a debugger."""

from __future__ import annotations

import sys
from time import time
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.failures import FAILED
from penstock.cli.options import Choices, store_option
from penstock.cli.output import Output
from penstock.cli.records import local_time
from penstock.definition.secret import mask
from penstock.errors import Defer, Skip
from penstock.plan.arguments import by_name
from penstock.runtime.times import moment

if TYPE_CHECKING:
    from pdb import Pdb
    from types import TracebackType

    from penstock.runtime.debugging import Rehearsal

_LONGEST_VALUE = 200


@click.command("debug")
@click.argument("words", metavar="[RUN] TASK", nargs=-1, required=True)
@click.option("--index", type=click.IntRange(0), help="Which instance of a map; by default the first that failed")
@click.option("--break", "stop", is_flag=True, help="Stop at the first line of the body, not only where it fails")
@click.option("--pdb/--no-pdb", "pdb", default=True, help="Open a debugger where the body fails; by default it does")
@store_option
@click.pass_obj
def command(output: Output, words: tuple[str, ...], index: int | None, stop: bool, pdb: bool, store: str | None) -> int:
    """Run TASK of RUN again in this process, with the inputs that it had, and open a debugger (pdb) where it fails.

    Nothing of it is recorded: the run stays as it is. What the body does to files, databases and services is done.
    """
    if len(words) > 2:
        raise click.UsageError("give a run and a task, or a task of the newest run")
    with Choices(store).reader() as manager:
        rehearsal = manager.rehearse(words[0] if len(words) == 2 else None, words[-1], index=index)
        _announce(output, rehearsal)
        try:
            value = rehearsal.call(_stopping if stop else None)
        except Skip as skip:
            output.tell(f"Task {rehearsal.name} would skip itself: {output.clean(str(skip))}")
            return 0
        except Defer as defer:
            output.tell(f"Task {rehearsal.name} would wait{output.clean(_for_what(defer))}")
            return 0
        except _quits() as error:
            output.tell(f"Left the debugger ({type(error).__name__})")
            return FAILED
        except Exception as error:
            _tell_failure(output, rehearsal, error)
            if pdb:
                _post_mortem(_debugger(), error)
            return FAILED
    output.say(f"Task {rehearsal.name} returned {output.clean(_short(value))}")
    return 0


def _for_what(defer: Defer) -> str:
    topic = f" for a message '{defer.topic}'" if defer.topic is not None else ""
    until = defer.moment(time())
    return topic if until is None else f"{topic} until {local_time(moment(until))}"


def _announce(output: Output, rehearsal: Rehearsal) -> None:
    """Say what is about to happen, and what may come of it."""
    output.tell(f"Task {rehearsal.name} of run {rehearsal.run_id} again, in this process. Nothing of it is recorded.")
    warning = output.paint("Mind:", "yellow", bold=True, stream=sys.stderr)
    told = "what the body does to files, databases and services is done, and what it sends is sent"
    for text in (told, *rehearsal.warnings):
        output.tell(f"{warning} {output.clean(text)}")
    for name, value in by_name(rehearsal.body, rehearsal.args, rehearsal.kwargs).items():
        output.tell(f"  {output.clean(f'{name} = {_short(value)}')}")


def _short(value: Any) -> str:
    try:
        text = mask(repr(value))
    except Exception as error:  # it is the user's code
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _debugger() -> Pdb:
    from pdb import Pdb

    return Pdb()


def _quits() -> tuple[type[BaseException], ...]:
    from bdb import BdbQuit

    return (BdbQuit,)


def _stopping(body: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a body, and stop at its first line."""
    from inspect import iscoroutinefunction, unwrap

    debugger = _debugger()
    if not iscoroutinefunction(body):
        return debugger.runcall(body, *args, **kwargs)
    import asyncio

    code = unwrap(body).__code__
    line = next((line for _, _, line in code.co_lines() if line and line > code.co_firstlineno), code.co_firstlineno)
    debugger.rcLines = [f"tbreak {code.co_filename}:{line}", "continue"]
    return debugger.runcall(asyncio.run, body(*args, **kwargs))


def _tell_failure(output: Output, rehearsal: Rehearsal, error: Exception) -> None:
    from penstock.executor.invoke import error_text

    output.tell(output.paint(f"Task {rehearsal.name} failed:", "red", bold=True, stream=sys.stderr))
    for line in mask(error_text(error).traceback).rstrip().split("\n"):
        output.tell(f"  {output.clean(line)}")


def _post_mortem(debugger: Pdb, error: Exception) -> None:
    """Look at where a body has failed."""
    frames: TracebackType | None = error.__traceback__
    debugger.reset()
    debugger.interaction(None, frames)

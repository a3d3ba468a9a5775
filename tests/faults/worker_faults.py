"""What the bodies of tasks can do to the worker process that runs them, and what is to come of each.

The expectations are the promise: an attempt whose process died is lost, one that raised has failed, one that came back
with a value which can be kept has succeeded; and it is nobody else's business.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from penstock import current
from penstock.executor.channel import encode
from tests.faults import worker_harm as harm
from tests.faults.ledger import note

LOST, FAILED, SUCCEEDED = "lost", "failed", "succeeded"
PEACE = "peace"
"""A file beside the ledger: where it is, nobody does harm any more."""


@dataclass(frozen=True)
class Fault:
    """Something that a body does."""

    do: Callable[[], Any]
    """What it returns is what the task returns."""
    outcomes: tuple[str, ...]
    """What an attempt that does this may come to."""
    says: str = ""
    """A pattern for the error that is recorded."""
    final: bool = False
    """Whether a failure of this kind is not tried again."""
    taken: bool = True
    """Whether another task takes the value."""
    taker: tuple[str, ...] = (SUCCEEDED,)
    """What an attempt that takes the value may come to."""
    timeout: float | None = None
    leaves_files: bool = False
    """Whether it dies while it writes a value: what is written of it stays until somebody sweeps."""
    reaches_the_next: bool = False
    """Whether it ends the process at any later time: then an attempt of another task may be lost."""


def inflict(kind: str, times: int, ledger: str) -> Any:
    """The body of a faulty task: its first attempts do what they are said to, the others return."""
    me = current()
    note(ledger, "start", task=me.task, attempt=me.attempt, pid=os.getpid())
    say_it_begins(ledger)
    harm.running_with.ledger = ledger
    peaceful = Path(ledger).with_name(PEACE).exists()
    return FAULTS[kind].do() if me.attempt <= times and not peaceful else "fine"


def take(value: Any, ledger: str) -> str:
    """The body of a task that takes the value of a faulty one."""
    me = current()
    note(ledger, "start", task=me.task, attempt=me.attempt, pid=os.getpid())
    return type(value).__name__


def steady(number: int, before: int, ledger: str) -> int:
    """The body of a task beside the faulty ones."""
    me = current()
    note(ledger, "start", task=me.task, attempt=me.attempt, pid=os.getpid())
    time.sleep(0.02)
    assert bytearray(1 << 26)  # a process without memory would not do
    say_it_begins(ledger)
    return number + before


def say_it_begins(ledger: str) -> None:
    """Print a line that nobody may lose from now on."""
    me = current()
    print(f"attempt {me.attempt} begins")
    note(ledger, "printed", task=me.task, attempt=me.attempt)


_DIES = partial(Fault, outcomes=(LOST,), says="worker process")
_FAILS = partial(Fault, outcomes=(FAILED,))
_LATE = partial(Fault, outcomes=(FAILED,), says="TaskTimeout", timeout=0.3)
_FINE = partial(Fault, outcomes=(SUCCEEDED,))

FAULTS: dict[str, Fault] = {
    # The process dies.
    "SIGKILL": _DIES(partial(harm.kill, signal.SIGKILL)),
    "SIGTERM": _DIES(partial(harm.kill, signal.SIGTERM)),
    "SIGABRT": _DIES(os.abort),
    "SIGHUP": _DIES(partial(harm.kill, signal.SIGHUP)),
    "SIGKILL to the group": _DIES(partial(harm.kill_group, signal.SIGKILL)),
    "SIGUSR1 to the group": _DIES(partial(harm.kill_group, signal.SIGUSR1)),
    "segfault": _DIES(harm.read_address_zero),
    "stack overflow": Fault(harm.overflow_the_stack, (LOST, FAILED)),
    "exit code 0": _DIES(partial(os._exit, 0)),
    "exit code 255": _DIES(partial(os._exit, 255)),
    "exit from a thread": _DIES(harm.exit_from_a_thread),
    "print and die": _DIES(harm.print_and_die),
    "alarm": _DIES(harm.set_an_alarm),
    "closed files": _DIES(harm.close_every_file),
    "closed files and on": _DIES(partial(harm.close_every_file, partial(time.sleep, 60))),
    "garbage": _DIES(partial(harm.write_into_the_pipes, b"\xff" * 64)),
    "garbage and on": _DIES(partial(harm.write_into_the_pipes, b"garbage " * 8, partial(time.sleep, 60))),
    "a little garbage": _DIES(partial(harm.write_into_the_pipes, b"abc")),
    "half a message": _DIES(partial(harm.write_into_the_pipes, encode(("print", "stdout", "x" * 64))[8:40])),
    "nonsense": _DIES(partial(harm.write_into_the_pipes, encode(("what", "is", "this")), partial(time.sleep, 60))),
    "forged outcome": _FINE(harm.forge_an_outcome, taken=False),
    "death in the value": _DIES(lambda: ["x" * 1_000_000, harm.DiesInTheMiddle()], leaves_files=True),
    "death of the value": _DIES(harm.DiesAtTheEnd, taken=False),
    # The body raises.
    "error": _FAILS(partial(harm.fail, ValueError, "as told"), says="ValueError: as told"),
    "SystemExit": _FAILS(partial(harm.fail, SystemExit, 3), says="SystemExit", final=True),
    "KeyboardInterrupt": _FAILS(partial(harm.fail, KeyboardInterrupt), says="KeyboardInterrupt", final=True),
    "GeneratorExit": _FAILS(partial(harm.fail, GeneratorExit), says="GeneratorExit", final=True),
    "StopIteration": _FAILS(partial(harm.fail, StopIteration), says="StopIteration"),
    "unprintable error": _FAILS(partial(harm.fail, harm.Unprintable), says="Unprintable"),
    "odd text": _FAILS(partial(harm.fail, harm.OddlyPrintable), says="OddlyPrintable: odd"),
    "lying error": _FAILS(partial(harm.fail, harm.LyingError, "?"), says="LyingError", final=True),
    "surrogates in an error": _FAILS(partial(harm.fail, ValueError, "\ud800 \0 \x1b[31m"), says="ValueError"),
    "long error": _FAILS(partial(harm.fail, ValueError, "x" * 3_000_000), says="ValueError: xxx"),
    "errors in a circle": _FAILS(harm.fail_in_circles, says="ValueError: first"),
    "group of errors": _FAILS(
        partial(harm.fail, ExceptionGroup, "many", [ValueError(n) for n in range(50)]), says="many"
    ),
    "recursion": _FAILS(harm.recur_for_ever, says="RecursionError"),
    "out of memory": _FAILS(partial(harm.run_out_of_memory, 1 << 30), says="MemoryError"),
    "out of memory to the last byte": Fault(partial(harm.run_out_of_memory, 1 << 10), (FAILED, LOST)),
    "async cancellation": _FAILS(harm.cancel_itself, says="CancelledError", final=True),
    # The value cannot be kept, or not be read, or is odd.
    "generator": _FAILS(lambda: (n for n in range(3)), says="cannot leave its process", final=True),
    "generator for nobody": _FINE(lambda: (n for n in range(3)), taken=False),
    "lambda": _FINE(lambda: lambda: 1),
    "lock": _FAILS(threading.Lock, says="cannot leave its process", final=True),
    "__reduce__ raises": _FAILS(partial(harm.Raises, ValueError), says="cannot leave its process", final=True),
    "__reduce__ raises for nobody": Fault(partial(harm.Raises, ValueError), (SUCCEEDED, FAILED), taken=False),
    "__reduce__ exits": _FAILS(partial(harm.Raises, SystemExit), says="SystemExit", final=True),
    "__reduce__ has no memory": Fault(partial(harm.Raises, MemoryError), (FAILED,), says="MemoryError"),
    "__reduce__ is nonsense": _FAILS(harm.GivesNonsense, says="cannot leave its process", final=True),
    "reading raises": _FINE(harm.RefusesItsState, taker=(FAILED,)),
    "reading exits": _FINE(partial(harm.Calls, sys.exit, 3), taker=(FAILED,)),
    "reading dies": _FINE(partial(harm.Calls, os._exit, 3), taker=(LOST,)),
    "reading does something": _FINE(harm.be_noticed_when_read),
    "reading gives another": _FINE(partial(harm.Calls, str, "another")),
    "disagreeable": Fault(harm.Disagreeable, (SUCCEEDED, FAILED), taker=(SUCCEEDED, FAILED), final=True),
    "recursive": _FINE(harm.recursive),
    "deep": Fault(harm.deep, (FAILED,), final=True),
    "changing": Fault(harm.changing, (SUCCEEDED, FAILED)),
    "huge": _FINE(harm.huge),
    "large number": _FINE(lambda: 7**20_000),
    "surrogates": _FINE(lambda: {"\ud800": ["\udfff" * 5_000, float("nan")]}),
    # The body leaves something behind, or does something to its process.
    "printing thread": _FINE(harm.print_for_ever),
    "thread": _FINE(harm.leave_a_thread),
    "process": _FINE(harm.leave_a_process),
    "long goodbye": _FINE(harm.leave_a_long_goodbye),
    "forked child that sleeps": _FINE(partial(harm.fork, harm.sleep_in_child)),
    "forked child that prints": _FINE(partial(harm.fork, harm.put_it_in_the_child)),
    "forked child that returns": _FINE(partial(harm.fork, lambda: "child")),
    "forked child that raises": _FINE(partial(harm.fork, partial(harm.fail, ValueError, "child"))),
    "alarm for later": _FINE(harm.leave_an_alarm),
    "death for later": Fault(harm.die_later, (SUCCEEDED, LOST), reaches_the_next=True),
    "signals to the group": _FINE(harm.ignore_and_signal),
    "odd prints": _FINE(harm.print_everything),
    "no streams": _FINE(harm.put_streams_away),
    "no environment": _FINE(harm.forget_everything),
    "stopped and continued": _FINE(partial(harm.stop, 0.1)),
    # The body runs out of time.
    "stopped": _LATE(harm.stop),
    "stopped past its time": _LATE(partial(harm.stop, 0.9)),
    "stopped and continued when asked to end": Fault(partial(harm.stop, 0.4), (SUCCEEDED, FAILED), timeout=0.3),
    "sleep with the lock": _LATE(harm.sleep_with_the_lock),
    "blocked signals": _LATE(harm.block_all_signals),
    "prints on and on": _LATE(harm.print_on_and_on),
    "swallows everything": _LATE(harm.swallow_everything),
    "just in time": Fault(partial(harm.return_just_in_time, 0.3), (SUCCEEDED, FAILED), says="TaskTimeout", timeout=0.3),
}

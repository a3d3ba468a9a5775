"""Driving a run from the command line: progress while it goes on, the verdict when it has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from penstock.api.records import run_record
from penstock.cli.colours import RUN_COLOURS
from penstock.cli.failures import FAILED, INTERRUPTED
from penstock.cli.options import Choices
from penstock.cli.output import Output, is_terminal, spared_stdout
from penstock.cli.story import next_commands, tell_failures
from penstock.errors import RunInterrupted
from penstock.observe.console import Console
from penstock.observe.words import count, duration, opening
from penstock.plan.plan import Plan

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run

Start = Callable[["WorkflowManager"], "Run"]


class PlainProgress(Console):
    """Plain lines, the first of which names the run."""

    started = False

    def __init__(self, out: TextIO | None, done: Collection[str]) -> None:
        super().__init__(out)
        self._done = frozenset(done)

    def parked(self, until: float | None) -> None:
        """It is told when the run has been let go of."""

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        """Say which run it is: that is what stops or resumes it."""
        super().run_started(run_id, plan, done)
        self.started = True
        stream = self._out or sys.stdout
        try:
            stream.write(opening(run_id, plan, self._done) + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass


def drive(output: Output, choices: Choices, start: Start, *, done: Collection[str] = ()) -> int:
    """Drive what `start` starts on a manager, and tell how it ended. `done` names tasks that were done before."""
    record, code = follow(output, choices, start, done)
    if output.as_json:
        output.emit(record)
    return code


def follow(output: Output, choices: Choices, start: Start, done: Collection[str]) -> tuple[dict[str, Any] | None, int]:
    """As `drive`, but give what is to be written as JSON, if that is asked for, and the exit code."""
    began = monotonic()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # lines are shown as they come, also through a pipe
    record = None
    with ExitStack() as leaving:
        with spared_stdout(output.as_json), _progress(output, choices, done) as observer:
            manager = leaving.enter_context(choices.manager([observer]))  # left last, and whatever happens
            run, interrupted = _run(manager, start)
        if output.as_json:
            record = run_record(run)
        elif not observer.started:
            state = {"success": "succeeded"}.get(run.state, run.state)
            output.say(f"Run {run.id} has {state} already: nothing is left to do")
        elif interrupted:
            output.tell(f"{output.sentence(interrupted)}. Go on with: penstock resume {run.id}{choices.hint}")
        else:
            _tell_end(output, manager, run, monotonic() - began, choices)
    if interrupted:
        return record, INTERRUPTED
    return record, 0 if run.state in ("success", "waiting") else FAILED


def _run(manager: WorkflowManager, start: Start) -> tuple[Run, str | None]:
    """The run, and how it was interrupted if it was."""
    try:
        return start(manager), None
    except (KeyboardInterrupt, SystemExit) as error:  # SIGINT, SIGTERM
        if not isinstance(error.__cause__, RunInterrupted):
            raise
        interrupted = error.__cause__
    run: Run = interrupted.run
    return run, str(interrupted).partition(";")[0]


@contextmanager
def _progress(output: Output, choices: Choices, done: Collection[str]) -> Iterator[Any]:
    """An observer for where the command writes: a live table on a terminal, plain lines elsewhere.

    Plain lines also for the inline executor, which is for debugging: a debugger needs the terminal for itself."""
    stream = sys.stderr if output.as_json else sys.stdout
    executor = choices.executor or choices.settings().executor
    if not is_terminal(stream) or executor == "inline" or not _can_draw(stream.encoding):
        yield PlainProgress(stream if output.as_json else None, done)
        return
    from penstock.observe.live import LiveView

    with LiveView(stream, done) as view:
        yield view


def _can_draw(encoding: str | None) -> bool:
    try:
        "✓⠋━".encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _tell_end(output: Output, manager: WorkflowManager, run: Run, seconds: float, choices: Choices) -> None:
    counts = ", ".join(f"{number:,} {state}" for state, number in run.counts.items())
    took = duration(seconds)
    if run.state == "waiting":
        verdict = output.paint("is parked", RUN_COLOURS["waiting"], bold=True)
        output.say(f"Run {run.id} {verdict} after {took} ({counts}), and goes on {run.goes_on}, with:")
        output.say(f"  penstock resume --all{choices.hint}")
        return
    if run.state == "success":
        verdict = output.paint("succeeded", "green", bold=True)
        others = f": {counts}" if len(run.counts) > 1 else ""
        output.say(f"Run {run.id} {verdict} in {took}: {count(len(run.tasks), 'task')}{others}")
        return
    tell_failures(output, run, stream=sys.stderr)
    verdict, reason = run.state, ""
    if run.error and run.error.startswith(run.state):
        verdict = output.clean(run.error)  # "cancelled by ann"
    elif run.error and ("cancelled" in run.counts or "failed" not in run.counts):
        reason = f"; {output.clean(run.error)}"  # not, or not only, the tasks that have failed
    verdict = output.paint(verdict, "red", bold=True, stream=sys.stderr)
    output.tell(f"Run {run.id} {verdict} after {took}: {counts}{reason}")
    for line in next_commands(manager, run, choices.hint):
        output.tell(line)

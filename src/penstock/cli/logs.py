"""`penstock logs`: what the tasks of a run printed and logged."""

from __future__ import annotations

import json
import sys
from time import sleep
from typing import TYPE_CHECKING

import click

from penstock.api.records import log_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output, drop_stdout
from penstock.errors import RunNotFound
from penstock.runtime.logbook import Entry, Logbook

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run

_PAUSE = 0.2
"""Seconds between two looks at a run that is followed."""
_WIDEST_NAME = 30
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue")


@click.command("logs")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.argument("task", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended")
@click.option("--attempt", type=click.IntRange(1, 1_000_000_000), help="Only what this attempt wrote")
@json_option
@store_option
@click.pass_obj
def command(
    output: Output, run_id: str | None, task: str | None, follow: bool, attempt: int | None, store: str | None
) -> int:
    """Show what the tasks of RUN, or its TASK alone, printed and logged, in the order in which it was written.

    Also of a run that goes on, in this or another terminal. With --json, one object a line.
    """
    with Choices(store).reader() as manager:
        run = _run(manager, run_id)
        if task is not None:
            run.task(task)  # TaskNotFound, before anything is written
        book = Logbook(manager.parts.store, manager.parts.logs, run.id, task=task, attempt=attempt)
        writer = JSONWriter(run.id) if output.as_json else Writer(output, run, task, attempt)
        try:
            _write(book, writer, follow)
        except BrokenPipeError:  # whoever reads this has enough
            drop_stdout()
            return 0
    if not book.found and not output.as_json:
        output.tell(f"Nothing was printed or logged by {f'task {task}' if task else f'run {run.id}'}")
    return 0


def _write(book: Logbook, writer: Writer | JSONWriter, follow: bool) -> None:
    while True:
        over = not follow or not book.goes_on()  # asked first, so that the last lines are not missed
        for entry in book.read():
            writer.write(entry)
        if over:
            writer.close()
        sys.stdout.flush()
        if over:
            return
        sleep(_PAUSE)


def _run(manager: WorkflowManager, run_id: str | None) -> Run:
    try:
        return manager.get(run_id)
    except RunNotFound as error:
        newest = manager.get()
        if run_id is None or not any(task.name == run_id for task in newest.tasks):
            raise
        hint = f"for the task of the newest run: penstock logs {newest.id} {run_id}"
        raise RunNotFound(f"{error}; {hint}") from None


class JSONWriter:
    """Writes entries for programs, one object a line."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def write(self, entry: Entry) -> None:
        """Write an entry."""
        record = log_record(self._run_id, entry)
        sys.stdout.write(json.dumps(record) + "\n")

    def close(self) -> None:
        """Nothing is left to write."""


class Writer:
    """Writes entries for people: of one task as they are, with a line between its attempts; of several, each line after
    the name of its task."""

    def __init__(self, output: Output, run: Run, task: str | None, attempt: int | None) -> None:
        self._output = output
        self._single = task is not None
        self._several_attempts = attempt is None
        self._again = "round" if task is not None and run.task(task).has_rounds else "rerun"
        self._colours: dict[str, str] = {}
        self._width = min(max((len(task.name) for task in run.tasks), default=0), _WIDEST_NAME)
        self._last: tuple[str, int, int] | None = None
        self._whole = True
        """Whether the last line that was written has its end."""

    def write(self, entry: Entry) -> None:
        """Write an entry."""
        origin = entry.task, entry.chunk.generation, entry.chunk.attempt
        if origin != self._last and not self._whole:
            self._put("\n")
        if self._single:
            if origin != self._last and self._several_attempts and (self._last is not None or origin[1:] != (0, 1)):
                again = self._which_time(origin[1])
                self._put(self._output.paint(f"--- {again}attempt {origin[2]} ---", "bright_black") + "\n")
            self._put(entry.chunk.text)
        else:
            prefix = self._prefix(entry.task, entry.chunk.attempt)
            for line in entry.chunk.text.splitlines(keepends=True):
                self._put(line if not self._whole else prefix + line)
        self._last = origin

    def _which_time(self, generation: int) -> str:
        """The round of its group that a task wrote in, or how often it had been set going by hand."""
        if self._again == "round":
            return f"round {generation + 1}, "
        return f"rerun {generation}, " if generation else ""

    def close(self) -> None:
        """End the last line."""
        if not self._whole:
            self._put("\n")

    def _put(self, text: str) -> None:
        sys.stdout.write(text)
        self._whole = text.endswith("\n")

    def _prefix(self, task: str, attempt: int) -> str:
        colour = self._colours.setdefault(task, _COLOURS[len(self._colours) % len(_COLOURS)])
        name = f"{task} ({attempt})" if attempt > 1 else task
        return self._output.paint(f"{name:<{self._width}} | ", colour)

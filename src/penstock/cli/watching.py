"""Waking parked runs for as long as the command lives: `penstock resume --all --watch`."""

from __future__ import annotations

import json
import os
from threading import Event
from typing import TYPE_CHECKING

from penstock.api.records import run_record
from penstock.cli.colours import RUN_COLOURS
from penstock.cli.failures import INTERRUPTED
from penstock.cli.options import Choices
from penstock.cli.output import Output, spared_stdout
from penstock.runtime.signals import StopSignals

if TYPE_CHECKING:
    from penstock.runtime.record import Run


def watch_all(output: Output, choices: Choices) -> int:
    """Take over what nobody drives, and wake what is due, until Ctrl-C or SIGTERM. A line is written for each run that
    ends or is parked again, or with --json its record. The exit code says whether a run was interrupted by the end."""
    stop, interrupted = Event(), list[str]()

    def told(run: Run) -> None:
        if run.state == "interrupted":
            interrupted.append(run.id)
        if output.as_json:
            os.write(records, f"{json.dumps(run_record(run))}\n".encode())
        else:
            output.say(_line(output, run))

    records = os.dup(1)  # stdout itself leads elsewhere meanwhile
    signals = StopSignals(stop.set)
    signals.catch()
    try:
        with spared_stdout(output.as_json), choices.manager([]) as manager:
            output.tell("Waking what is due, until Ctrl-C")
            manager.watch(stop, told)
    finally:
        signals.give_back()
        os.close(records)
    return INTERRUPTED if interrupted else 0


def _line(output: Output, run: Run) -> str:
    state = output.paint(run.state, RUN_COLOURS.get(run.state), bold=True)
    detail = f": goes on {run.goes_on}" if run.goes_on else f": {run.error}" if run.error else ""
    return f"Run {run.id} of {output.clean(run.workflow)}: {state}{output.clean(detail)}"

"""`penstock cancel`: stop a run from any terminal."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

import click

from penstock.api.records import run_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.errors import PenstockError, RunEnded
from penstock.observe.words import count, duration

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager

_PAUSE = 0.1
_PATIENCE = 1.0
"""Seconds after which it is said that tasks are waited for."""


@click.command("cancel")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--no-wait", is_flag=True, help="Do not wait until the run has ended")
@json_option
@store_option
@click.pass_obj
def command(output: Output, run_id: str | None, no_wait: bool, store: str | None) -> int:
    """Ask RUN, by default the newest, to end, and wait until it has.

    Tasks that run are asked to end, the others are cancelled. A cancelled run can be resumed.
    """
    with Choices(store).reader() as manager:
        row = manager.parts.store.run(manager.get(run_id).id)
        if _has_ended(row.state):
            raise RunEnded(f"run {row.id} has ended already: {row.state}")
        began = monotonic()
        _ask(manager, row.id)
        if not no_wait:
            _wait(output, manager, row.id, began)
        run = manager.get(row.id)
        if output.as_json:
            output.emit(run_record(run))
        elif not _has_ended(run.state):
            output.say(f"Run {run.id} is asked to end")
        else:
            counts = ", ".join(f"{number:,} {state}" for state, number in run.counts.items())
            ended = "was cancelled" if run.state == "cancelled" else f"ended before it could be cancelled: {run.state}"
            output.say(f"Run {run.id} {ended} ({counts})")
    return 0


def _has_ended(state: str) -> bool:
    return state in ("success", "failed", "cancelled")


def _ask(manager: WorkflowManager, run_id: str) -> None:
    try:
        manager.cancel(run_id)
    except PenstockError:
        if not _has_ended(manager.parts.store.run(run_id).state):  # else it ended just now
            raise


def _wait(output: Output, manager: WorkflowManager, run_id: str, began: float) -> None:
    store = manager.parts.store
    told = False
    while not _has_ended(state := store.run(run_id).state):
        if state == "waiting" and store.holder(run_id) is None and not store.messages(run_id):
            output.tell("It is parked, and its teardowns run when it is woken: penstock resume --all")
            return
        if store.holder(run_id) is None and not _has_ended(store.run(run_id).state):
            _ask(manager, run_id)  # its driver died with the request unread
            continue
        if not told and monotonic() - began > _PATIENCE:
            told = True
            running = manager.get(run_id).counts.get("running", 0)
            output.tell(f"Waiting for {count(running, 'running task')} to end; Ctrl-C stops the waiting only")
        sleep(_PAUSE)
    if told:
        output.tell(f"It took {duration(monotonic() - began)}")

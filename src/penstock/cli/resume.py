"""`penstock resume`: go on with a run, or with all that nobody drives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.driving import drive, follow
from penstock.cli.failures import INTERRUPTED, exit_code
from penstock.cli.options import Choices, driving_options, park_option, secret_option
from penstock.cli.output import Output
from penstock.errors import PenstockError, RunLocked

if TYPE_CHECKING:
    from penstock.definition.secret import Secret
    from penstock.manager import WorkflowManager
    from penstock.runtime.record import Run


@click.command("resume")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--all", "everything", is_flag=True, help="Take over every run that is not done and that nobody drives")
@click.option("--watch", is_flag=True, help="With --all: stay, and wake what is parked when its time has come")
@park_option
@secret_option
@driving_options
@click.pass_obj
def command(
    output: Output,
    /,
    run_id: str | None,
    everything: bool,
    watch: bool,
    park: bool,
    secrets: dict[str, Secret[str]],
    **options: Any,
) -> int:
    """Go on with RUN, by default the newest: what is done stays done, everything else runs.

    The workflow is loaded from its file, which may have changed where the run has done nothing yet. Exits with 4 if
    somebody drives the run at this moment.

    With --all, every run that was interrupted, or whose driver died, is taken over, one after the other: after a crash
    of the machine, say. Attempts that were lost with a driver are then counted, and a task that was lost three times
    fails; what has failed stays as it is. Parked runs are woken if their time has come, and a run that only waits is
    parked again. With --watch this goes on until Ctrl-C, with all of them beside each other.
    """
    choices = Choices(**options)
    if everything:
        if run_id is not None:
            raise click.UsageError("--all takes over every run: give it without RUN")
        if secrets:
            raise click.UsageError("--secret is for one run: resume it by itself")
        if watch:
            from penstock.cli.watching import watch_all

            return watch_all(output, choices)
        return _adopt_all(output, choices)
    if watch:
        raise click.UsageError("--watch goes with --all")
    with choices.reader() as manager:
        run = manager.get(run_id)
    return drive(output, choices, partial(_resume, run.id, secrets, park), done=run.done)


def _resume(run_id: str, secrets: dict[str, Secret[str]], park: bool, manager: WorkflowManager) -> Run:
    return manager.resume(run_id, secrets=secrets, raise_on_failure=False, park=park)


def _adopt(run_id: str, manager: WorkflowManager) -> Run:
    return manager.resume(run_id, adopt=True, raise_on_failure=False, park=True)


def _adopt_all(output: Output, choices: Choices) -> int:
    """Take over what nobody drives and has something to do. The exit code is the worst that any of these runs gives."""
    records: list[Any] = []
    codes, left_alone = [0], set[str]()
    while INTERRUPTED not in codes and (found := _to_adopt(choices, left_alone)):
        for run_id in found:
            left_alone.add(run_id)
            try:
                record, code = follow(output, choices, partial(_adopt, run_id), _done(choices, run_id))
            except RunLocked:  # somebody else was faster
                continue
            except PenstockError as error:
                record, code = _refusal(output, run_id, error), exit_code(error)
            records.append(record)
            codes.append(code)
            if code == INTERRUPTED:
                break
    if output.as_json:
        output.emit(records)
    elif not left_alone:
        output.say("Nothing is to be taken over: every run has ended, is being driven, or waits for its time")
    return max(codes)


def _to_adopt(choices: Choices, left_alone: set[str]) -> list[str]:
    """What nobody drives and has something to do, of which each is taken over once: also what the end of others has
    woken."""
    with choices.reader() as manager:
        return [run.id for run in (*manager.unheld(), *manager.due()) if run.id not in left_alone]


def _done(choices: Choices, run_id: str) -> frozenset[str]:
    with choices.reader() as manager:
        return manager.get(run_id).done


def _refusal(output: Output, run_id: str, error: PenstockError) -> dict[str, Any]:
    if not output.as_json:
        output.tell(f"Run {run_id} cannot be taken over: {output.clean(str(error))}")
    return {"id": run_id, "error": {"kind": type(error).__name__, "message": str(error)}}

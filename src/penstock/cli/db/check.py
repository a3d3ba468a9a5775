"""`penstock db check`: is the store whole, and what in it needs nobody?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.db.progress import Progress
from penstock.cli.db.sizes import size_text
from penstock.cli.failures import FAILED
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.observe.words import count

if TYPE_CHECKING:
    from penstock.runtime.store_check import StoreCheck


@click.command("check")
@click.option("--repair", is_flag=True, help="Write rows anew from their journals, and remove what nobody needs")
@json_option
@store_option
@click.pass_obj
def check(output: Output, repair: bool, store: str | None) -> int:
    """Look whether the store is whole: its database, and each run's journal, plan, record and values.

    Runs may go on meanwhile. With --repair, the records of runs are written anew where their journals say otherwise,
    and what dead processes left behind is removed; what a journal says, and what it needs, is never touched. Exits
    with 1 if something is wrong that is not repaired.
    """
    from penstock.runtime.history import History
    from penstock.runtime.store_check import check_store

    progress = Progress(output)
    with Choices(store).reader() as manager:
        parts = manager.parts
        try:
            found = check_store(
                History(parts.store, parts.results, parts.logs), parts.folder, repair=repair, told=progress
            )
        finally:
            progress.clear()
    if output.as_json:
        output.emit({**asdict(found), "whole": found.is_whole})
    else:
        _show(output, found)
    return 0 if found.is_whole else FAILED


def _show(output: Output, found: StoreCheck) -> None:
    for problem in found.problems:
        place = f"run {problem.run}, " if problem.run is not None else ""
        mark, colour = ("repaired", "yellow") if problem.repaired else (problem.kind, "red")
        output.say(f"{output.paint(mark, colour)}: {place}{output.clean(problem.text)}")
    done = "Removed" if found.removed else "Left over"
    for kind, number in found.leftovers.items():
        noun, space, rest = kind.partition(" ")
        output.say(f"{done}: {count(number, noun)}{space}{rest}")
    driven = f" ({found.driven:,} of them being driven)" if found.driven else ""
    looked = f"{count(found.runs, 'run')}{driven}, {count(found.events, 'event')}, {count(found.values, 'value')}"
    wrong = sum(not problem.repaired for problem in found.problems)
    verdict = f"{count(wrong, 'problem')}" if wrong else "all is well"
    output.say(f"Checked {looked} ({size_text(found.bytes)}): {verdict}")
    if found.leftovers and not found.removed:
        output.say("What is left over does no harm; --repair removes it")

"""`penstock db backup`: a copy of the store, made while runs go on."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.db.progress import Progress
from penstock.cli.db.sizes import size_text
from penstock.cli.db.upkeep import file_upkeep
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.observe.words import count

if TYPE_CHECKING:
    from penstock.runtime.history import History


@click.command("backup")
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path))
@json_option
@store_option
@click.pass_obj
def backup(output: Output, target: Path, store: str | None) -> int:
    """Copy the store, with the values and logs of its runs, into the new folder FOLDER, which is a store itself.

    Runs may go on meanwhile. FOLDER appears when all of it is there. It must be on a local disk, as every store.
    """
    from penstock.runtime.backup import back_up
    from penstock.runtime.history import History

    choices = Choices(store)
    progress = Progress(output)
    target = Path(os.path.abspath(target.expanduser()))
    with choices.reader() as manager:
        parts = manager.parts
        upkeep, folder = file_upkeep(choices, parts, "backed up", "pg_dump, and a copy of the folder of its results")
        try:
            found = back_up(
                History(parts.store, parts.results, parts.logs), folder, upkeep, target, _open, told=progress
            )
        finally:
            progress.clear()
    if output.as_json:
        output.emit({"folder": str(target), **asdict(found)})
        return 0
    output.say(
        f"Copied {count(found.runs, 'run')} and {count(found.values, 'value')} ({size_text(found.bytes)}) "
        f"to {output.clean(str(target))}"
    )
    if found.missing:
        output.tell(f"{count(found.missing, 'value')} could not be copied: penstock db check{choices.hint} says why")
    output.say(f"Look into it with: penstock runs --store {shlex.quote(f'sqlite:///{target}')}")
    return 0


def _open(folder: Path) -> History:
    from penstock.parts import SQLITE, open_parts
    from penstock.runtime.history import History

    parts = open_parts(f"{SQLITE}{folder}", lambda: folder)
    return History(parts.store, parts.results, parts.logs)

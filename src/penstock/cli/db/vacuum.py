"""`penstock db vacuum`: room that is not used any more goes back to the disk."""

from __future__ import annotations

import click

from penstock.cli.db.sizes import size_text
from penstock.cli.db.upkeep import file_upkeep
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output


@click.command("vacuum")
@json_option
@store_option
@click.pass_obj
def vacuum(output: Output, store: str | None) -> int:
    """Give room in the database that is not used any more, as after `db prune`, back to the disk.

    It needs as much free room as the database takes. Exits with 4 while a run is being driven; one that begins
    meanwhile waits.
    """
    choices = Choices(store)
    with choices.reader() as manager:
        upkeep, _ = file_upkeep(choices, manager.parts, "vacuumed", "its own autovacuum")
        before, after = upkeep.vacuum()
    if output.as_json:
        output.emit({"bytes_before": before, "bytes_after": after})
    else:
        output.say(f"The database has {size_text(after)} now, {size_text(max(before - after, 0))} less than before")
    return 0

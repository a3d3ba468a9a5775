"""`penstock db info`: what a store holds."""

from __future__ import annotations

from collections import Counter

import click

from penstock.cli.db.sizes import folder_size, size_text
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.cli.records import rows
from penstock.store.upkeep import Measured, upkeep_of


@click.command("info")
@json_option
@store_option
@click.pass_obj
def info(output: Output, store: str | None) -> int:
    """Show where the store is, how large it is, and how many runs it holds."""
    with Choices(store).reader() as manager:
        folder = manager.parts.folder
        upkeep = upkeep_of(manager.parts.store)
        schema = upkeep.schema if isinstance(upkeep, Measured) else None
        taken: dict[str, int] = {"database": upkeep.size()} if isinstance(upkeep, Measured) else {}
        runs = dict(Counter(state for _, state in rows(manager)))
    if folder is not None:
        taken |= {name: folder_size(folder / name) for name in ("results", "logs")}
    if output.as_json:
        place = str(folder) if folder is not None else None
        output.emit({"folder": place, "schema": schema, "bytes": taken, "runs": runs})
        return 0
    output.say(f"Folder    {output.clean(str(folder)) if folder is not None else 'none: the store is no local folder'}")
    if schema is not None:
        output.say(f"Schema    {schema}")
    for name, size in taken.items():
        output.say(f"{name.capitalize():<9} {size_text(size)}")
    states = ", ".join(f"{number:,} {state}" for state, number in runs.items())
    output.say(f"Runs      {sum(runs.values()):,}" + (f": {states}" if states else ""))
    return 0

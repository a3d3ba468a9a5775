"""`penstock pool set`: make a pool, or give it another number of slots."""

from __future__ import annotations

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output

_MOST_DIGITS = 20


def _whole(ctx: click.Context, parameter: click.Parameter, text: str) -> int:
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise click.BadParameter(f"{text[:_MOST_DIGITS]!r} is not a whole number of slots from 0 up")
    return int(text)


@click.command("set")
@click.argument("name")
@click.argument("slots", callback=_whole)
@json_option
@store_option
@click.pass_obj
def set_pool(output: Output, name: str, slots: int, store: str | None) -> int:
    """Make the pool NAME with so many SLOTS, or change their number.

    Tasks that run keep what they have. With 0 slots none begins, until there are some again.
    """
    with Choices(store).manager() as manager:
        before = {pool.name: pool.slots for pool in manager.pools()}
        pool = manager.set_pool(name, slots)
    if output.as_json:
        output.emit({"name": pool.name, "slots": pool.slots, "before": before.get(name)})
    else:
        was = f"; it had {before[name]:,}" if name in before else ""
        output.say(f"Pool {pool.name} has {pool.slots:,} {'slot' if pool.slots == 1 else 'slots'}{was}")
    return 0

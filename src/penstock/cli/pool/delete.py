"""`penstock pool delete`: forget a pool."""

from __future__ import annotations

from difflib import get_close_matches

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Output
from penstock.errors import PoolNotFound


@click.command("delete")
@click.argument("name")
@json_option
@store_option
@click.pass_obj
def delete(output: Output, name: str, store: str | None) -> int:
    """Forget the pool NAME. Tasks that run keep what they have; those that wait for it wait until it is made again."""
    choices = Choices(store)
    with choices.manager() as manager:
        pools = {pool.name: pool for pool in manager.pools()}
        if name not in pools:
            near = get_close_matches(name, pools, 1)
            there = f"there are {', '.join(pools)}" if pools else "there are none"
            raise PoolNotFound(f"no pool has the name '{name}'; {f'did you mean {near[0]!r}?' if near else there}")
        manager.delete_pool(name)
    waiting, again = pools[name].waiting, name in choices.settings().pools
    if output.as_json:
        output.emit({"name": name, "deleted": True, "waiting": waiting})
        return 0
    output.say(f"Pool {name} is deleted")
    if waiting:
        wait = "run that waits for it waits" if waiting == 1 else "runs that wait for it wait"
        output.tell(f"{waiting:,} {wait} until it is made again")
    if again:
        output.tell("The settings name it, so the next run makes it again")
    return 0

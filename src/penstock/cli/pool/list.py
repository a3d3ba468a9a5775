"""`penstock pool list`: the pools, and who has their slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.api.records import pool_record
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output

if TYPE_CHECKING:
    from penstock.store.base import Pool, PoolUse


@click.command("list")
@json_option
@store_option
@click.pass_obj
def list_pools(output: Output, store: str | None) -> int:
    """The pools with their slots: how many are used, and how many runs wait for more than they have."""
    choices = Choices(store)
    folder = choices.folder()
    if folder is not None and not folder.is_dir() and not choices.settings().pools:
        found: list[tuple[Pool, list[PoolUse]]] = []
    else:
        with choices.manager() as manager:
            found = [(pool, manager.parts.store.pool_users(pool.name)) for pool in manager.pools()]
    if output.as_json:
        output.emit([pool_record(pool, users) for pool, users in found])
    elif not found:
        output.say("There are no pools; penstock pool set NAME SLOTS makes one")
    else:
        output.table(
            ("POOL", "SLOTS", "USED", "WAITING", "USED BY"),
            [_row(pool, users) for pool, users in found],
            right=(1, 2, 3),
        )
    return 0


def _row(pool: Pool, users: list[PoolUse]) -> list[Cell]:
    holders = [f"{use.run_id} ({use.granted:,})" for use in users if use.granted]
    full = pool.used >= pool.slots
    return [
        Cell(pool.name),
        Cell(f"{pool.slots:,}"),
        Cell(f"{pool.used:,}", "yellow" if full else None),
        Cell(f"{pool.waiting:,}", "yellow" if pool.waiting else None),
        Cell(", ".join(holders)),
    ]

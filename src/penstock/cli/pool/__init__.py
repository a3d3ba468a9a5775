"""`penstock pool`: the pools whose slots tasks of all runs share."""

from __future__ import annotations

import click

from penstock.cli.pool.delete import delete
from penstock.cli.pool.list import list_pools
from penstock.cli.pool.set import set_pool

__all__ = ["command"]


@click.group("pool")
def command() -> None:
    """Pools of slots, which tasks take while they run: those of all runs of the store together."""


for each in (list_pools, set_pool, delete):
    command.add_command(each)

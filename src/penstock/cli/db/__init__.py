"""`penstock db`: looking after the store."""

from __future__ import annotations

import click

from penstock.cli.db.backup import backup
from penstock.cli.db.check import check
from penstock.cli.db.info import info
from penstock.cli.db.prune import prune
from penstock.cli.db.vacuum import vacuum

__all__ = ["command"]


@click.group("db")
def command() -> None:
    """Look after the store: is it whole, what is old in it, how large it is."""


for each in (info, check, backup, prune, vacuum):
    command.add_command(each)

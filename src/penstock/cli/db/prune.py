"""`penstock db prune`: forgetting what is old."""

from __future__ import annotations

from dataclasses import asdict

import click

from penstock.cli.db.sizes import size_text
from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import rows
from penstock.observe.words import count


@click.command("prune")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Forget runs that ended so long ago")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the newest N ended runs of each workflow")
@click.option("--dry-run", is_flag=True, help="Show what would go, and forget nothing")
@json_option
@store_option
@click.pass_obj
def prune(output: Output, older_than: float | None, keep: int | None, dry_run: bool, store: str | None) -> int:
    """Forget old runs, and remove the values and logs that no other run needs.

    What is not said here is as the settings have it: by default, runs that ended more than 90 days ago go, except
    for the newest 20 of each workflow. Runs that have not ended stay, and those with notices to deliver.
    """
    with Choices(store).reader() as manager:
        known = {row.id: row for row, _ in rows(manager)}
        pruned = manager.prune(older_than=older_than, keep=keep, dry_run=dry_run)
    if output.as_json:
        output.emit({**asdict(pruned), "dry_run": dry_run})
        return 0
    if dry_run and pruned.runs:
        found = [known[run_id] for run_id in pruned.runs if run_id in known]
        output.table(("RUN", "WORKFLOW", "STATE"), [(Cell(r.id), Cell(r.workflow), Cell(r.state)) for r in found])
    said = "Would forget" if dry_run else "Forgot"
    freed = "" if dry_run else f" ({size_text(pruned.bytes)})"
    output.say(f"{said} {count(len(pruned.runs), 'run')} and {count(pruned.values, 'value')}{freed}")
    return 0

"""`penstock db`: what a store holds, and forgetting what is old in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from penstock.cli.options import Choices, json_option, store_option
from penstock.cli.output import Cell, Output
from penstock.cli.records import rows
from penstock.observe.words import count

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


@click.group("db")
def command() -> None:
    """Look after the store: its size, and what is old in it."""


@command.command("info")
@json_option
@store_option
@click.pass_obj
def info(output: Output, store: str | None) -> int:
    """Show where the store is, how large it is, and how many runs it holds."""
    with Choices(store).reader() as manager:
        folder = manager.parts.folder
        runs = dict(Counter(state for _, state in rows(manager)))
    sizes, schema = ({}, None) if folder is None else (_sizes(folder), _schema())
    if output.as_json:
        place = str(folder) if folder is not None else None
        output.emit({"folder": place, "schema": schema, "bytes": sizes, "runs": runs})
        return 0
    output.say(f"Folder    {output.clean(str(folder)) if folder is not None else 'none: the store is no local folder'}")
    if schema is not None:
        output.say(f"Schema    {schema}")
    for name, size in sizes.items():
        output.say(f"{name.capitalize():<9} {size_text(size)}")
    states = ", ".join(f"{number:,} {state}" for state, number in runs.items())
    output.say(f"Runs      {sum(runs.values()):,}" + (f": {states}" if states else ""))
    return 0


@command.command("prune")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Forget runs that ended so long ago")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Keep the newest N ended runs of each workflow")
@click.option("--dry-run", is_flag=True, help="Show what would go, and forget nothing")
@json_option
@store_option
@click.pass_obj
def prune(output: Output, older_than: float | None, keep: int | None, dry_run: bool, store: str | None) -> int:
    """Forget old runs, and remove the values that no other run refers to.

    What is not said here is as the settings have it: by default, runs that ended more than 90 days ago go, except
    for the newest 20 of each workflow. Runs that have not ended stay.
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


def _sizes(folder: Path) -> dict[str, int]:
    return {
        "database": sum(map(_size, folder.glob("penstock.db*"))),
        "results": sum(map(_size, (folder / "results").rglob("*"))),
        "logs": sum(map(_size, (folder / "logs").rglob("*"))),
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # it went meanwhile
        return 0


def _schema() -> int:
    """The version of the database's schema: opening it has brought it up to date."""
    from penstock.store.sqlite.schema import VERSION

    return VERSION


def size_text(size: float) -> str:
    """Bytes for people, in powers of 1,000: "512 bytes", "3.2 MB"."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1_000
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 9.95 else f"{size:.1f} {_UNITS[unit]}"

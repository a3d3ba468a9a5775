"""Runs the fault campaigns: `python -m tests.faults.torture [NAME...] [--scale X] [--seed N] [--json]`."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.campaign import Campaign, Report

HERE = Path(__file__).parent
SHOWN = 20
"""Violations of a campaign that are printed."""
_ENOUGH = 2 << 30


class Row(NamedTuple):
    """One campaign in the table."""

    campaign: str
    meant: int
    report: Report
    seconds: float


def campaigns() -> dict[str, str]:
    """The modules of all campaigns, by their names."""
    paths = sorted(HERE.glob("campaign_*.py"))
    return {path.stem.removeprefix("campaign_"): f"tests.faults.{path.stem}" for path in paths}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaigns that are named, or all; 1 if the promise was broken anywhere."""
    found = campaigns()
    parser = argparse.ArgumentParser(prog="python -m tests.faults.torture", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}; by default all")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the full count, e.g. 0.1")
    parser.add_argument("--seed", type=int, default=None, help="by default another each time; it is printed")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to work; by default in memory, if there is room"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(found)
    if unknown:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    seed = asked.seed if asked.seed is not None else time.time_ns() % (1 << 32)
    rows = []
    for row in _rows([found[name] for name in asked.names or found], asked.scale, seed, asked.folder):
        rows.append(row)
        _tell(_line(row))
    print(json.dumps(_as_json(rows, seed), indent=2) if asked.json else _table(rows, seed))
    return int(any(row.report.violations for row in rows))


@contextmanager
def workplace(folder: Path | None = None) -> Iterator[Path]:
    """A folder for a campaign: in memory, where there is room, since none of them depends on a real disk."""
    memory = Path("/dev/shm")
    if folder is None and memory.is_dir() and shutil.disk_usage(memory).free > _ENOUGH:
        folder = memory
    with tempfile.TemporaryDirectory(prefix="torture-", dir=folder) as place:
        yield Path(place)


def _rows(modules: Sequence[str], scale: float, seed: int, folder: Path | None) -> Iterator[Row]:
    for module in modules:
        campaign: Campaign = importlib.import_module(module).CAMPAIGN
        count = max(1, round(campaign.full * scale))
        _tell(f"{campaign.name}: {count:,}, seed {seed}")
        with workplace(folder) as place:
            began = time.monotonic()
            yield Row(campaign.name, count, _report(campaign, count, seed, place), time.monotonic() - began)


def _report(campaign: Campaign, count: int, seed: int, folder: Path) -> Report:
    try:
        return campaign.run(count, seed, folder)
    except Exception:  # the other campaigns can be run all the same
        return Report(violations=[f"the campaign itself failed: {traceback.format_exc()}"])


def _line(row: Row) -> str:
    shown = [f"  {violation}" for violation in row.report.violations[:SHOWN]]
    more = len(row.report.violations) - len(shown)
    if more > 0:
        shown.append(f"  ... and {more:,} more")
    return "\n".join([f"{row.campaign}: {row.report.done:,} done in {row.seconds:.0f} s", *shown])


def _table(rows: Sequence[Row], seed: int) -> str:
    lines = [f"{'Campaign':<22} {'Done':>9} {'Violations':>10} {'Seconds':>8}  Notes"]
    for row in rows:
        notes = [f"{name}: {note}" for name, note in row.report.notes.items()] or [""]
        first = f"{row.campaign:<22} {row.report.done:>9,} {len(row.report.violations):>10,} {row.seconds:>8,.0f}"
        lines += [f"{first}  {notes[0]}", *(f"{'':<52}  {note}" for note in notes[1:])]
    return "\n".join([*lines, f"Seed {seed}"])


def _as_json(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "campaigns": [
            {"campaign": row.campaign, "meant": row.meant, "seconds": round(row.seconds, 1), **asdict(row.report)}
            for row in rows
        ],
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

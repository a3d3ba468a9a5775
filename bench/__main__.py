"""`python -m bench`: the table of aims, measured: every contender in turn, each time in a fresh process; medians.

`python -m bench NAME...` measures only some rows (`--write` puts them into the file of results), `--quick` smaller
sizes. All rows at their full size are written to bench/results.json, and from there to docs/concepts/speed.md and its
chart; `python -m bench page` makes these anew. Beside them there are:

- `breakdown`: where every microsecond of a task goes;
- `counts`: what fixed workloads cost, counted and not timed; `counts record` for the tests to compare with;
- `parking [RUNS]`: what parked runs cost;
- `order`: how far the order in which tasks are taken is from the best one, which `order prove SECONDS` proves.

Absolute times say little on a shared machine; the ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import ROOT, describe


def main() -> None:
    """Run what the arguments ask for."""
    others: dict[str, Callable[..., None]] = {
        "one": measure_one,
        "page": make_page,
        "breakdown": measure_breakdown,
        "counts": count,
        "parking": measure_parking,
        "order": measure_order,
    }
    if len(sys.argv) > 1 and sys.argv[1] in others:
        others[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("rows", nargs="*", help="the names of rows; all of them without any")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and two turns: for trying")
    parser.add_argument("--repeat", type=int, help="how often each is measured")
    parser.add_argument("--write", action="store_true", help="put what was measured into the file of results")
    arguments = parser.parse_args()
    measure_table(arguments.rows, quick=arguments.quick, repeat=arguments.repeat, keep=arguments.write)


def measure_table(names: list[str], *, quick: bool, repeat: int | None, keep: bool) -> None:
    """The rows of the table, all of them or some."""
    from bench import results
    from bench.breakdown import breakdown
    from bench.peers import missing
    from bench.report import told
    from bench.runner import run_row
    from bench.table import ROWS

    unknown = [name for name in names if name not in ROWS]
    if unknown:
        sys.exit(f"no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        about = describe(Path(folder))
    found: dict[str, Any] = {}
    for name in names or ROWS:
        found[name] = run_row(ROWS[name], quick=quick, repeat=repeat)
        print(told(name, found[name]), flush=True)
    now: Mapping[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "quick": quick,
        "machine": about,
        "missing": missing(),
    }
    if names and not keep:
        return
    before = dict(results.read()) if names else {}
    if not names:
        before["breakdown"] = breakdown()
    if keep or not quick:
        results.write({**before, **now, "rows": {**before.get("rows", {}), **found}})
        make_page()


def measure_one(row: str, part: str, size: str, folder: str) -> None:
    """One measurement, in this process."""
    from bench.runner import run_one

    run_one(row, part, size, folder)


def make_page() -> None:
    """The page and the chart, of the file of results."""
    from bench import results
    from bench.chart import chart
    from bench.page import CHART, PAGE, filled

    found = results.read()
    PAGE.write_text(filled(PAGE.read_text("utf-8"), found), "utf-8")
    CHART.write_text(chart(found), "utf-8")


def measure_breakdown(what: str = "show") -> None:
    """Where every microsecond of a task goes; with `write`, into the file of results too."""
    from bench import breakdown, results

    found = breakdown.breakdown()
    print(breakdown.told(found))
    if what == "write":
        results.write({**results.read(), "breakdown": found})
        make_page()


def count(what: str = "show", *workloads: str) -> None:
    """What fixed workloads cost, counted."""
    from bench import counts

    counts.main(what, *workloads)


def measure_parking(runs: str = "10000") -> None:
    """The figures of parked runs."""
    from bench.parking import tell

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        tell(int(runs), Path(folder))


def measure_order(what: str = "measure", seconds: str = "60") -> None:
    """The table of families and orders, and its chart in docs/images."""
    from bench.order.chart import chart
    from bench.order.measure import measure, prove, table, unproved, where_it_matters

    if what == "prove":
        prove(float(seconds))
    results = measure()
    print(table(results), unproved(results), where_it_matters(results), sep="\n\n")
    (ROOT / "docs" / "images" / "order.svg").write_text(chart(results), "utf-8")


if __name__ == "__main__":
    main()

"""`python -m bench`: every contender on every graph, interleaved, each time in a fresh process; medians and ratios.

`python -m bench start` measures imports and the time to a first task instead; `python -m bench parking [RUNS]` what
parked runs cost; `python -m bench order` how far the order in which tasks are taken is from the best one, which
`python -m bench order prove SECONDS` proves. Absolute
times say little on a shared machine; the ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.contenders import CONTENDERS
from bench.graphs import GRAPHS

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("what", nargs="?", default="graphs", choices=["graphs", "start", "order", "parking", "one"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.what == "one":
        measure_one(*arguments.names)
    elif arguments.what == "start":
        measure_start(arguments.repeat)
    elif arguments.what == "order":
        measure_order(*arguments.names)
    elif arguments.what == "parking":
        measure_parking(*arguments.names)
    else:
        measure_graphs(arguments.repeat)


def measure_one(graph: str, contender: str) -> None:
    """One measurement in this process; its output goes to the null device, as a terminal would distort it."""
    make, size = GRAPHS[graph]
    rows = make(size)
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        seconds = CONTENDERS[contender](rows, Path(folder))
        sys.stdout.flush()
    os.write(stdout, json.dumps({"seconds": seconds, "tasks": len(rows)}).encode())


def measure_graphs(repeat: int) -> None:
    """The table of graphs and contenders."""
    for graph in GRAPHS:
        times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        tasks = 1
        for _ in range(repeat):
            for name, seconds in times.items():
                output = subprocess.run(
                    [sys.executable, "-m", "bench", "one", graph, name], cwd=ROOT, check=True, capture_output=True
                ).stdout
                result = json.loads(output)
                tasks = result["tasks"]
                seconds.append(result["seconds"])
        medians = {name: median(seconds) for name, seconds in times.items()}
        print(f"\n{graph}, {tasks:,} tasks, median of {repeat}")
        print(f"  {'':26}{'us a task':>10}{'x tutorial':>12}{'x stdlib':>10}{'us over memory':>16}")
        for name, seconds_median in medians.items():
            each = seconds_median / tasks * 1e6
            over = f"{(seconds_median - medians['memory']) / tasks * 1e6:16.1f}" if "durable" in name else ""
            against = f"{seconds_median / medians['tutorial']:12.2f}{seconds_median / medians['stdlib']:10.2f}"
            print(f"  {name:26}{each:10.1f}{against}{over}")


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


STARTS = {
    "bare interpreter": ["-c", "pass"],
    "import of the four names": ["-c", "from penstock import Task, WorkflowManager, task, workflow"],
    "penstock --help": ["-m", "penstock", "--help"],
    "script to its first task": [str(ROOT / "bench" / "first_task.py")],
}


def measure_start(repeat: int) -> None:
    """How long it takes to begin, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in STARTS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(max(repeat, 5)):
            for name, arguments in STARTS.items():
                times[name].append(_time_to_end([sys.executable, *arguments], folder))
    bare = median(times["bare interpreter"])
    for name, seconds in times.items():
        print(f"  {name:28}{median(seconds) * 1e3:8.1f} ms{(median(seconds) - bare) * 1e3:8.1f} ms over bare")


def _time_to_end(command: list[str], folder: str) -> float:
    from time import perf_counter

    began = perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


if __name__ == "__main__":
    main()

"""Makes the measurements of rows, each in a fresh process and the parts of a row in turn, and shows how far it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench.machine import ROOT, available
from bench.row import Figures, Row
from bench.table import ROWS

LONGEST = 900
"""Seconds that one measurement may take."""


class MeasurementFailed(Exception):
    """A measurement did not come to its end; the text says what it left on stderr."""


def run_row(row: Row, *, quick: bool, repeat: int | None = None) -> dict[str, Any]:
    """Measure a row: what stands of it in the file of results."""
    size = row.quick if quick else row.size
    repeat = repeat or (2 if quick else row.repeat)
    found: dict[str, Any] = {"title": row.title, "size": size, "repeat": repeat, "parts": {}, "aims": [], "note": ""}
    if not quick and row.memory > available():
        found["note"] = (
            f"not measured: it needs up to {row.memory >> 30} GiB of memory, and {available() / 2**30:.1f} are free"
        )
        return found
    taken: dict[str, list[Figures]] = {name: [] for name in row.measures}
    failed: dict[str, str] = {}
    began = monotonic()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR"), prefix="bench-") as folder:
        if row.prepare is not None:
            _show(row.name, "prepare", began)
            (Path(folder) / "prepared").mkdir()
            row.prepare(size, Path(folder) / "prepared")
        for turn in range(repeat):
            for name in row.measures:
                if name not in failed:
                    _show(row.name, f"{turn + 1} of {repeat}, {name}", began)
                    try:
                        taken[name].append(_in_fresh_process(row.name, name, size, Path(folder)))
                    except MeasurementFailed as error:
                        failed[name] = str(error)
    _show("", "", began)
    found["parts"] = {name: _summary(figures) for name, figures in taken.items() if figures}
    found["note"] = "; ".join(f"{name} failed: {error}" for name, error in failed.items())
    found["aims"] = [
        {"what": judged.what, "value": judged.value, "most": judged.most, "unit": judged.unit, "met": judged.met}
        for judged in row.judge(medians(found), size)
    ]
    return found


def environment() -> dict[str, str]:
    """That of somebody at home: without output that goes to the system line by line, and modules that are compiled anew
    each time."""
    unusual = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in unusual}


def medians(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Of a row as it stands in the results: the medians."""
    return {part: {name: of[0] for name, of in figures.items()} for part, figures in found["parts"].items()}


def _summary(figures: list[Figures]) -> dict[str, list[float]]:
    """Of each figure the median, the least and the most."""
    found = {name: [one[name] for one in figures if name in one] for name in figures[0]}
    return {name: [_short(median(all_)), _short(min(all_)), _short(max(all_))] for name, all_ in found.items()}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _in_fresh_process(row: str, part: str, size: int, folder: Path) -> Figures:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [sys.executable, "-m", "bench", "one", row, part, str(size), own]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            raise MeasurementFailed(f"it took more than {LONGEST} s") from None
        if done.returncode:
            raise MeasurementFailed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


def run_one(row: str, part: str, size: str, folder: str) -> None:
    """One measurement, in this process. What it prints goes to the null device, as a terminal would distort it."""
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    figures = ROWS[row].measures[part](int(size), Path(folder))
    sys.stdout.flush()
    os.write(stdout, json.dumps(figures).encode())


def _show(row: str, text: str, began: float) -> None:
    """Say on a terminal what is being done; elsewhere a line for each row is enough."""
    if sys.stderr.isatty():
        line = f"{row}: {text} ({monotonic() - began:.0f} s)" if row else ""
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()

"""Every measurement can be made, and aims are judged by what it gives."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from bench.anatomy import PARTS
from bench.breakdown import breakdown, table
from bench.row import Aim, Figures, Row, figure, ratio
from bench.runner import medians, run_row
from bench.table import ROWS

SIZES = {
    "compile": 50,
    "W1": 20,
    "W2": 20,
    "W3": 250,
    "W4": 50,
    "map": 20,
    "W7": 2,
    "round-trip": 5,
    "value": 1 << 16,
    "resume": 400,
    "start": 1,
    "gaps": 2,
    "idle": 1,
    "pages": 200,
}
OURS = [
    (name, part)
    for name, row in ROWS.items()
    for part in row.measures
    if name not in ("W1", "W2", "W3") or part in ("tutorial", "stdlib", "memory", "durable", "default")
]


@pytest.mark.parametrize(("name", "part"), OURS)
def test_every_measurement_gives_figures(name: str, part: str, tmp_path: Path):
    row, size = ROWS[name], SIZES[name]
    (tmp_path / "own").mkdir()
    if row.prepare is not None:
        (tmp_path / "prepared").mkdir()
        row.prepare(size, tmp_path / "prepared")
    found = row.measures[part](size, tmp_path / "own")
    assert found
    assert all(isinstance(value, (int, float)) for value in found.values())
    assert all(value > 0 for name, value in found.items() if name in ("us", "seconds", "ms", "peak", "bytes"))


def _given(us: float, size: int, folder: Path) -> Figures:
    return {"us": us * size}


def _small(aims: list[Aim], **measures: float) -> Row:
    return Row(
        "small",
        "nothing at all",
        {part: partial(_given, us) for part, us in measures.items()},
        2,
        1,
        aims,
    )


def test_aims_are_judged_by_the_medians():
    row = _small([Aim("twice", 2, "times", ratio("a", "b")), Aim("few", 5, "us", figure("a", "us"))], a=3.0, b=1.0)
    judged = row.judge({"a": {"us": 3.0}, "b": {"us": 1.0}}, 1)
    assert [(one.value, one.met) for one in judged] == [(3.0, False), (3.0, True)]


def test_what_was_not_measured_is_not_judged():
    row = _small([Aim("twice", 2, "times", ratio("a", "b"))], a=3.0)
    assert row.judge({"a": {"us": 3.0}}, 1) == []


def test_a_row_that_needs_more_memory_than_there_is_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bench.runner.available", lambda: 1 << 30)
    found = run_row(ROWS["W4"], quick=False)
    assert found["parts"] == {}
    assert found["note"] == "not measured: it needs up to 5 GiB of memory, and 1.0 are free"


def test_a_row_is_measured_in_processes_of_its_own():
    found = run_row(ROWS["W1"], quick=True, repeat=1)
    assert found["note"] == ""
    assert {*medians(found)} >= {"tutorial", "stdlib", "memory", "durable", "default"}
    assert [aim["met"] for aim in found["aims"]] == [aim["value"] <= aim["most"] for aim in found["aims"]]


def test_a_measurement_that_fails_is_told_of_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch):
    row = ROWS["W1"]
    there = {name: row.measures[name] for name in ("tutorial",)} | {"nobody": row.measures["tutorial"]}
    monkeypatch.setattr("bench.runner.ROWS", ROWS)
    found = run_row(Row("W1", row.title, there, 10, 10, repeat=1), quick=True, repeat=1)
    assert [*found["parts"]] == ["tutorial"]
    assert found["note"] == "nobody failed: KeyError: 'nobody'"


@pytest.mark.skipif(sys.platform != "linux", reason="timers")
def test_the_breakdown_finds_the_parts_of_a_task():
    found = breakdown(0.05, ["W1, durable"])
    parts = found["W1, durable"]["parts"]
    assert sum(parts.values()) == pytest.approx(found["W1, durable"]["total"], rel=0.01)
    assert parts["dispatch"] + parts["engine"] + parts["invoke"] > 0
    assert parts["store"] + parts["journal"] > 0
    assert [line.split(" | ")[0] for line in table(found).splitlines()[2:-2]] == [f"| {part}" for part in PARTS]

"""Tables, colours and JSON."""

from __future__ import annotations

import io
import json
import math
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.api.records import plain, timestamp
from penstock.cli.output import Cell, Output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return not super().isatty()  # which fails if it is closed


def shown(rows: list[list[str]], *, right: tuple[int, ...] = ()) -> list[str]:
    """The lines of a table with these cells."""
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        Output().table(("NAME", "NUMBER", "NOTE"), [[Cell(text) for text in row] for row in rows], right=right)
        return sys.stdout.getvalue().splitlines()
    finally:
        sys.stdout = before


def test_columns_are_aligned_and_empty_ones_are_left_out():
    assert shown([["a", "1", ""], ["日本", "10", ""]], right=(1,)) == ["NAME  NUMBER", "a          1", "日本      10"]
    assert shown([["a", "", "x"]]) == ["NAME  NOTE", "a     x"]


def test_a_cell_cannot_control_the_terminal_or_break_its_line():
    assert shown([["\x1b[31ma", "1\n2", "\r"]])[1:] == ["?[31ma  1 2     ?"]


def test_the_last_column_is_cut_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    Output().table(("A", "B"), [[Cell("x" * 5), Cell("y" * 50)]])
    assert terminal.getvalue().splitlines()[1] == "xxxxx  yyyyyyyyyyyy…"


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    output, terminal = Output(), Terminal()
    assert output.paint("x", "red", stream=terminal) == "\x1b[31mx\x1b[0m"
    assert output.paint("x", "red", stream=io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("x", "red", stream=terminal) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert output.paint("x", "red", stream=io.StringIO()) == "\x1b[31mx\x1b[0m"
    terminal.close()
    monkeypatch.delenv("FORCE_COLOR")
    assert output.paint("x", "red", stream=terminal) == "x"


def test_values_as_json():
    value = {
        "day": date(2013, 1, 2),
        "path": Path("a/b"),
        1: (1, 2.5, {Decimal("1.10")}),
        "nan": math.nan,
        "none": None,
        "flag": True,
    }
    assert plain(value) == {
        "day": "2013-01-02",
        "path": "a/b",
        "1": [1, 2.5, ["1.10"]],
        "nan": "nan",
        "none": None,
        "flag": True,
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=10,
)


@given(ANYTHING)
def test_every_parameter_can_be_written_as_json(value: object):
    json.loads(json.dumps(plain(value), allow_nan=False))


def test_times_are_utc_to_the_millisecond():
    assert timestamp(datetime(2013, 1, 2, 3, 4, 5, 678_999, UTC)) == "2013-01-02T03:04:05.678Z"
    assert timestamp(None) is None
    assert timezone(timedelta(0)) == UTC

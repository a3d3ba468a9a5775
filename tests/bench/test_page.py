"""The page about speed shows what was measured, and how."""

from __future__ import annotations

import re

import pytest

from bench import results
from bench.anatomy import PARTS
from bench.chart import chart
from bench.page import CHART, PAGE, filled
from bench.peers import RECORDED
from bench.results import Results
from bench.table import ROWS

AGAIN = "python -m bench page makes it anew"


@pytest.fixture(scope="module")
def found() -> Results:
    return results.read()


def test_the_page_shows_the_results(found: Results):
    page = PAGE.read_text("utf-8")
    assert filled(page, found) == page, AGAIN
    assert re.findall(r"<!-- made: (\w+) -->", page) == ["machine", "overhead", "store", "aims", "breakdown"]


def test_the_chart_shows_the_results(found: Results):
    drawn = chart(found)
    assert drawn == CHART.read_text("utf-8"), AGAIN
    assert all(f">{name}</text>" in drawn for name in RECORDED)
    assert f"(../images/{CHART.name})" in PAGE.read_text("utf-8")


def test_every_row_has_been_measured_and_is_named_on_the_page(found: Results):
    assert [*found["rows"]] == [*ROWS]
    page = PAGE.read_text("utf-8")
    assert [name for name in ROWS if f"`{name}`" not in page] == []
    assert all(column["parts"].keys() == PARTS.keys() for column in found["breakdown"].values())


def test_other_figures_make_another_page_and_another_chart(found: Results):
    rows = {**found["rows"]}
    parts = {**rows["W1"]["parts"]}
    parts["memory"] = {**parts["memory"], "us": [123.4, 123.4, 123.4]}
    other = {**found, "rows": {**rows, "W1": {**rows["W1"], "parts": parts}}}
    assert "| 123.4 |" in filled(PAGE.read_text("utf-8"), other)
    assert chart(other) != chart(found)

"""What order is worth, as docs/how-to/what-runs-first.md says: measured against proved optima by bench/order."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from bench.order.chart import chart
from bench.order.families import pipelines
from bench.order.measure import ORDERS, Result, groups, measure, table, unproved, where_it_matters

DOCS = Path(__file__).parents[2] / "docs"
OURS = ("learned", "known")


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return measure()


def test_most_optima_are_proved(results: list[Result]):
    assert len(results) == 300
    assert mean(result.proved for result in results) > 0.9


@pytest.mark.parametrize("order", OURS)
def test_no_run_is_much_longer_than_it_could_be(results: list[Result], order: str):
    gaps = [result.gaps[order] for result in results]  # also those above a bound only
    assert mean(gaps) < 0.02
    assert max(gaps) < 0.08
    assert min(gaps) >= 0


def test_no_family_is_served_worse_than_by_first_come_first_served(results: list[Result]):
    for title, group in groups(results):
        fifo = mean(result.gaps["first come"] for result in group)
        for order in OURS:
            assert mean(result.gaps[order] for result in group) <= fifo, title
    families = [title for title, _ in groups(results)][:4]
    assert families == ["layered", "fork-join", "tree", "pipelines"]


def test_the_page_shows_what_was_measured(results: list[Result]):
    page = (DOCS / "how-to" / "what-runs-first.md").read_text("utf-8")
    assert table(results) in page
    text = " ".join(page.split())
    assert unproved(results) in text
    assert where_it_matters(results) in text
    assert chart(results) == (DOCS / "images" / "order.svg").read_text("utf-8")
    assert all(f"- *{name}*:" in page for name in ORDERS)


def test_pipelines_are_read_as_they_are_written():
    graph = pipelines()["flights"]
    assert len(graph) == 28
    assert graph[18] == (1, 6), "the last month is cleaned from the flights and the weather"
    assert graph[19] == (3, 4, 5, *range(6, 19))
    assert all(all(above < task for above in graph[task]) for task in range(len(graph)))

"""All rows of the table of aims."""

from __future__ import annotations

from bench.row import Row
from bench.rows.api import PAGES
from bench.rows.beginnings import RESUME, START
from bench.rows.graphs import COMPILE, MILLION, graph_row
from bench.rows.maps import MAP
from bench.rows.processes import ROUND_TRIP, W7
from bench.rows.values import VALUE
from bench.rows.waiting import GAPS, IDLE

_ALL = (
    COMPILE,
    graph_row("W1", "a chain of 1,000 tasks", 1_000, 200),
    graph_row("W2", "a fan of 1,000 tasks", 1_000, 200),
    graph_row("W3", "10,000 tasks in layers of 100, each after three", 10_000, 500),
    MILLION,
    MAP,
    W7,
    ROUND_TRIP,
    VALUE,
    RESUME,
    START,
    GAPS,
    IDLE,
    PAGES,
)
ROWS: dict[str, Row] = {row.name: row for row in _ALL}

"""What is asked once a second is answered from an index, however many runs wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.store.postgres.address import read_url
from penstock.store.postgres.connection import Connection, connect, queries
from penstock.store.postgres.schema import prepare

pytest_plugins = ("tests.postgres_fixtures",)


@pytest.fixture
def db(postgres_url: str) -> Iterator[Connection]:
    """A store with 10,000 runs that wait, and a few others."""
    address = read_url(postgres_url)
    with connect(address) as db:
        prepare(db, address)
        db.execute(
            b"INSERT INTO run"
            b" (id, workflow, state, params, plan, created_at, tasks, counts, undelivered, wake_at, parent)"
            b" SELECT 'run-' || n, 'w' || (n % 50), CASE WHEN n > 10000 THEN 'running' ELSE 'waiting' END, '{}', 'p',"
            b" n, 1, '{}', 0, 1000 + n, 'run-' || (n % 100) FROM generate_series(1, 10010) AS n"
        )
        db.execute(b"ANALYZE run")
        yield db


@pytest.mark.parametrize(
    ("name", "value", "index"),
    [("due", "1005.0", "run_due"), ("unfinished", None, "run_unfinished"), ("children", "'run-3'", "run_by_parent")],
)
def test_an_index_answers(db: Connection, name: str, value: str | None, index: str):
    query = queries()[name].decode()
    check(db, query.replace("$1", value) if value else query, index)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("runs", "run_by_age"),
        ("runs_of", "run_by_workflow"),
        ("runs_in", "run_by_state"),
        ("runs_of_in", "run_by_workflow"),
        ("newest_runs", "run_by_workflow"),
    ],
)
def test_an_index_finds_a_page(db: Connection, name: str, index: str):
    values = {1: "50", 2: "0", 3: "9000", 4: "9000", 5: "NULL"}
    last = "ARRAY['running', 'failed']" if name.endswith("_in") else "'w7'"
    values |= {6: last, 7: "'w7'"}
    query = queries()[name].decode()
    for number, value in values.items():
        query = query.replace(f"${number}", value)
    check(db, query, index)


def check(db: Connection, query: str, index: str) -> None:
    plan = db.execute(f"EXPLAIN {query}".encode()).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert index in text
    assert "Seq Scan" not in text

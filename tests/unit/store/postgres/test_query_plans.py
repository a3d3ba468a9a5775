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
            b" SELECT 'run-' || n, 'flights', CASE WHEN n > 10000 THEN 'running' ELSE 'waiting' END, '{}', 'p',"
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
    plan = db.execute(f"EXPLAIN {query.replace('$1', value) if value else query}".encode()).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert index in text
    assert "Seq Scan" not in text

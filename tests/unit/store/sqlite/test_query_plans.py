"""What is asked once a second is answered from an index, however many runs wait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from penstock.store.sqlite.queries import queries
from penstock.store.sqlite.schema import prepare


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    """10,000 runs that wait, and a few others."""
    db = apsw.Connection(":memory:")
    prepare(db, Path("penstock.db"))
    states = ["waiting"] * 10_000 + ["running", "queued", "success"] * 3
    rows = [
        (f"run-{number}", state, float(number), 1000.0 + number if state == "waiting" else None, f"run-{number % 100}")
        for number, state in enumerate(states)
    ]
    db.executemany(
        "INSERT INTO run (id, workflow, state, params, plan, created_at, tasks, counts, wake_at, parent)"
        " VALUES (?1, 'flights', ?2, '{}', 'p', ?3, 1, '{}', ?4, ?5)",
        rows,
    )
    db.execute("INSERT INTO slot SELECT 'api', number, 1, 1, 1, 0, 0, NULL, NULL FROM run")
    db.execute("ANALYZE")
    yield db
    db.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("runs", "run_by_age (created_at>? AND created_at<?)"),
        ("runs_of", "run_by_workflow (workflow=? AND created_at>? AND created_at<?)"),
        ("runs_in", "run_by_state (state=? AND created_at>? AND created_at<?)"),
        ("runs_of_in", "run_by_workflow_and_state (workflow=? AND state=? AND created_at>? AND created_at<?)"),
        ("active_runs", "run_by_workflow_and_state (workflow=? AND state=?)"),
        ("run_counts", "run_by_workflow_and_state"),
        ("newest_runs", "run_by_workflow (workflow=?)"),
        ("taken", "run_by_logical_time (workflow=? AND logical_at=?)"),
    ],
)
def test_an_index_finds_a_page(db: apsw.Connection, name: str, index: str):
    values = (None,) * len(set(re.findall(r"\?\d", queries()[name])))
    steps = [str(step) for *_, step in db.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", values).fetchall()]
    assert any(step.endswith(f"INDEX {index}") for step in steps), steps
    assert not any(step.startswith("SCAN run") and "COVERING" not in step for step in steps), steps


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("due", "SEARCH run USING INDEX run_due (wake_at<?)"),
        ("unfinished", "SCAN run USING INDEX run_unfinished"),
        ("children", "SEARCH run USING INDEX run_by_parent (parent=?)"),
        ("pools_of", "SEARCH slot USING INDEX slot_by_run (run=?)"),
        ("wake", "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)"),
        ("forget_stake", "SEARCH slot USING PRIMARY KEY (pool=? AND run=?)"),
        ("delete_slots", "SEARCH slot USING INDEX slot_by_run (run=?)"),
    ],
)
def test_an_index_answers(db: apsw.Connection, name: str, plan: str):
    values = (None,) * len(set(re.findall(r"\?\d", queries()[name])))
    steps = db.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", values)
    assert [step for *_, step in steps.fetchall()] == [plan]

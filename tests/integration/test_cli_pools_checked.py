"""Pools that are not there, or too small, are told before anything runs: by check and by a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import WorkflowManager
from tests.integration.commands import penstock, penstock_json, write

FLOW = """\
    from penstock import task, workflow

    @task(pool="db", pool_slots=2)
    def load() -> None: ...

    @workflow
    def inner() -> None:
        load()

    @workflow
    def outer() -> None:
        inner()

    @task
    def tidy() -> None: ...

    @workflow
    def plain() -> None:
        tidy()
    """
MISSING = "task 'load': pool='db' does not exist; there are none; penstock pool set NAME SLOTS makes one"
SMALL = "task 'load': pool_slots=2, and pool 'db' has 1: it would wait for ever; penstock pool set db 2"


@pytest.fixture(autouse=True)
def flow() -> None:
    write("flow.py", FLOW)


def make(slots: int, name: str = "db") -> None:
    with WorkflowManager() as manager:
        manager.set_pool(name, slots)


def test_check_finds_what_a_run_would_be_refused_for():
    make(1)
    assert penstock_json("check", "flow.py:inner", code=2) == [
        {"file": "flow.py:inner", "kind": "OptionError", "message": SMALL, "where": f"{Path('flow.py').absolute()}:8"}
    ]
    told = penstock("check", "flow.py", code=2).stdout
    assert told.count(SMALL) == 1, "of two workflows, of which one is a task of the other"
    assert "inner:" not in told
    assert "outer:" not in told
    assert "plain: 1 task, 0 edges, fine" in told
    assert SMALL in penstock("run", "flow.py:inner", code=2).stderr
    make(2)
    assert penstock_json("check", "flow.py") == []


def test_without_a_store_check_only_notes_it_and_makes_none():
    checked = penstock("check", "flow.py:inner")
    assert MISSING in checked.stderr
    assert "no store here yet" in checked.stderr
    assert "inner: 1 task, 0 edges, fine" in checked.stdout
    assert penstock_json("check", "flow.py") == []
    assert not Path(".penstock").exists()


def test_pools_of_the_settings_count_as_a_run_would_make_them():
    Path("penstock.toml").write_text("[pools]\ndb = 2\n")
    assert "db" not in penstock("check", "flow.py:inner").stderr
    assert "load" in penstock("run", "flow.py:inner", "--dry-run").stdout
    make(1)  # what is on record counts
    assert SMALL in penstock("check", "flow.py:inner", code=2).stdout


def test_a_store_that_does_not_answer_makes_no_workflow_bad():
    checked = penstock("check", "flow.py:inner", "--store", "postgresql://localhost:1/none")
    assert "the pools of inner cannot be looked up" in checked.stderr


@pytest.mark.parametrize("pools", [{}, {"db": 1}], ids=["none", "small"])
def test_a_dry_run_is_refused_as_the_run_would_be(pools: dict[str, int]):
    for name, slots in pools.items():
        make(slots, name)
    for workflow in ("inner", "outer"):
        told = penstock("run", f"flow.py:{workflow}", "--dry-run", code=2).stderr
        assert (SMALL if pools else MISSING) in told


def test_a_number_of_slots_that_is_none_is_refused_in_plain_words():
    for text in ("x", "1.5", "9" * 5000):
        told = penstock("pool", "set", "db", text, code=2).stderr
        assert "is not a whole number of slots from 0 up" in told
    assert "from 0 to 1,000,000,000" in penstock("pool", "set", "db", "1000000001", code=2).stderr

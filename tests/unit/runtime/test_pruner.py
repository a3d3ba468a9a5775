"""Which runs are forgotten: the decision alone."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, Workflow, WorkflowManager
from penstock.runtime.pruner import DAY, Retention, expired
from penstock.store.base import RunRow

NOW = 1_000 * DAY
ENDED = ("success", "failed", "cancelled")


def row(number: int, workflow: str, state: str, ended: float, undelivered: int) -> RunRow:
    at = NOW - ended * DAY
    end = at if state in ENDED else None
    return RunRow(f"run{number}", workflow, state, "{}", "plan", None, at, ended_at=end, undelivered=undelivered)


described = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([*ENDED, "running", "queued"]),
    st.integers(0, 20).map(float),
    st.sampled_from([0, 0, 0, 2]),
)
histories = st.lists(described, max_size=30).map(lambda runs: [row(number, *run) for number, run in enumerate(runs)])
retentions = st.builds(Retention, st.integers(0, 8), st.one_of(st.integers(0, 20), st.just(inf)))


@given(histories, retentions)
def test_each_run_is_forgotten_exactly_if_it_is_old_and_enough_newer_ones_have_ended(
    rows: list[RunRow], retention: Retention
) -> None:
    forgotten = expired(rows, retention, NOW)
    for place, one in enumerate(rows):
        newer = [
            other
            for other in rows[:place]
            if other.workflow == one.workflow and other.state in ENDED and not other.undelivered
        ]
        old = one.ended_at is not None and one.ended_at < NOW - retention.days * DAY
        assert (one in forgotten) == (old and not one.undelivered and len(newer) >= retention.keep)


@given(histories, retentions)
def test_what_is_left_is_left_again(rows: list[RunRow], retention: Retention) -> None:
    forgotten = expired(rows, retention, NOW)
    assert expired([one for one in rows if one not in forgotten], retention, NOW) == []


@given(histories, st.integers(0, 8))
def test_without_a_limit_of_age_nothing_is_forgotten(rows: list[RunRow], keep: int) -> None:
    assert expired(rows, Retention(keep, inf), NOW) == []


@given(histories)
def test_a_run_that_has_not_ended_or_has_something_to_tell_is_never_forgotten(rows: list[RunRow]) -> None:
    assert all(one.state in ENDED and one.undelivered == 0 for one in expired(rows, Retention(0, 0), NOW))


@pytest.mark.parametrize(
    "options", [{"keep": -1}, {"keep": 1.5}, {"keep": True}, {"older_than": -1}, {"older_than": nan}], ids=str
)
def test_numbers_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PenstockError, match=next(iter(options))):
        WorkflowManager("memory").prune(**options)


def test_runs_in_memory_are_pruned_when_asked() -> None:
    manager = WorkflowManager("memory", observers=[])
    ids = [manager.run(Workflow("empty")).id for _ in range(3)]
    assert set(manager.prune(older_than=0, keep=1).runs) == set(ids[:2])
    assert [run.id for run in manager.runs()] == ids[2:]

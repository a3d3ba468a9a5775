"""What was decided long ago is kept in short, and nothing of it comes undone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.store.schedules import TickRow
from penstock.store.ticks import CREATED, merged


def row(what: str, last: int, length: int) -> TickRow:
    run = f"run-{last}" if what == CREATED else None
    return TickRow(what, float(last - (0 if what == CREATED else length)), float(last), 1 + length, run, float(last))


drawn = st.lists(
    st.builds(row, st.sampled_from([CREATED, CREATED, "skipped", "collapsed"]), st.integers(0, 30), st.integers(0, 3)),
    max_size=25,
    unique_by=lambda row: (row.last, row.what),
).map(lambda rows: sorted(rows, key=lambda row: (row.last, row.what)))
keeps = st.integers(0, 10)


def after(rows: list[TickRow], keep: int) -> list[TickRow]:
    gone, new = merged(rows, keep)
    left = [row for row in rows if row not in gone]
    assert len(left) == len(rows) - len(gone)
    keys = [(row.last, row.what) for row in (*left, *new)]
    assert len(set(keys)) == len(keys), "no row takes the place of another"
    return sorted((*left, *new), key=lambda row: (row.last, row.what))


def is_taken(rows: list[TickRow], at: float) -> bool:
    return any(row.what == CREATED and row.first <= at <= row.last for row in rows)


@given(drawn, keeps)
def test_a_time_that_has_had_its_run_has_had_it_still(rows: list[TickRow], keep: int) -> None:
    left = after(rows, keep)
    assert all(is_taken(left, at) for at in map(float, range(-3, 31)) if is_taken(rows, at))


@given(drawn, keeps)
def test_every_decision_is_counted_in_one_row(rows: list[TickRow], keep: int) -> None:
    left = after(rows, keep)
    assert sum(row.count for row in left) == sum(row.count for row in rows)
    if rows:
        assert min(row.first for row in left) == min(row.first for row in rows)
        assert max(row.decided_at for row in left) == max(row.decided_at for row in rows)


@given(drawn, keeps)
def test_the_newest_stay_as_they_are_and_of_the_older_ones_few_are_left(rows: list[TickRow], keep: int) -> None:
    left = after(rows, keep)
    assert len(left) <= 2 * keep + 3, "as there may be three of one time"
    if keep:
        assert left[-keep:] == rows[-keep:]


@given(drawn, keeps)
def test_what_was_merged_is_left_as_it_is(rows: list[TickRow], keep: int) -> None:
    left = after(rows, keep)
    if keep:
        assert after(left, keep) == left

"""What is ready comes in the order of ranks, and of equals who came first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from penstock.runtime.ready import ReadyQueue

ROWS = 6
"""Rows of the plan; slots from here on are instances of the last two."""


def row_of(slot: int) -> int:
    return slot if slot < ROWS else ROWS - 2 + slot % 2


class Model(RuleBasedStateMachine):
    """The queue beside a list that is searched from end to end."""

    @initialize(
        ranks=st.just([]) | st.lists(st.sampled_from([-2.0, -1.5, 0.0, 3.0]), min_size=ROWS, max_size=ROWS),
    )
    def begin(self, ranks: Sequence[float]) -> None:
        self.queue = ReadyQueue(row_of, ranks)
        self.ranks = ranks
        self.came: list[tuple[int, int]] = []
        self.taken: list[int] = []
        self.next_slot, self.position = ROWS, 0

    @rule(plain=st.integers(0, ROWS - 3), instances=st.integers(0, 5) | st.integers(62, 70))
    def add(self, plain: int, instances: int) -> None:
        known = {slot for slot, _ in self.came} | {*self.taken}
        slots = [plain] * (plain not in known)
        slots += [*range(self.next_slot, self.next_slot + instances)]
        self.next_slot += instances
        self.position += 1
        self.queue.add(slots, self.position)
        self.came += [(slot, self.position) for slot in slots]

    @rule()
    def take(self) -> None:
        assert bool(self.queue) is bool(self.came)
        if not self.came:
            with pytest.raises(IndexError):
                self.queue.take()
            return
        first = min(
            self.came, key=lambda entry: self.ranks[row_of(entry[0])] if self.ranks else 0
        )  # the first of equals
        assert self.queue.take() == first
        self.came.remove(first)
        self.taken.append(first[0])

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.queue.ended(self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1))))

    @precondition(lambda self: self.came)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from([slot for slot, _ in self.came]), max_size=2))
        self.queue.withdraw(gone)
        self.came = [entry for entry in self.came if entry[0] not in gone]


TestModel = Model.TestCase


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=20))
def test_the_lowest_rank_goes_first_and_of_equals_who_came_first(ranks: list[float]):
    queue = ReadyQueue(lambda slot: slot, ranks)
    queue.add(range(len(ranks)), 1)
    taken = [queue.take()[0] for _ in ranks]
    assert taken == sorted(range(len(ranks)), key=ranks.__getitem__)


def test_instances_go_by_the_rank_of_their_row_and_then_by_their_index():
    queue = ReadyQueue(row_of, [0.0, 0.0, 0.0, 0.0, 2.0, 1.0])
    queue.add(range(ROWS, ROWS + 6), 1)  # even ones are of row 4, odd ones of row 5
    assert [queue.take()[0] for _ in range(6)] == [7, 9, 11, 6, 8, 10]

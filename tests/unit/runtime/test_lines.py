"""What is ready comes in order as far as limits let it, and who has to wait at a limit is overtaken there by nobody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.runtime.lines import Limit, LimitedQueue, Needs

ROWS = 5
SIZES = st.integers(0, 4)
NEEDS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=2, unique_by=lambda need: need[0])


class Shared(Limit):
    is_shared = True


class Model(RuleBasedStateMachine):
    """The queue beside a list of tasks that is gone through from its front: a task may start if all its limits have
    room, and none of those that were passed over before it waits for one of them. Who needs several may stand aside at
    any that had no room: there, what starts must have room and be the first of those that need the same."""

    @initialize(
        ranks=st.just([]) | st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=ROWS, max_size=ROWS),
        sizes=st.tuples(SIZES, SIZES, SIZES),
        needs=st.lists(NEEDS, min_size=ROWS, max_size=ROWS),
    )
    def begin(self, ranks: Sequence[float], sizes: Sequence[int], needs: Sequence[list[tuple[int, int]]]) -> None:
        self.limits = [Limit(sizes[0]), Limit(sizes[1]), Shared(sizes[2])]
        self.needs: list[Needs] = [
            tuple((self.limits[limit], weight) for limit, weight in sorted(each)) for each in needs
        ]
        self.queue = LimitedQueue(lambda task: task % ROWS, dict(enumerate(self.needs)), (), ranks)
        self.ranks = ranks
        self.is_exact = all(len(each) < 2 for each in needs)
        self.waiting: list[tuple[float, int]] = []
        self.running: list[int] = []
        self.given_up: list[int] = []
        self.next = 0

    def taken(self, limit: Limit) -> int:
        def need(task: int) -> int:
            return sum(weight for other, weight in self.needs[task % ROWS] if other is limit)

        return sum(map(need, self.running + (self.given_up if limit.is_shared else [])))

    def could_start(self) -> int | None:
        refused: set[Limit] = set()
        for _, task in sorted(self.waiting):
            for limit, weight in self.needs[task % ROWS]:
                if limit in refused or limit.size - self.taken(limit) < weight:
                    refused.add(limit)
                    break
            else:
                return task
        return None

    @rule(tasks=st.lists(st.integers(0, ROWS - 1), max_size=4))
    def add(self, tasks: list[int]) -> None:
        added = []
        for row in tasks:
            added.append(self.next * ROWS + row)
            self.waiting.append((self.ranks[row] if self.ranks else 0.0, added[-1]))
            self.next += 1
        self.queue.add(added, 7)

    @rule()
    def take(self) -> None:
        if not self.queue:
            with pytest.raises(IndexError):
                self.queue.take()
            return
        expected = self.could_start()
        task, requires = self.queue.take()
        assert requires == 7
        if self.is_exact:
            assert task == expected
        needs = self.needs[task % ROWS]
        assert all(limit.size - self.taken(limit) >= weight for limit, weight in needs)
        assert task == min(entry for entry in self.waiting if self.needs[entry[1] % ROWS] == needs)[1]
        self.waiting = [entry for entry in self.waiting if entry[1] != task]
        self.running.append(task)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.queue.ended(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))

    @precondition(lambda self: self.running)
    @rule()
    def give_up(self) -> None:
        self.given_up.append(self.running.pop())
        self.queue.given_up(self.given_up[-1])

    @precondition(lambda self: self.given_up)
    @rule()
    def come_back(self) -> None:
        self.queue.returned(self.given_up.pop())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from([task for _, task in self.waiting]), max_size=3))
        self.queue.withdraw(gone)
        self.waiting = [entry for entry in self.waiting if entry[1] not in gone]

    @rule(limit=st.integers(0, 2), size=SIZES)
    def resize(self, limit: int, size: int) -> None:
        self.queue.resize(self.limits[limit], size)

    @invariant()
    def is_true_if_something_may_start(self) -> None:
        if hasattr(self, "queue"):
            if self.is_exact:
                assert bool(self.queue) is (self.could_start() is not None)
            assert [limit.used for limit in self.limits] == [self.taken(limit) for limit in self.limits]

    def teardown(self) -> None:
        """With room for each, and nothing that runs, all can be taken."""
        if not hasattr(self, "queue"):
            return
        for task in self.running:
            self.queue.ended(task)
        for task in self.given_up:
            self.queue.returned(task)
        for limit in self.limits:
            self.queue.resize(limit, 3)
        while self.waiting:
            task, _ = self.queue.take()
            self.waiting = [entry for entry in self.waiting if entry[1] != task]
            self.queue.ended(task)
        assert not self.queue


TestModel = Model.TestCase


def test_who_needs_many_is_not_overtaken_by_those_that_need_few():
    pool = Limit(3)
    queue = LimitedQueue(lambda task: task, {0: ((pool, 2),), 1: ((pool, 3),), 2: ((pool, 1),), 3: ()}, ())
    queue.add([0, 1, 2, 3], 1)
    assert queue.take()[0] == 0
    assert queue.take()[0] == 3, "1 waits for three slots, 2 for 1; 3 needs none"
    assert not queue
    queue.ended(0)
    assert queue.take()[0] == 1
    assert not queue
    queue.ended(1)
    assert queue.take()[0] == 2

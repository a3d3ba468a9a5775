"""Runs that share slots use no more than there are, whatever happens between two steps of theirs, and all get done."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.clock import Clock
from penstock.errors import StoreError
from penstock.runtime.lines import Limit, LimitedQueue, Needs
from penstock.runtime.slots import LOOK_PAUSE, SharedLimit, Slots
from penstock.store.base import Claim, Store
from penstock.store.memory import MemoryStore
from penstock.testing.store_samples import new_run

ROWS = 4


class StoppedClock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class DoubtfulStore:
    """Passes claims on. Things happen just before and just after them; some fail, made or not."""

    def __init__(self, store: MemoryStore, happens: Callable[[], None], fails: Callable[[], str]) -> None:
        self._store = store
        self._happens = happens
        self._fails = fails

    def claim(self, *args: Any, **options: Any) -> Claim:
        self._happens()
        fails = self._fails()
        if fails == "not made":
            raise StoreError(fails)
        claim = self._store.claim(*args, **options)
        if fails == "made":
            raise StoreError(fails)
        self._happens()
        return claim


class OneRun:
    """A run as its driver has it: tasks of several kinds, some of which run."""

    def __init__(self, id: str, memory: MemoryStore, store: Any, clock: StoppedClock, needs: list[list[int]]) -> None:
        own = Limit(2)
        concurrency = SharedLimit("few", 1, lambda: None)
        pool = SharedLimit("db", None, lambda: None)
        limits = (own, concurrency, pool)
        rows: dict[int, Needs] = {
            row: tuple((limit, weight) for limit, weight in zip(limits, weights, strict=True) if weight)
            for row, weights in enumerate(needs)
        }
        self.limits = [concurrency, pool]
        self.queue = LimitedQueue(lambda task: task % ROWS, rows, ())
        lease = memory.start_run(new_run(id), b"a plan")
        self.slots = Slots(self.queue, self.limits, cast(Store, store), lease, Lock(), cast(Clock, clock))
        self.running: list[int] = []
        self.came = 0

    def add(self, row: int) -> None:
        self.queue.add([self.came * ROWS + row], 1)
        self.came += 1

    def step(self, word: str, row: int = 0) -> None:
        if word == "add":
            self.add(row)
        elif word == "serve":
            self.serve()
        elif word == "heard":
            self.slots.heard()
        elif word == "take" and self.queue:
            self.running.append(self.queue.take()[0])
        elif word == "end" and self.running:
            self.queue.ended(self.running.pop(0))

    def serve(self, *, may_start: bool = True) -> None:
        try:
            self.slots.serve(may_start=may_start)
        except StoreError:
            pass


NEEDS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 3)).map(list), min_size=ROWS, max_size=ROWS
)
RUNS = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("add"), RUNS, st.integers(0, ROWS - 1)),
    st.tuples(st.sampled_from(["take", "take", "end", "serve", "serve", "heard", "wait"]), RUNS, st.just(0)),
)


@given(
    needs=NEEDS,
    steps=st.lists(STEPS, max_size=60),
    between=st.lists(st.tuples(st.sampled_from(["take", "end"]), RUNS), max_size=40),
    failures=st.lists(st.sampled_from(["", "", "", "made", "not made"]), max_size=10),
)
def test_no_more_is_used_than_there_is_and_all_get_done(
    needs: list[list[int]],
    steps: list[tuple[str, int, int]],
    between: list[tuple[str, int]],
    failures: list[str],
):
    memory, clock = MemoryStore(), StoppedClock()
    memory.set_pool("db", 3)
    runs: list[OneRun] = []

    def check() -> None:
        for place, size in enumerate((1, 3)):
            assert sum(run.limits[place].used for run in runs) <= size

    def happens() -> None:
        if between:
            word, number = between.pop()
            runs[number].step(word)
            check()

    store = DoubtfulStore(memory, happens, lambda: failures.pop() if failures else "")
    runs += [OneRun(f"run-{number}", memory, store, clock, needs) for number in range(3)]
    for word, number, row in steps:
        if word == "wait":
            clock.now += LOOK_PAUSE
        else:
            runs[number].step(word, row)
        check()
    between.clear()
    failures.clear()
    get_done(runs, clock, check)
    assert [(pool.used, pool.waiting) for pool in memory.pools()] == [(0, 0)]
    assert memory.pool_users("few") == []


def get_done(runs: list[OneRun], clock: StoppedClock, check: Callable[[], None]) -> None:
    """Each takes what it may, and ends it; nobody hears anything, and all look once a second."""
    for _ in range(400):
        for run in runs:
            run.serve()
            run.step("take")
            check()
            run.step("end")
        clock.now += LOOK_PAUSE
    assert not any(limit.aside.first for run in runs for limit in run.limits)
    assert not any(run.queue for run in runs)
    for run in runs:
        while run.running:
            run.step("end")
        run.slots.give_back()


def alone(size: int) -> tuple[OneRun, MemoryStore, StoppedClock]:
    memory, clock = MemoryStore(), StoppedClock()
    memory.set_pool("db", size)
    return OneRun("run", memory, memory, clock, [[0, 0, 1], [0, 0, 2], [0, 0, 0], [1, 0, 1]]), memory, clock


def test_what_was_granted_is_used_again_without_asking_while_nobody_waits():
    run, memory, _ = alone(2)
    for _ in range(10):
        run.add(0)
    run.serve()
    asked: list[object] = []
    run.slots._store = cast(Store, DoubtfulStore(memory, lambda: asked.append(None), lambda: ""))
    for _ in range(5):
        run.step("take")
        run.step("take")
        run.serve()
        run.step("end")
        run.step("end")
        run.serve()
    assert (asked, run.slots.pause()) == ([], LOOK_PAUSE)


def test_a_run_claims_what_could_start_but_for_the_slots():
    run, memory, _ = alone(9)
    for _ in range(5):
        run.add(3)  # of which two may run at once
    run.serve()
    assert memory.pools()[0].used == 2


def test_a_run_that_may_start_nothing_more_gives_back_what_it_does_not_use():
    run, memory, clock = alone(3)
    for _ in range(3):
        run.add(0)
    run.serve()
    run.step("take")
    clock.now += LOOK_PAUSE
    run.serve(may_start=False)
    assert memory.pools()[0].used == 1


@pytest.mark.parametrize("failure", ["made", "not made"])
def test_a_claim_that_fails_is_made_again(failure: str):
    run, memory, clock = alone(1)
    failures = [failure]
    run.slots._store = cast(Store, DoubtfulStore(memory, lambda: None, lambda: failures.pop() if failures else ""))
    run.add(0)
    with pytest.raises(StoreError):
        run.slots.serve(may_start=True)
    assert not run.queue
    clock.now += run.slots.pause() or 0.0
    run.serve()
    assert run.queue


def test_nothing_begins_with_what_is_just_being_given_back():
    run, memory, clock = alone(1)
    run.add(0)
    run.serve()
    assert run.queue
    run.slots._store = cast(Store, DoubtfulStore(memory, lambda: run.step("take"), lambda: ""))
    clock.now += LOOK_PAUSE
    run.slots.serve(may_start=False)
    assert (run.running, memory.pools()[0].used) == ([], 0)


def test_who_waits_keeps_his_place_while_others_of_his_run_wait_for_workers():
    run, memory, clock = alone(1)
    other = OneRun("other", memory, memory, clock, [[0, 0, 1]] * ROWS)
    other.add(0)
    other.serve()
    run.add(0)
    run.serve()
    assert memory.pools()[0].waiting == 1
    run.add(2)
    assert run.queue, "what needs no slot may start, and no worker comes for it"
    clock.now += LOOK_PAUSE
    run.serve()
    assert memory.pools()[0].waiting == 1


class BusyStore:
    """Passes claims on; something happens in the middle of the next one."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.happens: Callable[[], None] = lambda: None

    def claim(self, *args: Any, **options: Any) -> Claim:
        self.happens()
        return self._store.claim(*args, **options)


class Ranked:
    """A run whose row 0 comes before all others; these need a slot each."""

    def __init__(self, slots: int) -> None:
        memory = MemoryStore()
        memory.set_pool("db", slots)
        self.store, self.clock = BusyStore(memory), StoppedClock()
        self.pool = SharedLimit("db", None, lambda: None)
        needs: Needs = ((self.pool, 1),)
        self.queue = LimitedQueue(lambda task: task, dict.fromkeys((1, 2, 3), needs), (), [0.0, 1.0, 1.0, 1.0])
        lease = memory.start_run(new_run("run"), b"a plan")
        clock, store = cast(Clock, self.clock), cast(Store, self.store)
        self.slots = Slots(self.queue, [self.pool], store, lease, Lock(), clock)

    def look(self) -> None:
        """Claim, for having been woken."""
        self.slots.heard()
        self.clock.now += LOOK_PAUSE
        self.slots.serve(may_start=True)


def test_what_was_granted_is_kept_for_those_who_have_others_in_front_of_them():
    run = Ranked(slots=2)
    run.queue.add([1], 1)
    run.queue.add([0], 1)
    run.look()
    run.look()
    assert [run.queue.take()[0], run.queue.take()[0]] == [0, 1]


def test_who_begins_to_wait_in_the_middle_of_a_claim_is_claimed_for():
    run = Ranked(slots=1)
    run.queue.add([1, 2], 1)
    run.look()
    assert run.queue.take()[0] == 1
    run.queue.withdraw([2])
    run.store.happens = lambda: run.queue.add([3], 1)
    run.look()
    assert run.slots.pause() == 0.0

"""Pools: no more of their slots are in use than there are, by all runs of a process together; who waits gets his turn,
and what need not hold a slot holds none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock import Done, Run, Task, Workflow, WorkflowManager
from penstock.errors import InvalidWorkflowError, OptionError, PenstockError, PoolNotFound
from penstock.store.base import Pool
from tests.integration.slot_book import Book
from tests.integration.waiting import wait_until

EXECUTORS = ("threads", "processes", "inline")


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def manager() -> Iterator[WorkflowManager]:
    with WorkflowManager("memory", observers=[], grace=0.05) as manager:
        yield manager


def use(path: str, who: str, slots: int = 1) -> None:
    with Book(path).using(who, slots):
        pass


def users(name: str, book: Book, number: int, **options: Any) -> Workflow:
    """A workflow of so many tasks that use a pool and wait for nothing else."""
    flow = Workflow(name)
    options = {"pool": "db", **options}
    for index in range(number):
        slots = options.get("pool_slots", 1)
        flow.add_task(Task(f"t{index}", use, args=[str(book.path), name, slots], **options))
    return flow


def pool_of(manager: WorkflowManager, name: str = "db") -> Pool:
    return next(pool for pool in manager.pools() if pool.name == name)


class Gate:
    """A run whose only task holds a slot until it is let go."""

    def __init__(self, manager: WorkflowManager, book: Book, **options: Any) -> None:
        self._open = threading.Event()
        begun = threading.Event()

        def hold() -> None:
            with book.using("gate", options.get("pool_slots", 1)):
                begun.set()
                self._open.wait(60)

        flow = Workflow("gate")
        flow.add_task(Task("hold", hold, **{"pool": "db", **options}))
        self.run = manager.start(flow)
        assert begun.wait(60)

    def open(self) -> None:
        self._open.set()


def wait_for_waiters(manager: WorkflowManager, number: int, pool: str = "db") -> None:
    wait_until(lambda: pool_of(manager, pool).waiting >= number, f"{number} runs wait for a slot")


def succeed(*runs: Run) -> None:
    assert [run.wait(60).state for run in runs] == ["success"] * len(runs)


# --- Never more than there are


@pytest.mark.parametrize("executor", EXECUTORS)
def test_runs_of_one_process_use_no_more_than_there_is(executor: str, book: Book):
    with WorkflowManager("memory", executor, workers=None if executor == "inline" else 3, observers=[]) as manager:
        manager.set_pool("db", 2)
        succeed(*(manager.start(users(name, book, 12)) for name in "abc"))
        assert (book.most <= 2, len(book.begun)) == (True, 36)
        assert pool_of(manager) == Pool("db", 2, 0, 0)


def test_tasks_that_take_several_slots_use_no_more_than_there_is(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 3)
    runs = [manager.start(users(f"of-{slots}", book, 8, pool_slots=slots)) for slots in (1, 2, 3)]
    succeed(*runs)
    assert (book.most <= 3, len(book.begun)) == (True, 24)


def test_a_run_alone_uses_all_of_it(manager: WorkflowManager, book: Book):
    """Three meet, which they can only if three run at once; a fourth would break their meeting."""
    manager.set_pool("db", 3)
    meeting = threading.Barrier(3, timeout=60)

    def meet() -> None:
        with book.using("meets"):
            meeting.wait()

    flow = Workflow("flow")
    for index in range(9):
        flow.add_task(Task(f"t{index}", meet, pool="db"))
    succeed(manager.start(flow))
    assert book.most == 3


def test_instances_of_maps_take_slots_each(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 2)
    flow = Workflow("flow")
    flow.add_task(
        Task("many", lambda who: use(str(book.path), str(who)), expand={"who": [*range(12)]}, pool="db", retries=1)
    )
    succeed(manager.start(flow), manager.start(users("other", book, 5)))
    assert (book.most <= 2, len(book.begun)) == (True, 17)


def test_no_more_attempts_of_a_task_run_at_once_than_its_concurrency(manager: WorkflowManager, book: Book):
    """In all runs of its workflow together; another workflow has a task of that name, too."""
    runs = [manager.start(users("same", book, 1, pool=None, concurrency=1)) for _ in range(6)]
    gate = Gate(manager, Book("other"), pool=None, concurrency=1)
    gate.open()
    succeed(*runs, gate.run)
    assert (book.most, len(book.begun)) == (1, 6)


def test_a_task_may_be_bound_by_a_pool_and_by_its_concurrency(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 2)
    runs = [manager.start(users("both", book, 3, concurrency=1, pool_slots=slots)) for slots in (1, 2, 1, 2)]
    succeed(*runs, manager.start(users("pool", book, 9)))
    assert book.most <= 2


def test_no_more_tasks_of_a_run_are_active_than_it_may_have(manager: WorkflowManager, book: Book):
    flow = users("flow", book, 20, pool=None)
    flow.max_active_tasks = 2
    flow.add_task(Task("map", lambda x: use(str(book.path), "map"), expand={"x": [1, 2, 3]}, max_active_instances=1))
    succeed(manager.start(flow))
    assert (book.most <= 2, len(book.begun)) == (True, 23)


# --- Turns


def test_priority_goes_first_and_then_who_came_first(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    runs = []
    for name, weight in (("first", 1), ("second", 1), ("heavy", 7), ("heavier", 9)):
        runs.append(manager.start(users(name, book, 1, priority_weight=weight)))
        wait_for_waiters(manager, len(runs))
    gate.open()
    succeed(*runs)
    assert book.begun == ["gate", "heavier", "heavy", "first", "second"]


def test_a_run_with_many_tasks_lets_one_with_few_have_its_turn(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    many = manager.start(users("many", book, 40))
    wait_for_waiters(manager, 1)
    few = manager.start(users("few", book, 3))
    wait_for_waiters(manager, 2)
    gate.open()
    succeed(few, many)
    assert max(place for place, who in enumerate(book.begun) if who == "few") < 15


def test_who_needs_all_slots_gets_them_though_others_need_one(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 3)
    gate = Gate(manager, book)
    big = manager.start(users("big", book, 1, pool_slots=3))
    wait_for_waiters(manager, 1)
    small = [manager.start(users(f"small{number}", book, 20)) for number in range(2)]
    wait_for_waiters(manager, 3)
    gate.open()
    succeed(big, *small)
    assert book.begun.index("big") < 15
    assert book.most <= 3


# --- What holds no slot, and what does


def test_a_task_that_waits_for_the_world_holds_none(manager: WorkflowManager, book: Book):
    """The sensor sees what another task of its pool does, which has one slot."""
    manager.set_pool("db", 1)
    seen = threading.Event()
    looked = threading.Event()

    def look() -> object:
        looked.set()
        return Done(1) if seen.is_set() else False

    def show() -> None:
        assert looked.wait(60)
        seen.set()

    flow = Workflow("flow")
    flow.add_task(Task("look", look, pool="db", sensor=True, poll_interval=0.01, priority_weight=5))
    flow.add_task(Task("show", show, pool="db"))
    succeed(manager.start(flow))


def test_a_task_that_waits_for_its_retry_holds_none(manager: WorkflowManager):
    manager.set_pool("db", 1)
    mended = threading.Event()

    def fail() -> None:
        if not mended.is_set():
            raise ConnectionError

    flow = Workflow("flow")
    flow.add_task(Task("fails", fail, pool="db", retries=10_000, retry_delay=0.01, priority_weight=5))
    flow.add_task(Task("mends", mended.set, pool="db"))
    succeed(manager.start(flow))


def test_an_attempt_that_was_given_up_keeps_its_slot_till_it_returns(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    let_go = threading.Lock()
    let_go.acquire()

    def hang() -> None:
        with book.using("hangs"):
            let_go.acquire()  # which no exception interrupts

    flow = Workflow("flow")
    flow.add_task(Task("hangs", hang, pool="db", timeout=0.01, allow_failure=True, priority_weight=5))
    flow.add_task(Task("next", use, args=[str(book.path), "next"], pool="db"))
    run = manager.start(flow)
    wait_until(lambda: manager.get(run.id).task("hangs").state == "failed", "it is given up")
    assert "given up" in str(manager.get(run.id).why("next"))
    assert pool_of(manager).used == 1
    let_go.release()
    succeed(run)
    assert (book.begun, book.most) == (["hangs", "next"], 1)


def test_what_is_cancelled_and_what_fails_gives_its_slots_back(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    waits = manager.start(users("waits", book, 3))
    wait_for_waiters(manager, 1)
    manager.cancel(waits.id)
    assert waits.wait(60).state == "cancelled"
    wait_until(lambda: pool_of(manager) == Pool("db", 1, 1, 0), "nobody waits")
    gate.open()
    flow = Workflow("fails")
    flow.add_task(Task("fails", lambda: 1 / 0, pool="db"))
    assert manager.start(flow).wait(60).state == "failed"
    assert pool_of(manager) == Pool("db", 1, 0, 0)


# --- Pools come and go


def test_a_pool_that_grows_lets_more_in(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    run = manager.start(users("waits", book, 1))
    wait_for_waiters(manager, 1)
    manager.set_pool("db", 2)
    succeed(run)
    gate.open()
    assert book.most == 2


def test_a_pool_without_slots_lets_nobody_in_until_it_has_some(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    run = manager.start(users("waits", book, 2))
    wait_for_waiters(manager, 1)
    manager.set_pool("db", 0)
    gate.open()
    gate.run.wait(60)
    wait_until(lambda: pool_of(manager) == Pool("db", 0, 0, 1), "the slot is back")
    manager.set_pool("db", 1)
    succeed(run)
    assert book.most == 1


def test_who_waits_for_a_pool_that_is_deleted_waits_until_it_is_there_again(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    run = manager.start(users("waits", book, 1))
    wait_for_waiters(manager, 1)
    manager.delete_pool("db")
    gate.open()
    succeed(gate.run)
    assert "pool 'db', which is there no more: penstock pool set db SLOTS" in manager.get(run.id).why("t0").text
    manager.set_pool("db", 1)
    succeed(run)


# --- Refused by name


def refused(call: Callable[[], object], error: type[PenstockError] = OptionError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_a_pool_that_is_not_there_is_refused_before_anything_runs(manager: WorkflowManager, book: Book):
    manager.set_pool("database", 2)
    flow = users("flow", book, 1, pool="databse")
    message = refused(lambda: manager.run(flow))
    assert "task 't0': pool='databse' does not exist; did you mean 'database'? (" in message
    assert "there are database" in refused(lambda: manager.start(users("flow", book, 1, pool="api")))
    assert (manager.runs(), book.begun) == ([], [])


def test_more_slots_than_there_are_are_refused_before_anything_runs(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 2)
    flow = users("flow", book, 2, pool_slots=3)
    with pytest.raises(InvalidWorkflowError) as caught:
        manager.run(flow)
    assert [str(problem).partition(":")[0] for problem in caught.value.problems] == ["task 't0'", "task 't1'"]
    assert "pool_slots=3, and pool 'db' has 2" in str(caught.value)
    assert manager.runs() == []


def test_a_run_is_not_resumed_without_its_pools(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    flow = users("flow", book, 1)
    flow.add_task(Task("fails", lambda: 1 / 0, ["t0"]))
    run = manager.run(flow, raise_on_failure=False)
    manager.delete_pool("db")
    assert "pool='db' does not exist; there are none" in refused(lambda: manager.resume(run.id, flow))


@pytest.mark.parametrize(
    ("name", "slots", "said"),
    [
        ("", 1, "is no name for a pool"),
        (" db", 1, "no space at its ends"),
        ("a\nb", 1, "is no name for a pool"),
        ("[x", 1, "begins with '['"),
        (7, 1, "is not a text"),
        ("db", -1, "pool 'db': -1 is not a whole number of slots"),
        ("db", True, "pool 'db': True is not"),
        ("db", 1.5, "pool 'db': 1.5 is not"),
    ],
)
def test_what_is_no_pool_is_refused(manager: WorkflowManager, name: Any, slots: Any, said: str):
    assert said in refused(lambda: manager.set_pool(name, slots), PenstockError)
    assert manager.pools() == []


def test_a_pool_that_is_not_there_cannot_be_deleted(manager: WorkflowManager):
    refused(lambda: manager.delete_pool("db"), PoolNotFound)


# --- Why


def test_why_says_of_which_pool_who_has_its_slots_and_who_is_ahead(manager: WorkflowManager, book: Book):
    manager.set_pool("db", 1)
    gate = Gate(manager, book)
    ahead = manager.start(users("ahead", book, 1))
    wait_for_waiters(manager, 1)
    run = manager.start(users("waits", book, 3))
    wait_for_waiters(manager, 2)
    why = manager.get(run.id).why("t1")
    assert why.steps[0].kind == "slot"
    assert why.text == (
        f"Task t1 is ready, and waits for a slot of pool 'db', which has 1; run {gate.run.id} has 1; "
        f"ahead of it: 1 task of this run, run {ahead.id}"
    )
    assert {step.kind for step in manager.get(run.id).why().steps} == {"slot"}
    gate.open()
    succeed(run)


def test_why_says_of_concurrency_and_of_active_tasks(manager: WorkflowManager, book: Book):
    gate = Gate(manager, book, pool=None, concurrency=1)
    flow = Workflow("gate", max_active_tasks=1)
    flow.add_task(Task("hold", use, args=[str(book.path), "again"], concurrency=1))
    flow.add_task(Task("other", gate._open.wait, args=[60], priority_weight=5))
    flow.add_task(Task("after", lambda: None, ["other"]))
    run = manager.start(flow)
    wait_until(lambda: manager.get(run.id).task("other").state == "running", "the other runs")
    text = str(manager.get(run.id).why("hold"))
    assert "is ready, and waits for another task: 1 run, and max_active_tasks is 1" in text
    second = users("gate", book, 0)
    second.add_task(Task("hold", use, args=[str(book.path), "again"], concurrency=1))
    waits = manager.start(second)
    wait_until(lambda: manager.get(waits.id).why("hold").steps[0].kind == "slot", "it waits")
    text = manager.get(waits.id).why("hold").text
    assert f"until fewer of it run, in all runs: its concurrency is 1; run {gate.run.id} has 1" in text
    gate.open()
    succeed(run, waits)

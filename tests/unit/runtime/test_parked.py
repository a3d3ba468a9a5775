"""Runs that are parked, and woken: by the manager that has started them, by another, by hand, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest

from penstock import Defer, Run, Secret, Task, Workflow, WorkflowManager, current, task, workflow
from penstock.engine.events import Event, TaskWoken
from penstock.errors import PlanMismatch, RunNotFound
from penstock.runtime import mail, waking
from penstock.runtime.run_check import check_run, rewrite_row
from penstock.store.base import Lease, RunChange
from tests.unit.runtime.clocks import TurnedClock
from tests.unit.runtime.waiting import Background, eventually, states

HOUR = 3_600.0


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wakes what is parked looks for it all the time."""
    monkeypatch.setattr(waking, "LOOK", 0.05)


@pytest.fixture(params=["memory", "sqlite"])
def manager(request: pytest.FixtureRequest) -> Iterator[Callable[..., WorkflowManager]]:
    """Makes managers: those of one test have one clock and, but for a store in memory, one store."""
    clock = TurnedClock()
    all_made: list[WorkflowManager] = []

    def make(**options: Any) -> WorkflowManager:
        made = WorkflowManager(store=request.param, **{"observers": [], "grace": 0.5, **options})
        made._clock = clock
        all_made.append(made)
        return made

    yield make
    for made in all_made:
        made.close()


def turn(manager: WorkflowManager, seconds: float) -> None:
    """Let so much time pass by the calendar."""
    clock = manager._clock
    assert isinstance(clock, TurnedClock)
    clock.turned += seconds


def is_parked(run: Run) -> bool:
    """Whether a run is parked, and nobody holds it any more."""
    assert run._control is not None
    manager: Any = run._control
    found = manager.get(run.id)
    return found.state == "waiting" and found.driver is None


@pytest.fixture
def looks() -> list[str]:
    """What the sensor of `flow` has seen; it sees what it waits for when "come" is in it."""
    return []


@pytest.fixture
def flow(looks: list[str]) -> Workflow:
    """A task, after that a sensor that looks once an hour, and after that a last one."""

    @task
    def first() -> int:
        looks.append("first")
        return 1

    @task.sensor(poll_interval=HOUR, timeout=None)
    def look(number: int) -> bool:
        looks.append("look")
        return "come" in looks

    @task
    def last(seen: object) -> str:
        looks.append("last")
        return "done"

    with Workflow("flow") as made:
        last(look(first()))
    return made


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("penstock")]


def assert_sound(manager: WorkflowManager, run: Run) -> None:
    """What is on record of a run agrees with itself."""
    found = check_run(manager.parts.store, run.id)
    assert found is not None
    assert not found.problems


# --- Parked by who drives it


def test_a_run_comes_back_parked_if_it_is_to_be(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    assert (run.state, run.driver) == ("waiting", None)
    assert run.wakes_at is not None
    assert abs(run.wakes_at.timestamp() - time() - HOUR) < 60
    assert states(run) == {"first": "success", "look": "deferred", "last": "pending"}
    found = runs.get(run.id)
    assert (found.state, found.wakes_at, found.counts) == ("waiting", run.wakes_at, run.counts)
    assert_sound(runs, run)
    assert runs.unheld() == runs.due() == []
    assert not threads()


def test_it_stays_with_its_driver_otherwise(manager, flow, looks) -> None:
    runs = manager()
    going = Background(lambda: runs.run(flow))
    eventually(lambda: "look" in looks)
    eventually(lambda: runs.get().task("look").state == "deferred")
    assert runs.get().state == "running"
    runs.cancel()
    with pytest.raises(Exception, match="cancelled"):
        going.result()


def test_waking_keeps_what_was_counted(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    for number in (2, 3):
        turn(runs, HOUR + 1)
        assert [due.id for due in runs.due()] == [run.id]
        run = runs.resume(run.id, flow, adopt=True, park=True)
        assert (run.state, run.task("look").attempts, run.task("look").lost) == ("waiting", number, 0)
    looks.append("come")
    turn(runs, HOUR + 1)
    run = runs.resume(run.id, flow, adopt=True, park=True)
    assert run.state == "success"
    assert looks == ["first", "look", "look", "look", "come", "look", "last"]
    assert_sound(runs, run)
    assert not run.why("first").notes  # that it was woken is nothing to be told of


def test_a_wake_up_in_between_changes_nothing(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    again = runs.resume(run.id, flow, adopt=True, park=True)
    assert (again.state, again.wakes_at) == ("waiting", run.wakes_at)
    assert looks == ["first", "look"]


def test_resumed_by_hand_it_goes_on_waiting(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    run = runs.resume(run.id, flow, park=True)
    assert (run.state, looks) == ("waiting", ["first", "look"])
    turn(runs, HOUR + 1)
    looks.append("come")
    assert runs.resume(run.id, flow).state == "success"


def test_a_retry_is_waited_for_parked(manager) -> None:
    calls: list[int] = []

    def fails_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")

    flow = Workflow("flow")
    flow.add_task(Task("a", fails_once, retries=1, retry_delay=HOUR))
    runs = manager()
    run = runs.run(flow, park=True)
    assert (run.state, run.task("a").state) == ("waiting", "retrying")
    turn(runs, HOUR + 1)
    assert runs.resume(run.id, flow, adopt=True).state == "success"


def test_its_time_is_up_though_it_was_parked(manager) -> None:
    @task.sensor(poll_interval=HOUR)
    def look() -> bool:
        return False

    with Workflow("flow", timeout=2.5 * HOUR) as flow:
        look()
    runs = manager()
    run = runs.run(flow, park=True)
    seen = []
    while run.state == "waiting":
        seen.append(run.task("look").attempts)
        assert run.wakes_at is not None
        turn(runs, run.wakes_at.timestamp() - runs._clock.time() + 1)
        run = runs.resume(run.id, flow, adopt=True, park=True, raise_on_failure=False)
    assert (run.state, run.error, seen) == ("failed", "timed out after 9000 s", [1, 2, 3])


@pytest.mark.parametrize("secret", [False, True])
def test_what_would_be_gone_with_the_process_keeps_it(manager, secret: bool) -> None:
    """A lock is a value that cannot be stored, and a secret that was given is not."""
    come = threading.Event()

    @task
    def lock() -> object:
        return threading.Lock()

    @task.sensor(poll_interval=HOUR)
    def look(value: object) -> bool:
        come.set()
        return False

    with Workflow("flow") as flow:
        look(lock())

    @workflow
    def secretive(token: Secret[str]) -> None:
        look(token)

    runs = manager()
    run = runs.start(secretive, token=Secret("x")) if secret else runs.start(flow)
    assert come.wait(30)
    eventually(lambda: runs.get(run.id).task("look").state == "deferred")
    assert runs.get(run.id).state == "running"
    run.cancel()
    assert run.wait(30).state == "cancelled"


def test_a_body_that_was_given_up_keeps_it_till_it_returns(manager) -> None:
    """Its retry comes in an hour, and may not be begun by another process while it still runs."""
    go, begun = threading.Event(), threading.Event()

    def hangs() -> None:
        begun.set()
        while not go.is_set():
            try:
                go.wait(30)
            except BaseException:  # it does not let itself be ended
                continue

    flow = Workflow("flow")
    flow.add_task(Task("a", hangs, retries=1, retry_delay=HOUR, timeout=0.05))
    runs = manager(grace=0.05)
    going = Background(lambda: runs.run(flow, park=True))
    eventually(lambda: begun.is_set() and runs.get().task("a").state == "retrying")
    assert runs.get().state == "running"
    go.set()
    assert going.result().state == "waiting"


# --- Started ones


def test_a_started_run_is_parked_woken_and_waited_for_all_along(manager, flow, looks) -> None:
    with manager() as runs:
        run = runs.start(flow)
        eventually(lambda: is_parked(run))
        waiting = Background(lambda: run.wait(60))
        eventually(lambda: threads() == ["penstock-waker"])
        looks.append("come")
        turn(runs, HOUR + 1)
        ended = waiting.result()
        assert (ended.state, ended.task("last").result) == ("success", "done")
        assert looks == ["first", "look", "come", "look", "last"]
    eventually(lambda: not threads())


def test_a_message_wakes_it(manager) -> None:
    asked: list[int] = []

    @task
    def ask() -> None:
        asked.append(1)
        if len(asked) == 1:
            raise Defer(topic="news")

    with Workflow("flow") as flow:
        ask()
    with manager() as runs:
        run = runs.start(flow)
        eventually(lambda: is_parked(run))
        assert runs.get(run.id).wakes_at is None
        mail.send(runs.parts.store, run.id, "news", None, "ann")
        assert run.wait(60).state == "success"


def test_a_message_that_nobody_waits_for_lets_it_be_parked_again(manager, flow, looks) -> None:
    with manager() as runs:
        run = runs.start(flow)
        eventually(lambda: is_parked(run))
        mail.send(runs.parts.store, run.id, "other", None, "ann")
        eventually(lambda: not runs.parts.store.messages(run.id))
        eventually(lambda: is_parked(run))
        assert looks == ["first", "look"]
        assert runs.due() == []
        assert_sound(runs, run)
        run.cancel()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_message_that_comes_while_it_is_parked_is_not_left_lying(
    manager, flow, looks, monkeypatch, when: str
) -> None:
    runs = manager()
    store = runs.parts.store
    append = store.append

    def post(change: RunChange | None, lease: Lease, moment: str) -> None:
        if change is not None and change.state == "waiting" and moment == when and not looks.count("sent"):
            looks.append("sent")
            mail.send(store, lease.run_id, "news", None, "ann")

    def watched(lease: Lease, events: Any, *, change: RunChange | None = None, **how: Any) -> None:
        post(change, lease, "before")
        append(lease, events, change=change, **how)
        post(change, lease, "after")

    monkeypatch.setattr(store, "append", watched)
    run = runs.run(flow, park=True)
    assert (run.state, looks) == ("waiting", ["first", "look", "sent"])
    assert [due.id for due in runs.due()] == [run.id]
    assert runs.resume(run.id, flow, adopt=True, park=True).state == "waiting"
    assert not runs.due()
    assert not store.messages(run.id)


def test_a_message_that_nobody_understands_keeps_it_from_being_parked(manager) -> None:
    """Else it would be woken for that message again and again."""

    @task.sensor(poll_interval=HOUR)
    def look() -> bool:
        runs.parts.store.post(current().run_id, "a kind of tomorrow")
        return False

    with Workflow("flow") as flow:
        look()
    runs = manager()
    going = Background(lambda: runs.run(flow, park=True, raise_on_failure=False))
    eventually(lambda: runs.runs() and runs.get().task("look").state == "deferred")
    runs.cancel()
    assert going.result().state == "cancelled"


def test_leaving_leaves_what_waits_for_long_on_record(manager, flow, looks, capsys) -> None:
    with manager() as runs:
        run = runs.start(flow)
        eventually(lambda: is_parked(run))
    assert "1 run stays parked" in capsys.readouterr().err
    assert not threads()
    assert is_parked(run)
    looks.append("come")
    turn(runs, HOUR + 1)
    assert runs.resume(run.id, flow, adopt=True).state == "success"


def test_who_never_parks_leaves_nothing(manager) -> None:
    with manager(park_after=float("inf")) as runs:
        runs.start(Workflow("empty"))


def test_leaving_waits_for_what_goes_on_soon(manager, flow, looks) -> None:
    with manager(park_after=HOUR / 2) as runs:
        run = runs.start(flow)
        eventually(lambda: is_parked(run))
        looks.append("come")
        turn(runs, HOUR + 1)
    assert "last" not in looks or runs.get(run.id).state == "success"
    with manager(park_after=0.0) as runs:

        @task.sensor(poll_interval=0.02)
        def soon() -> bool:
            looks.append("soon")
            return looks.count("soon") > 3

        with Workflow("soon") as other:
            soon()
        run = runs.start(other)
        run.wait(60)
    assert runs.get(run.id).state == "success"


def test_who_waits_for_a_parked_run_hears_what_others_do_with_it(manager, flow, looks) -> None:
    with manager() as runs:
        cancelled, deleted = runs.start(flow), runs.start(flow)
        eventually(lambda: is_parked(cancelled) and is_parked(deleted))
        waiting = [Background(lambda run=run: run.wait(60)) for run in (cancelled, deleted)]  # type: ignore[misc]
        cancelled.cancel()
        runs.delete(deleted.id)
        assert waiting[0].result().state == "cancelled"
        with pytest.raises(RunNotFound):
            waiting[1].result()


def test_two_wakers_wake_it_once(manager, flow, looks) -> None:
    runs, others = manager(), manager()
    if runs.parts.store.durable:
        with runs, others:
            run = runs.start(flow)
            eventually(lambda: is_parked(run))
            stop = threading.Event()
            watching = Background(lambda: others.watch(stop))
            looks.append("come")
            others.workflow = flow
            turn(runs, HOUR + 1)
            assert run.wait(60).state == "success"
            stop.set()
            watching.result()
        assert looks == ["first", "look", "come", "look", "last"]


def test_many_that_are_due_at_once_are_not_all_awake_at_once(manager) -> None:
    awake: list[int] = []

    @task.sensor(poll_interval=HOUR)
    def look() -> bool:
        awake.append(len([name for name in threads() if name.startswith("penstock-run")]))
        return len(awake) > 60

    with Workflow("flow") as flow:
        look()
    with manager(workers=1) as runs:
        started = [runs.start(flow) for _ in range(60)]
        eventually(lambda: len(awake) == 60 and all(map(is_parked, started)))
        turn(runs, HOUR + 1)
        assert {run.wait(60).state for run in started} == {"success"}
    assert max(awake[60:]) < 30


# --- Clocks


def test_a_clock_that_was_set_back_does_not_keep_a_started_run_from_looking(manager, looks) -> None:
    @task.sensor(poll_interval=0.3)
    def look() -> bool:
        looks.append("look")
        return len(looks) > 2

    with Workflow("flow") as flow:
        look()
    with manager(park_after=0.01) as runs:
        run = runs.start(flow)
        eventually(lambda: looks)
        turn(runs, -1_000_000.0)
        assert run.wait(60).state == "success"


# --- What is done with a parked run


def test_a_parked_run_that_is_cancelled_ends_at_once(manager, flow) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    assert runs.cancel(run.id).state == "cancelled"
    assert runs.get(run.id).wakes_at is None
    assert_sound(runs, run)
    assert not runs.due()


def test_its_teardown_runs_when_it_is_woken(manager) -> None:
    done: list[str] = []
    with Workflow("flow") as flow:
        up = Task("up", lambda: done.append("up"))
        look = task.sensor(poll_interval=HOUR)(lambda: False).named("look")
        flow.add_task(up)
        waits = look()
        down = Task("down", lambda: done.append("down"))
        flow.add_task(down)
        down.as_teardown(setups=up)
        up >> waits >> down
    runs = manager()
    run = runs.run(flow, park=True)
    assert runs.cancel(run.id).state == "waiting"
    assert [due.id for due in runs.due()] == [run.id]
    assert runs.resume(run.id, flow, adopt=True, park=True, raise_on_failure=False).state == "cancelled"
    assert done == ["up", "down"]
    assert_sound(runs, run)


def test_a_parked_run_that_is_marked_is_due(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    assert runs.mark(run.id, ["look"], "success").state == "waiting"
    assert [due.id for due in runs.due()] == [run.id]
    assert runs.resume(run.id, flow, adopt=True, park=True).state == "success"
    assert looks == ["first", "look", "last"]


def test_it_is_not_rerun_and_not_pruned_and_may_be_deleted(manager, flow) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    with pytest.raises(Exception, match="has not ended"):
        runs.rerun(run.id, flow, failed=True)
    assert run.id not in runs.prune(older_than=0, keep=0).runs
    assert is_parked(run)
    runs.delete(run.id)
    assert runs.runs() == []


def test_a_workflow_that_does_not_fit_any_more_is_said_on_its_row(manager, flow, looks) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    other = Workflow("flow")
    other.add_task(Task("elsewhere", print))
    turn(runs, HOUR + 1)
    with pytest.raises(PlanMismatch):
        runs.resume(run.id, other, adopt=True, park=True)
    found = runs.get(run.id)
    assert (found.state, found.wakes_at) == ("waiting", run.wakes_at)
    assert "could not be woken" in str(runs.parts.store.run(run.id).error)
    turn(runs, -HOUR)  # it is offered to whoever asks, though its time has not come
    assert [due.id for due in runs.due()] == [run.id]
    turn(runs, HOUR)
    looks.append("come")
    assert runs.resume(run.id, flow, adopt=True).state == "success"
    assert runs.parts.store.run(run.id).error is None


def test_what_cannot_be_woken_is_told_once_and_not_tried_all_the_time(manager, flow, capsys, monkeypatch) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    other = Workflow("flow")
    other.add_task(Task("elsewhere", print))
    asked: list[str] = []
    due = runs.parts.store.due

    def count(what: str, result: Any) -> Any:
        asked.append(what)
        return result

    monkeypatch.setattr(runs, "_flow_of", lambda row: count("flow", other))
    monkeypatch.setattr(runs.parts.store, "due", lambda now: count("due", due(now)))
    turn(runs, HOUR + 1)
    stop = threading.Event()
    watching = Background(lambda: runs.watch(stop))
    eventually(lambda: asked.count("due") > 3)
    stop.set()
    watching.result()
    assert asked.count("flow") == 1
    assert capsys.readouterr().err.count("cannot be woken") == 1
    assert is_parked(run)


@pytest.mark.parametrize("events", [[], [TaskWoken(1, 3.0)]])
def test_a_check_finds_a_parked_run_that_nobody_would_wake_in_time(manager, flow, events: list[Event]) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    store = runs.parts.store
    lease = store.acquire(run.id)
    store.append(lease, events, change=RunChange(state="waiting", wake_at=None if not events else 1e12), safe=True)
    lease.release()
    found = check_run(store, run.id)
    assert found is not None
    [(kind, text)] = found.problems
    assert kind == "row"
    assert ("goes on at" if not events else "something to do") in text
    assert rewrite_row(store, run.id)
    assert [unheld.id for unheld in runs.unheld()] == [run.id]  # whoever adopts it parks it again, or goes on
    assert_sound(runs, run)


# --- Told


def test_those_who_watch_are_told_that_it_is_parked(manager, flow, capsys) -> None:
    from penstock.observe.console import Console

    told: list[tuple[str, object]] = []

    class Watcher(Console):
        def parked(self, until: float | None) -> None:
            super().parked(until)
            told.append(("parked", until))

        def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
            told.append(("ended", state))

    runs = manager(observers=[Watcher()])
    run = runs.run(flow, park=True)
    assert run.wakes_at is not None
    assert told == [("parked", pytest.approx(run.wakes_at.timestamp())), ("ended", "waiting")]
    assert "Waiting: goes on at" in capsys.readouterr().out


def test_why_says_when_it_goes_on(manager, flow) -> None:
    runs = manager()
    run = runs.run(flow, park=True)
    assert "is parked, and goes on at" in runs.get(run.id).why().text
    assert "the run is parked, and goes on at" in runs.get(run.id).why("last").text


def test_a_store_in_a_folder_tells_other_managers(manager, flow, own_directory: Path) -> None:
    runs = manager()
    if runs.parts.store.durable:
        run = runs.run(flow, park=True)
        other = manager()
        assert other.get(run.id).state == "waiting"
        assert other.get(run.id).wakes_at == run.wakes_at

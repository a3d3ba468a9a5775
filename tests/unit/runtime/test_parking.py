"""When a run may be parked, as its engine has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock import Secret, Task, Workflow
from penstock.code.identity import Identify
from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
    Event,
    MessageReceived,
    RunResumed,
    RunStarted,
    TasksRerun,
    TaskWoken,
    ValueRef,
)
from penstock.engine.run import RunEngine
from penstock.plan.compile import compile_workflow
from penstock.runtime.parking import LOOK_AT_CHILDREN, PARKED, Going, Parking, knows_secrets, next_moment, parking

AFTER = 60.0
HOUR = 3_600.0
VOLATILE = ValueRef("volatile", 0)


def engine_of(*events: Event, retries: int = 1) -> RunEngine:
    """Tasks a and b beside each other, after which comes c."""
    flow = Workflow("flow")
    for name, upstreams in (("a", []), ("b", []), ("c", ["a", "b"])):
        flow.add_task(Task(name, print, upstreams, retries=retries, retry_delay=HOUR))
    engine = RunEngine(compile_workflow(flow, Identify()).plan, run_id="run-1")
    engine.handle(RunStarted(1.0))
    for event in events:
        engine.handle(event)
    return engine


def deferred(task: int, until: float | None, topic: str | None = None) -> list[Event]:
    return [AttemptStarted(task, 1, 1.0), AttemptDeferred(task, 1, 2.0, until, topic)]


def done(task: int, value: ValueRef | None = None) -> list[Event]:
    return [AttemptStarted(task, 1, 1.0), AttemptSucceeded(task, 1, 2.0, value)]


def failed(task: int) -> list[Event]:
    return [AttemptStarted(task, 1, 1.0), AttemptFailed(task, 1, 2.0, ErrorText("E", "e"))]


def test_it_goes_on_with_what_goes_on_first() -> None:
    engine = engine_of(*deferred(0, 500.0), *deferred(1, 400.0))
    assert parking(engine, 10.0, AFTER) == Parking(400.0)
    assert parking(engine, 10.0, AFTER, deadline=300.0) == Parking(300.0)


def test_a_retry_is_waited_for_too() -> None:
    engine = engine_of(*failed(0), *deferred(1, 1e6))
    found = parking(engine, 10.0, AFTER)
    assert found is not None
    assert found.wake_at == pytest.approx(2.0 + HOUR)


def test_it_is_not_worth_it_for_a_short_time() -> None:
    engine = engine_of(*done(0), *deferred(1, 100.0))
    assert parking(engine, 40.0, AFTER) is None
    assert parking(engine, 39.9, AFTER) == Parking(100.0)
    assert parking(engine, 200.0, AFTER) is None


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="all is ready"),
        pytest.param(deferred(0, HOUR), id="one is ready"),
        pytest.param([*deferred(0, HOUR), AttemptStarted(1, 1, 1.0)], id="one runs"),
        pytest.param([*deferred(0, HOUR), *deferred(1, HOUR), TaskWoken(0, 3.0)], id="one was woken"),
        pytest.param([*done(0, VOLATILE), *deferred(1, HOUR)], id="a value would be gone"),
        pytest.param([*done(0), *done(1), AttemptStarted(2, 1, 3.0), AttemptSucceeded(2, 1, 4.0)], id="it has ended"),
        pytest.param([*deferred(0, HOUR), *deferred(1, HOUR), CancelRequested(3.0, "ann")], id="it was cancelled"),
    ],
)
def test_it_is_not_parked_while_there_is_something_to_do_or_to_keep(events: list[Event]) -> None:
    assert parking(engine_of(*events), 10.0, AFTER) is None


def test_only_a_message_wakes_what_waits_for_nothing_else() -> None:
    waits = [*done(0), *deferred(1, None, "news")]
    assert parking(engine_of(*waits), 10.0, AFTER) == Parking(None)
    assert parking(engine_of(*done(0), *deferred(1, HOUR, "news")), 10.0, AFTER) == Parking(HOUR)
    assert parking(engine_of(*waits, MessageReceived(3.0, "news", None, "ann")), 10.0, AFTER) is None
    assert parking(engine_of(*waits, MessageReceived(3.0, "other", None, "ann")), 10.0, AFTER) == Parking(None)


def test_runs_of_its_tasks_are_looked_at_now_and_then() -> None:
    engine = engine_of(*done(0), *deferred(1, None, "run:abc"))
    assert parking(engine, 10.0, AFTER) == Parking(10.0 + AFTER + LOOK_AT_CHILDREN)


def test_the_next_moment_is_what_a_journal_tells_of_it() -> None:
    assert next_moment(engine_of(*deferred(0, 500.0))) == 500.0
    assert next_moment(engine_of(*done(0))) == float("inf")


PARK: list[Event] = [DriverStopped(10.0, PARKED), RunResumed(20.0, by_hand=False)]


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([], 1.0),
        (PARK, 1.0),
        ([*PARK, *PARK], 1.0),
        ([DriverStopped(10.0, "lost"), RunResumed(20.0, by_hand=False)], 20.0),
        ([DriverStopped(10.0, PARKED), RunResumed(20.0)], 20.0),
        ([*PARK, RunResumed(30.0, by_hand=False)], 30.0),
        ([DriverStopped(10.0, PARKED), TasksRerun(25.0, (0,)), *PARK], 25.0),
    ],
)
def test_that_a_run_was_parked_does_not_let_its_time_begin_anew(events: list[Event], since: float) -> None:
    going = Going()
    handle: Callable[[Event], object] = going.follow(engine_of())
    going.see(RunStarted(1.0))
    for event in events:
        handle(event)
    assert going.since == since
    assert not going.is_parked


def test_a_secret_that_cannot_be_read_again_keeps_its_process() -> None:
    assert knows_secrets({"token": Secret("x")})
    assert not knows_secrets({"token": Secret.from_env("TOKEN"), "file": Secret.from_file("token"), "day": 1})

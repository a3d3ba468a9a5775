"""Ends of runs, and what is dispatched where one goes on: exactly what is said, in exactly which order."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine.commands import DispatchTasks, EndRun, SendNotices, TasksSettled
from penstock.engine.events import (
    AttemptCancelled,
    AttemptLost,
    AttemptStarted,
    CancelRequested,
    DriverStopped,
    Event,
    PlanAdopted,
    RunResumed,
    RunStarted,
)
from penstock.engine.retries import pause
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.unit.engine.histories import BEGIN, ERROR, done, failed, start
from tests.unit.engine.played import Played, plan_of

ONCE: dict[str, Any] = {"options": {"a": {"at_most_once": True}}, "fail_fast": True}


@pytest.mark.parametrize(
    "lost", [DriverStopped(9.0, "SIGINT"), RunResumed(9.0, by_hand=False), AttemptLost(0, 1, 9.0, ERROR)]
)
def test_what_fails_with_its_driver_ends_a_run_that_fails_fast(lost: Event) -> None:
    run = Played(plan_of({"a": "", "b": "", "c": "b"}, **ONCE)).start("a")
    assert run.feed(lost).verdict == "failed: task 'a' failed, and fail_fast ended the rest"
    assert run.letters == "FCC"


def test_but_not_where_somebody_asks_for_the_rest() -> None:
    run = Played(plan_of({"a": "", "b": "", "c": "b"}, **ONCE)).start("a").feed(RunResumed(9.0, by_hand=True))
    assert run.letters == "Fr."
    assert run.ok("b", "c").verdict == "failed: task 'a' failed"


def test_what_fails_as_another_plan_is_adopted_ends_it_too() -> None:
    plan = plan_of({"a": "", "b": "", "c": "b"}, **ONCE)
    run = Played(plan, other=plan).start("a").feed(PlanAdopted(9.0, "other"), RunResumed(9.0, by_hand=False))
    assert run.letters == "FCC"


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (1, "task 't0' failed"),
        (2, "2 tasks failed: 't0', 't1'"),
        (3, "3 tasks failed: 't0', 't1', 't2'"),
        (4, "4 tasks failed: 't0', 't1', 't2' ..."),
        (9, "9 tasks failed: 't0', 't1', 't2' ..."),
    ],
)
def test_a_run_names_three_of_the_tasks_that_failed(count: int, error: str) -> None:
    engine = RunEngine(make_plan([[]] * count), run_id="run")
    engine.handle(BEGIN)
    for task in range(count):
        for event in failed(task):
            engine.handle(event)
    assert engine.error == error


def test_what_is_ready_is_dispatched_in_the_order_of_the_plan_whenever_it_became_so() -> None:
    engine = RunEngine(make_plan([[], []]), run_id="run")
    for event in (BEGIN, *failed(0), start(1), DriverStopped(4.0, "SIGINT")):
        engine.handle(event)
    assert engine.handle(RunResumed(5.0)) == (DispatchTasks([0, 1]),)


def test_a_run_that_has_ended_and_follows_an_equal_plan_has_not_ended_again() -> None:
    plan = make_plan([[], [0]], notices=("success",))
    engine = RunEngine(plan, run_id="run", plans={"same": plan}.__getitem__)
    for event in (BEGIN, *done(0), *done(1), PlanAdopted(4.0, "same")):
        engine.handle(event)
    before = list(engine.notices)
    commands = engine.handle(RunResumed(5.0, by_hand=False))
    assert commands[-1] == EndRun(RunState.SUCCESS, None)
    assert (list(engine.notices), engine.ends, engine.ended_at) == (before, 1, 3.0)


def test_the_failure_of_what_may_begin_once_is_told_though_its_run_was_to_be_cancelled() -> None:
    policies = [TaskPolicy(at_most_once=True, notices=("failed",)), TaskPolicy(), TaskPolicy()]
    engine = RunEngine(make_plan([[], [], [0]], policies=policies), run_id="run")
    for event in (BEGIN, start(0), AttemptStarted(1, 1, 2.0), CancelRequested(3.0, "ann")):
        engine.handle(event)
    sent, ended = engine.handle(DriverStopped(4.0, "SIGTERM"))
    assert isinstance(sent, SendNotices)
    assert [notice.kind for notice in sent.notices] == ["task_failed"]
    assert ended == EndRun(RunState.CANCELLED, "cancelled by ann")


def test_a_pause_takes_any_text_as_its_seed() -> None:
    policy = TaskPolicy(retries=1, retry_delay=10.0, retry_jitter=0.5)
    pauses = {pause(policy, 1, f"run/{name}/0/1") for name in ("a", "b", "\ud800", "\ud801")}
    assert len(pauses) == 4
    assert all(10.0 <= seconds < 15.0 for seconds in pauses)


def test_without_a_cap_no_pause_is_longer_than_a_year() -> None:
    policy = TaskPolicy(retries=2000, retry_delay=1.0, retry_backoff=10.0)
    assert pause(policy, 2000, "run/a/0/1") == 365 * 24 * 60 * 60


def test_runs_are_called_in_stores_what_they_always_were() -> None:
    assert list(RunState) == ["queued", "running", "success", "failed", "cancelled"]


def test_what_has_no_story_is_told_without_one() -> None:
    assert str(InvalidEvent("it cannot be")) == "it cannot be"
    assert RunEngine(make_plan([])).run_id == ""
    assert RunStarted(1.0).row == ""


def test_a_late_word_of_an_attempt_that_was_asked_to_end_changes_nothing() -> None:
    engine = RunEngine(make_plan([[], []]), run_id="run")
    for event in (BEGIN, start(0), start(1), CancelRequested(3.0, "ann"), AttemptCancelled(0, 1, 4.0)):
        engine.handle(event)
    assert list(engine.handle(AttemptCancelled(0, 1, 5.0))) == []


def test_what_is_held_up_is_told_in_the_order_of_the_plan() -> None:
    graph: list[list[int]] = [[], [9], [], [], [], [], [], [], [], [0]]
    engine = RunEngine(make_plan(graph), run_id="run")
    engine.handle(BEGIN)
    for event in failed(0):
        commands = engine.handle(event)
    assert list(commands) == [TasksSettled([1, 9], TaskState.UPSTREAM_FAILED)]

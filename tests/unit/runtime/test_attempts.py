"""The attempts of a run as its journal has them: what became of each, and why it was made."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.events import (
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    DriverStopped,
    ErrorText,
    Event,
    GroupRetryDue,
    RetryDue,
    RunResumed,
    RunStarted,
    TasksRerun,
    ValueRef,
)
from penstock.engine.run import RunEngine
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from penstock.runtime.attempts import Chronicle
from tests.unit.engine.drawn_runs import Chance, draw_plan
from tests.unit.engine.played import plan_of

ERROR = ErrorText("ValueError", "no")
VOLATILE = ValueRef("volatile", 0)


def told(plan: Plan, *events: Event) -> list[tuple[str, str, str]]:
    """What became of each attempt, and why it was made."""
    chronicle = Chronicle(RunEngine(plan, run_id="run"))
    for event in (RunStarted(1.0), *events):
        chronicle.handle(event)
    return [(attempt.task, attempt.state, attempt.because) for attempt in chronicle.attempts]


def test_a_retry_names_the_attempt_that_failed():
    plan = plan_of({"a": ""}, options={"a": {"retries": 1}})
    failed = AttemptStarted(0, 1, 2.0), AttemptFailed(0, 1, 3.0, ERROR), RetryDue(0, 4.0)
    assert told(plan, *failed, AttemptStarted(0, 2, 5.0)) == [
        ("a", "failed", ""),
        ("a", "running", "attempt 1 failed"),
    ]


def test_who_dies_with_a_task_is_told():
    plan = plan_of({"a": ""})
    lost = AttemptStarted(0, 1, 2.0), AttemptLost(0, 1, 3.0, ERROR), AttemptStarted(0, 2, 4.0)
    gone = *lost, RunResumed(5.0, by_hand=False), AttemptStarted(0, 3, 6.0)
    stopped = *gone, DriverStopped(7.0, "SIGINT"), RunResumed(8.0), AttemptStarted(0, 4, 9.0)
    assert told(plan, *stopped) == [
        ("a", "lost", ""),
        ("a", "lost", "the worker of attempt 1 died"),
        ("a", "stopped", "the driver of attempt 2 was gone"),
        ("a", "running", "the driver of attempt 3 was stopped (SIGINT)"),
    ]


def test_an_outcome_that_comes_too_late_is_nobodys():
    lost = AttemptStarted(0, 1, 2.0), AttemptLost(0, 1, 3.0, ERROR), AttemptStarted(0, 2, 4.0)
    attempts = told(plan_of({"a": ""}), *lost, AttemptSucceeded(0, 1, 5.0))
    assert [state for _, state, _ in attempts] == ["lost", "running"]


def test_a_rerun_takes_with_it_what_must_be_made_again():
    plan = plan_of({"a": "", "b": "a", "c": "b"})
    plan = replace(plan, inputs=((), (0,), (1,)))
    done: list[Event] = [
        event
        for task in range(3)
        for event in (AttemptStarted(task, 1, 2.0), AttemptSucceeded(task, 1, 3.0, VOLATILE if task < 1 else None))
    ]
    again = TasksRerun(4.0, (1,)), AttemptStarted(0, 2, 5.0), AttemptSucceeded(0, 2, 6.0), AttemptStarted(1, 1, 7.0)
    assert told(plan, *done, *again)[3:] == [
        ("a", "success", "its value was gone with its process, and is wanted, since tasks were run again"),
        ("b", "running", "it was to run again"),
    ]


def test_a_group_that_begins_anew_is_why_its_tasks_do():
    plan = plan_of({"a": "", "b": "", "c": ""}, retried={"a b": TaskPolicy(retries=1)})
    ended: list[Event] = [
        *(AttemptStarted(0, 1, 2.0), AttemptSucceeded(0, 1, 3.0)),
        *(AttemptStarted(1, 1, 2.0), AttemptFailed(1, 1, 3.0, ERROR)),
    ]
    again = GroupRetryDue(0, -1, 9.0), AttemptStarted(0, 1, 9.5), AttemptStarted(2, 1, 9.5)
    anew = "its group failed, and began anew"
    assert told(plan, *ended, *again)[2:] == [("a", "running", anew), ("c", "running", "")]


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_of_any_run_every_start_is_an_attempt_and_every_one_after_the_first_has_a_reason(seed: int):
    random = Random(seed)
    plan = draw_plan(random, maps=True, rounds=True)
    events: list[Event] = []
    chance = Chance(RunEngine(plan, run_id="run"), random, calm=random.random() < 0.5)
    for event in chance.events(80):
        chance.engine.handle(event)
        events.append(event)
    chronicle = Chronicle(RunEngine(plan, run_id="run"))
    for event in events:
        chronicle.handle(event)
    assert len(chronicle.attempts) == sum(isinstance(event, AttemptStarted) for event in events)
    seen = set[str]()
    for attempt in chronicle.attempts:
        came_back = "[" in attempt.task  # an instance may, with its map
        assert attempt.because or attempt.task not in seen or came_back, attempt
        seen.add(attempt.task)

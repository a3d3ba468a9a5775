"""The check of an engine's columns: it passes what events made, and sees what they could not have made."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from penstock.engine.columns import UNMAPPED
from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    MapExpanded,
    NoticeDropped,
    PlanAdopted,
    RunResumed,
    RunStarted,
    TasksRerun,
)
from penstock.engine.invariants import ContradictionError, check
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.errors import PenstockError
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan

ERROR = ErrorText("ValueError", "no")


def midway() -> RunEngine:
    """A run in which one task has succeeded, one runs, one waits for its retry, one is ready, one has failed, one is
    held up by that, and one waits for the one that runs."""
    graph: list[list[int]] = [[], [0], [], [], [], [4], [1]]
    engine = RunEngine(make_plan(graph, policies=[TaskPolicy(retries=1)] * 7), run_id="run")
    for event in (
        RunStarted(1.0),
        AttemptStarted(0, 1, 2.0),
        AttemptSucceeded(0, 1, 3.0),
        AttemptStarted(1, 1, 4.0),
        AttemptStarted(2, 1, 5.0),
        AttemptFailed(2, 1, 6.0, ERROR),
        AttemptStarted(4, 1, 7.0),
        AttemptFailed(4, 1, 8.0, ERROR, retryable=False),
    ):
        engine.handle(event)
    return engine


def set_state(task: int, state: TaskState) -> Callable[[RunEngine], None]:
    def tamper(engine: RunEngine) -> None:
        engine.states[task] = state

    return tamper


def set_entry(column: str, task: int, value: object) -> Callable[[RunEngine], None]:
    def tamper(engine: RunEngine) -> None:
        getattr(engine, column)[task] = value

    return tamper


def drop(column: str, task: int) -> Callable[[RunEngine], None]:
    def tamper(engine: RunEngine) -> None:
        del getattr(engine, column)[task]

    return tamper


def set_run(name: str, value: object) -> Callable[[RunEngine], None]:
    def tamper(engine: RunEngine) -> None:
        setattr(engine, name, value)

    return tamper


TAMPERING: dict[str, tuple[Callable[[RunEngine], None], str]] = {
    "missing too many": (
        set_entry("missing", 1, 1),
        r"'t1'.*upstreams missing.* are \(0, 1, None\), kept is \(1, 1, None\)",
    ),
    "missing too few": (
        set_entry("missing", 6, 0),
        r"'t6'.*upstreams missing.* are \(1, 0, None\), kept is \(0, 0, None\)",
    ),
    "an outcome too many": (
        set_entry("masks", 6, 1),
        r"'t6'.*outcomes seen.* are \(1, 0, None\), kept is \(1, 1, None\)",
    ),
    "an outcome too few": (
        set_entry("masks", 1, 0),
        r"'t1'.*outcomes seen.* are \(0, 1, None\), kept is \(0, 0, None\)",
    ),
    "running too early": (set_state(6, TaskState.RUNNING), "'t6' is running.*: it is running, and the law says WAIT"),
    "ready too early": (set_state(6, TaskState.READY), "'t6' is ready.*: it is ready, and the law says WAIT"),
    "running for nothing": (set_state(5, TaskState.RUNNING), "'t5'.*it is running, and the law says UPSTREAM_FAILED"),
    "never made ready": (set_state(3, TaskState.PENDING), "'t3' is pending.*: it waits, and the law says RUN"),
    "waiting for nothing": (set_state(5, TaskState.PENDING), "'t5'.*it waits, and the law says UPSTREAM_FAILED"),
    "no attempt": (set_entry("attempts", 1, 0), "it had no attempt"),
    "no start": (set_entry("started", 1, 0.0), "no time at which it started"),
    "no end": (set_entry("ended", 4, 0.0), "no time at which it ended"),
    "held up without end": (set_entry("ended", 5, 0.0), "'t5'.*no time at which it ended"),
    "retry without time": (drop("retries_due", 2), "its next attempt is not due"),
    "time without retry": (set_entry("retries_due", 3, 9.0), "its next attempt is due"),
    "success with error": (set_entry("errors", 0, ERROR), "it has an error"),
    "failure without error": (drop("errors", 4), "it has no error"),
    "unfinished": (set_run("unfinished", 5), "4 tasks are unfinished, 5 are counted"),
    "end of a running run": (set_run("ended_at", 9.0), "the run is running and has ended at 9.0"),
    "ended run without end": (set_run("state", RunState.FAILED), "no time at which it ended"),
    "run without start": (set_run("started_at", None), "no time at which it started"),
    "queued": (set_run("state", RunState.QUEUED), "has not begun"),
    "unknown task": (set_entry("lost", 9, 1), "column lost speaks of tasks"),
    "length": (lambda engine: engine.attempts.append(1), "column attempts has 8 entries for 7 tasks"),
}


def test_what_events_made_is_no_contradiction() -> None:
    check(midway())


@pytest.mark.parametrize("kind", TAMPERING)
def test_what_they_could_not_have_made_is_one(kind: str) -> None:
    engine = midway()
    tamper, message = TAMPERING[kind]
    tamper(engine)
    with pytest.raises(ContradictionError, match=message) as caught:
        check(engine)
    assert isinstance(caught.value, PenstockError)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.contradictions


def test_a_run_in_which_nothing_can_happen_any_more_hangs() -> None:
    engine = RunEngine(make_plan([[], [0]]), run_id="run")
    engine.handle(RunStarted(1.0))
    engine.states[0] = TaskState.CANCELLED
    engine.ended[0] = 2.0
    engine.unfinished = 1
    with pytest.raises(ContradictionError, match="nothing in it is ready, running or to be tried again"):
        check(engine)


def test_a_success_with_a_task_that_failed_is_one() -> None:
    engine = RunEngine(make_plan([[]]), run_id="run")
    for event in (RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptFailed(0, 1, 3.0, ERROR)):
        engine.handle(event)
    engine.state = RunState.SUCCESS
    with pytest.raises(ContradictionError, match="the run is success, and a task failed"):
        check(engine)


@pytest.mark.parametrize(("row", "width"), [(0, 1), (1, 0), (1, 3)])
def test_more_instances_than_were_made_or_none_or_of_what_is_no_map_are_one(row: int, width: int) -> None:
    engine = RunEngine(make_plan([[], []], maps={1: "task"}), run_id="run")
    for event in (RunStarted(1.0), MapExpanded(1, 2.0, 2)):
        engine.handle(event)
    check(engine)
    engine.widths[row] = width
    engine.instances.setdefault(row, array("i", [2]))
    with pytest.raises(ContradictionError, match=f"row {row} has {width} instances"):
        check(engine)


def test_messages_that_somebody_waits_for_are_named_in_order() -> None:
    topics = [f"topic {letter}" for letter in "hgfedcba"]
    engine = RunEngine(make_plan([[]] * len(topics)), run_id="run")
    engine.handle(RunStarted(1.0))
    for task, topic in enumerate(topics):
        engine.handle(AttemptStarted(task, 1, 2.0))
        engine.handle(AttemptDeferred(task, 1, 3.0, None, topic))
    check(engine)
    engine.mailbox.update({topic: [] for topic in topics})
    with pytest.raises(ContradictionError) as caught:
        check(engine)
    assert list(caught.value.contradictions) == [
        f"a task waits for a message '{topic}', and there is one" for topic in sorted(topics)
    ]


# --- At most once


@pytest.mark.parametrize("state", [TaskState.PENDING, TaskState.READY, TaskState.RETRYING])
def test_a_spent_task_that_could_begin_again_is_one(state: TaskState) -> None:
    engine = RunEngine(make_plan([[], []], policies=[TaskPolicy(at_most_once=True)] * 2), run_id="run")
    for event in (RunStarted(1.0), AttemptStarted(0, 1, 2.0)):
        engine.handle(event)
    check(engine)
    engine.states[0] = state
    with pytest.raises(
        ContradictionError, match=r"'t0'.*may begin only one attempt, has begun it, and could begin another"
    ):
        check(engine)
    engine.attempts[0] = 0
    engine.states[0] = TaskState.READY
    check(engine)


def test_a_retired_task_that_the_plan_has_is_one() -> None:
    engine = midway()
    engine.retired["gone", UNMAPPED] = (1, 0)
    engine.retired["t1", 0] = (1, 0)  # it was mapped, and is no more
    check(engine)
    engine.retired["t1", UNMAPPED] = (1, 0)
    with pytest.raises(ContradictionError, match=r"tasks \[\('t1', -1\)\] are retired, and the plan has them"):
        check(engine)


# --- Notices


def with_notices() -> RunEngine:
    """A run with two tasks, of which one failed, was told of, and is gone from the plan; and that has ended twice."""
    policies = [TaskPolicy(notices=("success", "failed"))] * 2
    plan = make_plan([[], []], policies=policies, notices=("success", "failed"))
    other = make_plan([[]], policies=policies[:1], names=["t1"], notices=("success", "failed"))
    engine = RunEngine(plan, run_id="run", plans={"other": other}.__getitem__)
    for event in (
        RunStarted(1.0),
        AttemptStarted(0, 1, 2.0),
        AttemptFailed(0, 1, 3.0, ERROR),
        AttemptStarted(1, 1, 4.0),
        AttemptSucceeded(1, 1, 5.0),
        PlanAdopted(6.0, "other"),
        RunResumed(6.0),
        TasksRerun(7.0, (0,)),
    ):
        engine.handle(event)
    return engine


def alter(notice: str, **changes: Any) -> Callable[[RunEngine], None]:
    """Change what a notice says."""

    def tamper(engine: RunEngine) -> None:
        engine.notices[notice] = replace(engine.notices[notice], **changes)

    return tamper


FAILED_TASK, SUCCEEDED_TASK, FIRST_END, LAST_END = (
    "run/t0/0/1/task_failed", "run/t1/0/1/task_success", "run/0/run_failed", "run/1/run_success",
)  # fmt: skip
WRONG_NOTICES: dict[str, tuple[Callable[[RunEngine], None], str]] = {
    "another name": (alter(LAST_END, id="x"), "notice x: it is kept as run/1/run_success"),
    "another run": (alter(LAST_END, run_id="other"), "it is of run other"),
    "a run of a task": (alter(LAST_END, task="t1"), "it is a run_success of task t1"),
    "a task of none": (alter(SUCCEEDED_TASK, task=None), "it is a task_success of task None"),
    "a success with an error": (alter(SUCCEEDED_TASK, error=ERROR), "it is a task_success with the error"),
    "a failure without one": (alter(FAILED_TASK, error=None), "it is a task_failed with the error None"),
    "a failed run without one": (alter(FIRST_END, error=None), "it is a run_failed with the error None"),
    "an attempt to come": (alter(SUCCEEDED_TASK, generation=1), r"it tells of \(1, 1\), and no more than \(1, 0\)"),
    "an attempt too many": (alter(FAILED_TASK, attempt=2), r"it tells of \(0, 2\), and no more than \(0, 1\) has been"),
    "an end to come": (alter(LAST_END, generation=2), r"it tells of \(2, 0\), and no more than \(1, 0\) has been"),
    "a stranger": (alter(FAILED_TASK, task="t9"), r"no more than \(0, 0\) has been"),
    "given up": (
        lambda engine: engine.dropped.update({FIRST_END: "why"}),
        "it was given up, and is still to be delivered",
    ),
}


def test_notices_of_what_has_been_are_no_contradiction() -> None:
    engine = with_notices()
    assert list(engine.notices) == [FAILED_TASK, SUCCEEDED_TASK, FIRST_END, LAST_END]
    assert engine.retired == {("t0", UNMAPPED): (1, 0)}
    check(engine)
    engine.handle(NoticeDropped(8.0, FIRST_END, "why"))
    check(engine)


@pytest.mark.parametrize("kind", WRONG_NOTICES)
def test_notices_of_what_has_not_been_are_one(kind: str) -> None:
    engine = with_notices()
    tamper, message = WRONG_NOTICES[kind]
    tamper(engine)
    with pytest.raises(ContradictionError, match=message):
        check(engine)


def test_a_run_that_has_ended_has_been_counted() -> None:
    engine = RunEngine(make_plan([[]]), run_id="run")
    for event in (RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptSucceeded(0, 1, 3.0)):
        engine.handle(event)
    check(engine)
    engine.ends = 0
    with pytest.raises(ContradictionError, match="the run is success and has never ended"):
        check(engine)

"""Each column of an engine, and each kind of state, is looked at by the check of its invariants."""

from __future__ import annotations

import pytest

from penstock.engine.events import DriverStopped, ErrorText
from penstock.engine.invariants import ContradictionError, check
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.unit.engine.histories import BEGIN, done, failed, start

DENSE = ("states", "missing", "masks", "attempts", "started", "ended")
SPARSE: dict[str, object] = {
    "generations": 1,
    "failures": 1,
    "lost": 1,
    "errors": ErrorText("ValueError", "no"),
    "values": None,
    "retries_due": 9.0,
    "delays": 9.0,
    "chosen": (),
    "skips": "nothing to do",
}


def midway() -> RunEngine:
    """A run in which t0 has succeeded, t1 runs, t2 waits for its retry and t3 has failed."""
    engine = RunEngine(make_plan([[], [], [], []], policies=[TaskPolicy(retries=1)] * 4), run_id="run")
    for event in (BEGIN, *done(0), start(1), *failed(2), *failed(3, retryable=False)):
        engine.handle(event)
    check(engine)
    return engine


def refused(engine: RunEngine, message: str) -> None:
    with pytest.raises(ContradictionError, match=message):
        check(engine)


@pytest.mark.parametrize("column", DENSE)
def test_a_column_has_an_entry_for_each_task(column: str) -> None:
    engine = midway()
    setattr(engine, column, getattr(engine, column)[:-1])
    refused(engine, f"column {column} has 3 entries for 4 tasks")


@pytest.mark.parametrize("stranger", [-1, 4])
@pytest.mark.parametrize("column", SPARSE)
def test_a_column_speaks_of_no_other_task(column: str, stranger: int) -> None:
    engine = midway()
    getattr(engine, column)[stranger] = SPARSE[column]
    refused(engine, rf"column {column} speaks of tasks \[{stranger}\], of which the plan has none")


@pytest.mark.parametrize("task", range(4))
def test_what_has_run_has_an_attempt_and_a_time_at_which_it_started(task: int) -> None:
    engine = midway()
    engine.attempts[task] = 0
    refused(engine, f"'t{task}'.*it had no attempt")
    engine = midway()
    engine.started[task] = 0.0
    refused(engine, f"'t{task}'.*no time at which it started")


def test_the_first_attempt_is_one() -> None:
    engine = midway()
    engine.attempts[0] = 1
    check(engine)


def test_in_a_run_that_has_not_begun_no_task_has_moved() -> None:
    engine = RunEngine(make_plan([[], []]), run_id="run")
    check(engine)
    engine.states[1] = TaskState.READY
    refused(engine, "tasks have moved in a run that has not begun")


@pytest.mark.parametrize("state", [TaskState.PENDING, TaskState.READY, TaskState.RETRYING])
def test_what_may_begin_once_and_has_does_not_wait(state: TaskState) -> None:
    engine = RunEngine(make_plan([[], []], policies=[TaskPolicy(at_most_once=True), TaskPolicy()]), run_id="run")
    for event in (BEGIN, start(0)):
        engine.handle(event)
    check(engine)
    engine.states[0] = state
    refused(engine, "it may begin only one attempt, has begun it, and could begin another")


def test_a_run_that_stands_still_in_good_order_is_no_contradiction() -> None:
    engine = midway()
    engine.handle(DriverStopped(9.0, "SIGINT"))
    check(engine)
    assert engine.state is RunState.RUNNING

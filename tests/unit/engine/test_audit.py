"""The audit of a history: it passes what runs do, agrees with the engine on every state, and names what cannot be."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from penstock.engine.audit import Audit
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksRerun,
)
from penstock.engine.states import RunState
from penstock.errors import StoreError
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.plans import make_plan
from tests.unit.engine.histories import (
    BEGIN,
    CHAIN,
    ERROR,
    KEPT,
    VOLATILE,
    done,
    failed,
    found,
    lost,
    plan_of,
    start,
)

# --- What cannot be


WRONG: dict[str, tuple[Plan, list[Event], str]] = {
    "before its upstream": (plan_of(CHAIN), [BEGIN, start(1)], "I1: task 't1' started before task 't0' had succeeded"),
    "while its upstream runs": (plan_of(CHAIN), [BEGIN, start(0), start(1)], "I1: task 't1'"),
    "below a failure": (plan_of(CHAIN), [BEGIN, *failed(0), start(1)], "I2: task 't1' .* ended as upstream_failed"),
    "far below a failure": (plan_of(CHAIN), [BEGIN, *failed(0), start(2)], "I2: task 't2' .* ended as upstream_failed"),
    "before the upstream is run again": (
        plan_of(CHAIN),
        [BEGIN, *done(0), *done(1), TasksRerun(4.0, (0, 1)), start(1)],
        "I1: task 't1' started before task 't0'",
    ),
    "success again": (plan_of([[], []]), [BEGIN, *done(0), start(0, 2)], "I2: task 't0' .* ended as success"),
    "success again after a resumption": (
        plan_of([[], []]),
        [BEGIN, *done(0, value=KEPT), RunResumed(4.0), start(0, 2)],
        "I2: task 't0' .* ended as success",
    ),
    "before the run": (plan_of([[]]), [start(0)], "I2: task 't0' started while nobody drove the run"),
    "twice begun": (plan_of([[]]), [BEGIN, RunStarted(2.0)], "I2: the run began twice"),
    "begun after a resumption": (plan_of([[]]), [RunResumed(1.0), RunStarted(2.0)], "I2: the run began twice"),
    "after its driver stopped": (
        plan_of([[]]),
        [BEGIN, DriverStopped(2.0, "SIGINT"), start(0)],
        "I2: task 't0' started while nobody drove the run",
    ),
    "after a request to end": (
        plan_of([[], []]),
        [BEGIN, start(0), CancelRequested(2.0, "ann"), start(1)],
        "I2: task 't1' started though the run was to end",
    ),
    "after the run's time": (
        plan_of([[], []], timeout=1.0),
        [BEGIN, start(0), RunTimedOut(2.0), start(1)],
        "I2: task 't1' started though the run was to end",
    ),
    "taken over while it was to end": (
        plan_of([[], []]),
        [BEGIN, start(0), CancelRequested(2.0, "ann"), RunResumed(3.0, by_hand=False), start(1)],
        "I2: task 't1' started though the run was to end",
    ),
    "cancelled unasked": (
        plan_of([[]]),
        [BEGIN, start(0), AttemptCancelled(0, 1, 3.0)],
        "I2: task 't0' was cancelled, and nobody had asked for it",
    ),
    "time-out without one": (plan_of([[]]), [BEGIN, RunTimedOut(2.0)], "I2: the run ran out of time"),
    "no pause": (
        plan_of([[]], 1),
        [BEGIN, *failed(0), start(0, 2)],
        "I2: task 't0' started before its next attempt was due",
    ),
    "rerun before it began": (plan_of([[]]), [TasksRerun(1.0, (0,))], "I2: tasks were run again in a run that had not"),
    "two at once": (plan_of([[]]), [BEGIN, start(0), start(0, 2)], "I5: task 't0' started while attempt 1 was under"),
    "a gap in numbers": (plan_of([[]]), [BEGIN, start(0, 2)], "I5: attempt 2 of task 't0' started after attempt 0"),
    "a number again": (
        plan_of([[]], 1),
        [BEGIN, *failed(0), RetryDue(0, 4.0), start(0, 1)],
        "I5: attempt 1 of task 't0' started after attempt 1",
    ),
    "two outcomes": (
        plan_of([[]]),
        [BEGIN, *done(0), AttemptFailed(0, 1, 4.0, ERROR)],
        "I5: attempt 1 of task 't0' has two outcomes",
    ),
    "an old attempt's second outcome": (
        plan_of([[]], 1),
        [BEGIN, *failed(0), RetryDue(0, 4.0), start(0, 2), AttemptSucceeded(0, 1, 5.0)],
        "I5: attempt 1 of task 't0' has two outcomes",
    ),
    "an outcome of nothing": (
        plan_of([[]]),
        [BEGIN, AttemptFailed(0, 1, 2.0, ERROR)],
        "I5: attempt 1 of task 't0' ended and had never started",
    ),
    "an outcome of attempt 0": (
        plan_of([[]]),
        [BEGIN, AttemptLost(0, 0, 2.0, ERROR)],
        "I5: attempt 0 of task 't0' ended and had never started",
    ),
    "rerun while it runs": (
        plan_of([[], []]),
        [BEGIN, start(0), TasksRerun(3.0, (1,))],
        "I5: tasks were run again while task 't0' ran",
    ),
    "beyond its retries": (
        plan_of([[]], 1),
        [BEGIN, *failed(0), RetryDue(0, 4.0), *failed(0, 2), start(0, 3)],
        r"I6: task 't0' started again after its last attempt \(2 failed, 0 lost\)",
    ),
    "after a failure not to be tried again": (
        plan_of([[]], 5),
        [BEGIN, *failed(0, retryable=False), start(0, 2)],
        r"I6: task 't0' started again after its last attempt \(1 failed, 0 lost\)",
    ),
    "after three losses": (
        plan_of([[]], 5),
        [BEGIN, *lost(0), *lost(0, 2), *lost(0, 3), start(0, 4)],
        r"I6: task 't0' started again after its last attempt \(0 failed, 3 lost\)",
    ),
    "after three dead drivers": (
        plan_of([[]]),
        [BEGIN, *(e for n in (1, 2, 3) for e in (start(0, n), RunResumed(3.0, by_hand=False))), start(0, 4)],
        r"I6: task 't0' started again after its last attempt \(0 failed, 3 lost\)",
    ),
    "losses are counted on where another driver goes on": (
        plan_of([[]]),
        [BEGIN, *lost(0), *lost(0, 2), start(0, 3), RunResumed(3.0, by_hand=False), start(0, 4)],
        r"I6: .*3 lost",
    ),
    "at most once, lost": (plan_of([[]], once=True), [BEGIN, *lost(0), start(0, 2)], "I7: task 't0' started twice"),
    "at most once, driver stopped": (
        plan_of([[], []], once=True),
        [BEGIN, start(0), DriverStopped(3.0, "SIGINT"), RunResumed(4.0), start(0, 2)],
        "I7: task 't0' started twice in one generation",
    ),
    "at most once, driver died": (
        plan_of([[], []], once=True),
        [BEGIN, start(0), RunResumed(4.0, by_hand=False), start(0, 2)],
        "I7: task 't0' started twice in one generation",
    ),
    "at most once, resumed by hand": (
        plan_of([[]], once=True),
        [BEGIN, *failed(0), RunResumed(4.0), start(0, 2)],
        "I7: task 't0' started twice in one generation",
    ),
    "at most once, value gone": (
        plan_of([[], [0]], once=True),
        [BEGIN, *done(0, value=VOLATILE), RunResumed(4.0), start(0, 2)],
        "I7: task 't0' started twice in one generation",
    ),
    "a success of nothing": (
        plan_of([[]]),
        [BEGIN, AttemptSucceeded(0, 1, 2.0)],
        "I8: attempt 1 of task 't0' ended and had never started",
    ),
    "an unknown task starts": (plan_of([[]]), [BEGIN, start(7)], "I10: AttemptStarted speaks of task 7"),
    "an unknown task ends": (plan_of([[]]), [BEGIN, AttemptSucceeded(-1, 1, 2.0)], "I10: AttemptSucceeded .* task -1"),
    "an unknown task is due": (plan_of([[]]), [BEGIN, RetryDue(1, 2.0)], "I10: RetryDue speaks of task 1"),
    "an unknown task is run again": (plan_of([[]]), [BEGIN, *done(0), TasksRerun(2.0, (0, 1))], "I10: TasksRerun"),
    "an unknown plan": (plan_of([[]]), [BEGIN, PlanAdopted(2.0, "fe")], "I10: plan fe, which the run adopted, is not"),
    "no time": (plan_of([[]]), [RunStarted(0.0)], "I10: RunStarted happened at 0.0, which is no time"),
    "not a number": (plan_of([[]]), [BEGIN, RunTimedOut(math.nan)], "I10: RunTimedOut happened at nan"),
    "beyond all calendars": (plan_of([[]]), [RunStarted(math.inf)], "I10: RunStarted happened at inf"),
    "a failure in another plan": (
        plan_of(CHAIN),
        [BEGIN, *failed(0), PlanAdopted(4.0, "same"), RunResumed(5.0, by_hand=False), start(0, 2)],
        r"I6: task 't0' started again after its last attempt \(1 failed, 0 lost\)",
    ),
    "losses in another plan": (
        plan_of(CHAIN),
        [BEGIN, *lost(0), *lost(0, 2), *lost(0, 3), PlanAdopted(4.0, "same"), RunResumed(5.0, False), start(0, 4)],
        r"I6: .*\(0 failed, 3 lost\)",
    ),
    "a number again after another plan": (
        plan_of(CHAIN),
        [BEGIN, start(0), DriverStopped(3.0, "SIGINT"), PlanAdopted(4.0, "same"), RunResumed(5.0), start(0, 1)],
        "I5: attempt 1 of task 't0' started after attempt 1",
    ),
    "a number again after two": (
        plan_of([[]]),
        [
            BEGIN,
            *lost(0),
            DriverStopped(3.0, "SIGINT"),
            PlanAdopted(4.0, "other"),
            PlanAdopted(4.0, "same"),
            RunResumed(5.0),
            start(0, 1),
        ],
        "I5: attempt 1 of task 't0' started after attempt 1",
    ),
    "a dead input in another plan": (
        plan_of(CHAIN),
        [
            BEGIN,
            *done(0, value=VOLATILE),
            DriverStopped(3.0, "SIGINT"),
            PlanAdopted(4.0, "same"),
            RunResumed(5.0),
            start(1),
        ],
        "I16: task 't1' started before task 't0' had succeeded again",
    ),
    "at most once, in a plan that says so": (
        plan_of(CHAIN),
        [BEGIN, start(0), DriverStopped(3.0, "SIGINT"), PlanAdopted(4.0, "once"), RunResumed(5.0), start(0, 2)],
        "I7: task 't0' started twice in one generation",
    ),
    "at most once, below it": (
        plan_of(CHAIN, once=True),
        [BEGIN, *failed(0), RunResumed(5.0), start(1)],
        "I2: task 't1' started after it had ended as upstream_failed",
    ),
    "at most once, below it, cancelled": (
        plan_of([[], [0]], once=True),
        [BEGIN, start(0), CancelRequested(3.0, "ann"), AttemptCancelled(0, 1, 4.0), RunResumed(5.0), start(1)],
        "I2: task 't1' started after it had ended as cancelled",
    ),
    "at most once, lost while it was to end": (
        plan_of([[]], once=True),
        [BEGIN, start(0), CancelRequested(3.0, "ann"), RunResumed(5.0, by_hand=False), start(0, 2)],
        "I7: task 't0' started twice",
    ),
    "a notice of nothing": (
        make_plan([[]], policies=[TaskPolicy(notices=("success", "failed", "retry"))]),
        [BEGIN, NoticeDelivered(2.0, "run/t0/0/1/task_success")],
        "I10: notice 'run/t0/0/1/task_success' was taken, and nothing had happened that it tells",
    ),
    "a notice that is given up, of nothing": (
        plan_of([[]]),
        [BEGIN, *done(0), NoticeDropped(4.0, "run/t0/0/1/task_success", "OSError")],
        "I10: notice 'run/t0/0/1/task_success' was taken",
    ),
    "a notice of another run": (
        make_plan([[], []], policies=[TaskPolicy(notices=("success",))] * 2),
        [
            BEGIN,
            *done(0),
            *done(1),
            NoticeDelivered(4.0, "a/t0/0/1/task_success"),
            NoticeDelivered(4.0, "b/t1/0/1/task_success"),
        ],
        "I10: notice 'b/t1/0/1/task_success' was taken",
    ),
    "success again in another plan": (
        plan_of([[], []]),
        [BEGIN, *done(0), PlanAdopted(4.0, "same"), RunResumed(5.0), start(0, 2)],
        "I2: task 't0' started after it had ended as success",
    ),
    "before a volatile upstream is run again": (
        plan_of([[], [0]]),
        [BEGIN, *done(0, value=VOLATILE), *done(1), TasksRerun(4.0, (0, 1)), start(1)],
        "I1: task 't1' started before task 't0' had succeeded$",
    ),
    "a notice of an end that has not come": (
        replace(plan_of([[]], 1), notices=("failed", "success", "cancelled")),
        [BEGIN, *failed(0), NoticeDelivered(4.0, "run/0/run_success")],
        "I10: notice 'run/0/run_success' was taken",
    ),
    "a notice of an end that has not come again": (
        replace(plan_of(CHAIN), notices=("failed",)),
        [BEGIN, *failed(0), PlanAdopted(4.0, "same"), RunResumed(5.0, False), NoticeDelivered(6.0, "run/1/run_failed")],
        "I10: notice 'run/1/run_failed' was taken",
    ),
    "a second end of nothing": (
        replace(plan_of([]), notices=("success",)),
        [NotifiersSet(0.5, ()), BEGIN, NoticeDelivered(6.0, "run/1/run_success")],
        "I10: notice 'run/1/run_success' was taken",
    ),
    "the first moment of the year 10000": (plan_of([[]]), [RunStarted(253_402_300_800.0)], "I10: RunStarted happened"),
    "a dead input": (
        plan_of(CHAIN),
        [BEGIN, *done(0, value=VOLATILE), *done(1, value=VOLATILE), RunResumed(4.0), *done(0, 2, VOLATILE), start(2)],
        "I16: task 't2' started before task 't1' had succeeded again",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_is_named(kind: str) -> None:
    plan, history, message = WRONG[kind]
    sentences = found(plan, history)
    assert any(re.match(message, sentence) for sentence in sentences), sentences


def test_only_the_event_that_breaks_something_is_blamed() -> None:
    audit = Audit(plan_of(CHAIN))
    assert audit.see(BEGIN) == []
    assert len(audit.see(start(1))) == 1
    assert audit.see(AttemptSucceeded(1, 1, 3.0)) == []


def test_what_follows_a_plan_that_is_not_there_is_not_judged() -> None:
    def missing(fingerprint: str) -> Plan:
        raise StoreError("no such plan")

    audit = Audit(plan_of(CHAIN), plans=missing)
    audit.see(BEGIN)
    assert len(audit.see(PlanAdopted(2.0, "other"))) == 1
    assert audit.see(start(9, 9)) == []
    assert audit.end("success") == []


# --- What a run that claims to have ended must be


UNENDED: dict[str, tuple[Plan, list[Event], str]] = {
    "nothing happened": (plan_of([]), [], "I11: the run ended before it began"),
    "a task is left": (plan_of(CHAIN), [BEGIN, *done(0)], "I11: the run ended while task 't1' was pending"),
    "a task runs": (plan_of([[]]), [BEGIN, start(0)], "I11: the run ended while task 't0' was running"),
    "a task waits": (plan_of([[]], 1), [BEGIN, *failed(0)], "I11: the run ended while task 't0' was retrying"),
}


@pytest.mark.parametrize("kind", UNENDED)
def test_a_run_that_claims_to_have_ended_has_nothing_open(kind: str) -> None:
    plan, history, message = UNENDED[kind]
    audit = Audit(plan)
    for event in history:
        assert audit.see(event) == []
    assert audit.end()[0] == message


ENDINGS: dict[str, tuple[list[Event], RunState]] = {
    "all well": ([BEGIN, *done(0), *done(1), *done(2)], RunState.SUCCESS),
    "a failure": ([BEGIN, *failed(0)], RunState.FAILED),
    "cancelled": ([BEGIN, *done(0), CancelRequested(4.0, "ann")], RunState.CANCELLED),
    "cancelled with a failure": (
        [BEGIN, start(0), CancelRequested(4.0, "ann"), AttemptFailed(0, 1, 5.0, ERROR)],
        RunState.CANCELLED,
    ),
    "out of time": ([BEGIN, *done(0), RunTimedOut(4.0)], RunState.FAILED),
    "cancelled too late": ([BEGIN, *done(0), *done(1), *done(2), CancelRequested(4.0, "ann")], RunState.SUCCESS),
    "failed, then cancelled": ([BEGIN, *failed(0), CancelRequested(4.0, "ann")], RunState.FAILED),
    "held up": ([BEGIN, *failed(0), TasksRerun(4.0, (0,)), *done(0)], RunState.FAILED),
    "still cancelled": (
        [BEGIN, *done(0), CancelRequested(4.0, "ann"), TasksRerun(5.0, (0,)), *done(0)],
        RunState.CANCELLED,
    ),
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_run_ends_in_one_way(kind: str) -> None:
    history, ending = ENDINGS[kind]
    audit = Audit(plan_of(CHAIN, timeout=60.0))
    for event in history:
        assert audit.see(event) == []
    assert audit.end() == []
    for claim in (RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED):
        assert (audit.end(claim) == []) == (claim is ending), claim
    assert audit.end("queued") != []


def test_a_failure_that_might_be_tried_again_is_cancelled_where_the_run_is_to_end() -> None:
    audit = Audit(plan_of([[]], 1))
    for event in (BEGIN, start(0), CancelRequested(3.0, "ann"), AttemptFailed(0, 1, 4.0, ERROR)):
        assert audit.see(event) == []
    assert audit.end("cancelled") == []


def test_a_value_that_cannot_be_made_again_holds_up_who_wants_it() -> None:
    audit = Audit(plan_of(CHAIN))
    for event in (BEGIN, *done(0), *done(1, value=VOLATILE), *failed(2), TasksRerun(4.0, (0,)), *failed(0)):
        assert audit.see(event) == []
    assert audit.see(TasksRerun(5.0, (2,))) == []
    assert audit.end("failed") == []
    assert [audit.state(task).label for task in range(3)] == ["failed", "upstream_failed", "upstream_failed"]

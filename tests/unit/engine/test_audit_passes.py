"""The audit of a history that is unusual and as it should be: nothing is blamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
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
    TasksRerun,
)
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

FINE: dict[str, tuple[Plan, list[Event]]] = {
    "clocks jump back": (plan_of([[], [0]]), [RunStarted(1e9), *done(0), *done(1)]),
    "a late outcome of a fenced attempt": (
        plan_of([[]]),
        [BEGIN, start(0), RunResumed(3.0), AttemptSucceeded(0, 1, 4.0), start(0, 2), AttemptFailed(0, 1, 5.0, ERROR)],
    ),
    "a timer that rings twice": (
        plan_of([[]], 1),
        [BEGIN, *failed(0), RetryDue(0, 4.0), RetryDue(0, 5.0), start(0, 2)],
    ),
    "losses use up no retry": (
        plan_of([[]], 1),
        [BEGIN, *lost(0), *lost(0, 2), *failed(0, 3), RetryDue(0, 4.0), start(0, 4)],
    ),
    "a stop in good order is no loss": (
        plan_of([[]]),
        [
            BEGIN,
            *(e for n in (1, 2, 3, 4) for e in (start(0, n), DriverStopped(3.0, "SIGINT"), RunResumed(4.0, False))),
            start(0, 5),
        ],
    ),
    "who resumes by hand forgives losses": (
        plan_of([[]]),
        [BEGIN, *(e for n in (1, 2, 3, 4) for e in (start(0, n), RunResumed(4.0))), start(0, 5)],
    ),
    "who resumes by hand grants new retries": (
        plan_of([[]], 1),
        [
            BEGIN,
            *failed(0),
            RetryDue(0, 4.0),
            *failed(0, 2),
            RunResumed(5.0),
            *failed(0, 3),
            RetryDue(0, 6.0),
            start(0, 4),
        ],
    ),
    "at most once, run again by hand": (
        plan_of([[]], once=True),
        [BEGIN, *lost(0), TasksRerun(5.0, (0,)), start(0, 1)],
    ),
    "at most once, not begun yet": (
        plan_of([[], [0]], once=True),
        [BEGIN, *failed(0), TasksRerun(5.0, (0,)), *done(0), RunResumed(6.0), start(1)],
    ),
    "a value made again": (
        plan_of(CHAIN),
        [BEGIN, *done(0, value=VOLATILE), RunResumed(4.0, by_hand=False), *done(0, 2, VOLATILE), start(1)],
    ),
    "a retry that waits for a value made again": (
        plan_of([[], [0]], 1),
        [BEGIN, *done(0, value=VOLATILE), *failed(1), RunResumed(4.0), *done(0, 2, VOLATILE), start(1, 2)],
    ),
    "another plan": (  # t0 is gone, and t1 waits for a new one
        plan_of(CHAIN),
        [BEGIN, *done(0), DriverStopped(4.0, "lost"), PlanAdopted(4.0, "other"), RunResumed(4.0), *done(1), start(0)],
    ),
    "what waited for what has failed waits for nobody in another plan": (
        plan_of([[], [0]]),
        [
            BEGIN,
            *failed(0),
            PlanAdopted(4.0, "other"),
            RunResumed(5.0, by_hand=False),
            start(1),
            *done(1)[1:],
            start(0),
        ],
    ),
    "what was cancelled begins anew in another plan": (
        plan_of([[], [0]]),
        [BEGIN, CancelRequested(3.0, "ann"), PlanAdopted(4.0, "same"), RunResumed(5.0), *done(0), start(1)],
    ),
    "new retries in another plan": (
        plan_of([[]], 1),
        [
            BEGIN,
            *failed(0),
            DriverStopped(4.0, "lost"),
            PlanAdopted(4.0, "same"),
            RunResumed(5.0),
            *failed(0, 2),
            RetryDue(0, 6.0),
            start(0, 3),
        ],
    ),
    "the last second of the year 9999": (plan_of([[]]), [RunStarted(253_402_300_799.0)]),
    "a value that is kept when it is made again": (
        plan_of(CHAIN),
        [BEGIN, *done(0, value=VOLATILE), RunResumed(4.0), *done(0, 2, KEPT), RunResumed(5.0), start(1)],
    ),
    "a kept value in another plan": (
        plan_of(CHAIN),
        [BEGIN, *done(0, value=KEPT), DriverStopped(4.0, "lost"), PlanAdopted(4.0, "same"), RunResumed(5.0), start(1)],
    ),
    "losses that were forgiven": (
        plan_of([[]]),
        [
            BEGIN,
            *(e for n in (1, 2) for e in (start(0, n), RunResumed(3.0, by_hand=False))),
            RunResumed(4.0),
            *(e for n in (3, 4) for e in (start(0, n), RunResumed(5.0, by_hand=False))),
            start(0, 5),
        ],
    ),
    "losses of another generation": (
        plan_of([[]]),
        [BEGIN, *lost(0), *lost(0, 2), *done(0, 3), TasksRerun(4.0, (0,)), *lost(0), start(0, 2)],
    ),
    "notices of other generations": (
        make_plan([[]], policies=[TaskPolicy(notices=("success",))]),
        [
            BEGIN,
            *done(0),
            TasksRerun(4.0, (0,)),
            *done(0),
            TasksRerun(5.0, (0,)),
            *done(0),
            NoticeDelivered(6.0, "run/t0/1/1/task_success"),
            NoticeDelivered(6.0, "run/t0/2/1/task_success"),
        ],
    ),
    "a notice of a run in which nothing could run again": (
        replace(plan_of(CHAIN), notices=("failed",)),
        [BEGIN, *failed(0), TasksRerun(4.0, (1,)), NoticeDelivered(5.0, "run/1/run_failed")],
    ),
    "a notice of a task that came with another plan": (
        plan_of([[]]),
        [
            BEGIN,
            *done(0),
            PlanAdopted(4.0, "other"),
            NotifiersSet(4.0, ("mail",)),
            RunResumed(5.0),
            *failed(1),
            NoticeDelivered(6.0, "run/new/0/1/task_failed/mail"),
        ],
    ),
    "notices": (
        make_plan([[], []], policies=[TaskPolicy(retries=1, notices=("success", "failed", "retry"))] * 2),
        [NotifiersSet(0.5, ("mail", "a/b%")), BEGIN, *failed(0), RetryDue(0, 4.0), *failed(0, 2), *done(1)]
        + [
            NoticeDelivered(5.0, f"run/{about}")
            for about in (
                "t0/0/1/task_retry",
                "t0/0/2/task_failed",
                "t0/0/2/task_failed/mail",
                "t0/0/2/task_failed/a%2Fb%25",
                "t1/0/1/task_success",
                "0/run_failed/mail",
                "t0/0/1/task_retry",
            )
        ],
    ),
    "notices of runs that end again": (
        replace(plan_of([[]]), notices=("failed", "success", "cancelled")),
        [
            BEGIN,
            *failed(0),
            RunResumed(5.0),
            start(0, 2),
            CancelRequested(6.0, "ann"),
            AttemptCancelled(0, 2, 7.0),
            TasksRerun(8.0, (0,)),
            *done(0),
            NoticeDropped(9.0, "run/0/run_failed", "OSError"),
            NoticeDelivered(9.0, "run/1/run_cancelled"),
            NoticeDelivered(9.0, "run/2/run_success"),
        ],
    ),
    "a task below one that failed in another generation": (
        plan_of(CHAIN),
        [BEGIN, *done(0), *done(1), *done(2), TasksRerun(5.0, (0, 2)), *failed(0), start(2)],
    ),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_may_be_is_not_blamed(kind: str) -> None:
    plan, history = FINE[kind]
    assert found(plan, history) == []

"""The audit where somebody marks tasks, sends messages, or sets a run going again: what cannot be, and what may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.engine.audit import Audit
from penstock.engine.events import (
    AttemptDeferred,
    AttemptSucceeded,
    DriverStopped,
    Event,
    GroupRetryDue,
    MessageReceived,
    NoticeDelivered,
    NotifiersSet,
    PlanAdopted,
    RunResumed,
    TasksMarked,
    TasksRerun,
    TaskWoken,
)
from penstock.engine.states import TaskState
from penstock.plan.plan import Group, Plan
from penstock.policy import Polling, TaskPolicy
from tests.simulation.plans import Graph, make_plan
from tests.unit.engine.histories import BEGIN, CHAIN, VOLATILE, blame, chose, done, failed, found, lost, skipped, start
from tests.unit.engine.histories import plan_of as plain
from tests.unit.engine.test_audit_maps import AGAIN, MAPPED, TWO, grouped, wide

ONCE_MORE = TaskPolicy(retries=1)
SENSOR = TaskPolicy(polling=Polling(timeout=5.0))
SOFT = TaskPolicy(polling=Polling(timeout=5.0, soft_fail=True))


def mark(*tasks: int, state: str = "failed") -> TasksMarked:
    return TasksMarked(4.0, tasks, state, "ann")


def in_one_group(graph: Graph, *rows: int) -> Plan:
    """Some of the tasks are in a group that is tried again."""
    return make_plan(graph, groups=(Group("group", -1, rows, -1, ONCE_MORE),))


def early(task: int, attempt: int = 1, *, at: float = 3.0, topic: str | None = None) -> tuple[Event, Event]:
    """A body that came too early."""
    return start(task, attempt), AttemptDeferred(task, attempt, at, None, topic)


def message(topic: str = "go") -> MessageReceived:
    return MessageReceived(5.0, topic, None, "ann")


WRONG: dict[str, tuple[Plan, list[Event], str]] = {
    "marked above what runs": (
        plain(CHAIN),
        [BEGIN, *done(0), start(1), mark(0)],
        "I5: task 't0' was marked while task 't1' ran, which is below it",
    ),
    "marked far above what runs": (
        plain(CHAIN),
        [BEGIN, *done(0), *done(1), start(2), mark(0)],
        "I5: task 't0' was marked while task 't2' ran, which is below it",
    ),
    "marked in a group above what runs": (
        in_one_group([[], [], [1]], 0, 1),
        [BEGIN, *done(0), *done(1), start(2), mark(0)],
        "I5: task 't0' was marked while task 't2' ran, which is below it",
    ),
    "an instance is marked in a group above what runs": (
        replace(grouped(retries=1), groups=(Group("group", -1, (2, 3), 1), Group("inner", 0, (2,), -1, ONCE_MORE))),
        [*TWO, *done(5), start(7), mark(5)],
        r"I5: task 't2\[0\]' was marked while task 't3\[0\]' ran, which is below it",
    ),
    "marked in a group that is to begin anew": (
        AGAIN,
        [BEGIN, *failed(0), mark(0)],
        "I10: task 't0' was marked, which is to begin anew with its group",
    ),
    "an instance is marked that is to begin anew": (
        grouped(retries=1),
        [*TWO, *failed(5), mark(7, state="success")],
        r"I10: task 't3\[0\]' was marked, which is to begin anew with its group",
    ),
    "an instance is marked in a group that is to begin anew as a whole": (
        make_plan([[], []], maps={0: "task"}, groups=(Group("group", -1, (0, 1), -1, ONCE_MORE),)),
        [BEGIN, wide(0, 1), *done(2), *failed(1), mark(2)],
        r"I10: task 't0\[0\]' was marked, which is to begin anew with its group",
    ),
    "started by nobody after a mark": (
        plain([[], []]),
        [BEGIN, DriverStopped(3.0, "SIGINT"), mark(0, state="success"), start(1)],
        "I2: task 't1' started while nobody drove the run",
    ),
    "before what is made anew with its group": (
        AGAIN,
        [BEGIN, *done(0, value=VOLATILE), *failed(1), GroupRetryDue(0, -1, 4.0), start(1)],
        "I1: task 't1' started before task 't0' had succeeded$",
    ),
    "deferred without end": (
        plain([[]]),
        [BEGIN, start(0), AttemptDeferred(0, 1, 3.0)],
        "I10: task 't0' was deferred, and nothing says until when",
    ),
    "a sensor goes on after its time": (
        make_plan([[]], policies=[SENSOR]),
        [BEGIN, *early(0, at=8.0), start(0, 2)],
        "I6: task 't0' started again after its last attempt",
    ),
    "one that was skipped with its time is decided anew": (
        make_plan([[], [0]], policies=[SOFT, TaskPolicy()]),
        [BEGIN, *early(0, at=8.0), RunResumed(9.0), start(0, 2)],
        "I2: task 't0' started after it had ended as skipped",
    ),
    "one that waits for a message that another was given": (
        plain([[], []]),
        [BEGIN, *early(1, at=3.0, topic="go"), *early(0, at=4.0, topic="go"), message(), start(0, 2)],
        "I2: task 't0' started before its next attempt was due",
    ),
    "the second of two that asked at once": (
        plain([[], []]),
        [BEGIN, *early(1, topic="go"), *early(0, topic="go"), message(), start(1, 2)],
        "I2: task 't1' started before its next attempt was due",
    ),
    "a notice of a skip of before for who came later": (
        plain(CHAIN),
        [
            *(BEGIN, *skipped(0), NotifiersSet(4.0, ("x",), ("task_skipped",))),
            *(mark(0, state="success"), NoticeDelivered(5.0, "run/t2/0/0/task_skipped/x")),
        ],
        "I10: notice 'run/t2/0/0/task_skipped/x' was taken",
    ),
    "an instance is marked in a group above what runs at its index": (
        make_plan(
            [[], [], [], [2]],
            guards={1: (0,), 2: (0,), 3: (0,)},
            maps={0: "group"},
            groups=(Group("group", -1, (1, 2, 3), 0), Group("inner", 0, (1, 2), -1, ONCE_MORE)),
        ),
        [BEGIN, wide(0, 1), *done(4), *done(5), start(6), mark(4)],
        r"I5: task 't1\[0\]' was marked while task 't3\[0\]' ran, which is below it",
    ),
    "the head of a group that the first row expands": (
        make_plan([[], []], guards={1: (0,)}, maps={0: "group"}, groups=(Group("group", -1, (1,), 0),)),
        [BEGIN, wide(0, 1), start(1)],
        "I10: task 't1' started, and stands for others that have a body",
    ),
    "a choice of what the plan does not have": (
        make_plan([[], [0]], policies=[TaskPolicy(decides="branch"), TaskPolicy()], deciders={1: (0,)}),
        [BEGIN, *chose(0, 2)],
        "I10: task 't0' chose task 2, which is not directly below it",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_is_named(kind: str) -> None:
    blame(*WRONG[kind])


FINE: dict[str, tuple[Plan, list[Event]]] = {
    "marked beside what runs in its group": (
        in_one_group([[], [], [1]], 0, 1, 2),
        [BEGIN, *done(0), *done(1), start(2), mark(0)],
    ),
    "an instance is marked beside one that runs": (grouped(retries=1), [*TWO, *done(5), start(6), mark(5)]),
    "the first of two that asked at once": (
        plain([[], []]),
        [BEGIN, *early(1, topic="go"), *early(0, topic="go"), message(), start(0, 2)],
    ),
    "who asked first": (
        plain([[], []]),
        [BEGIN, *early(1, at=3.0, topic="go"), *early(0, at=4.0, topic="go"), message(), start(1, 2)],
    ),
    "a sensor looks again": (
        make_plan([[]], policies=[SENSOR]),
        [BEGIN, *early(0), TaskWoken(0, 4.0), *early(0, 2, at=5.0), TaskWoken(0, 6.0), start(0, 3)],
    ),
    "one that is skipped with its time is over": (
        make_plan([[], [0]], policies=[SOFT, TaskPolicy()]),
        [BEGIN, *early(0, at=8.0), RunResumed(9.0)],
    ),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_may_be_is_not_blamed(kind: str) -> None:
    plan, history = FINE[kind]
    assert found(plan, history) == []


# --- What was blamed changes nothing, and is not blamed again


def see(plan: Plan, *history: Event) -> Audit:
    """An audit that has read a history, whatever it found."""
    audit = Audit(plan)
    for event in history:
        audit.see(event)
    return audit


def test_a_mark_that_cannot_be_marks_nothing() -> None:
    audit = see(plain([[], []]), BEGIN, start(0), mark(0, 1))
    assert [audit.state(task) for task in (0, 1)] == [TaskState.RUNNING, TaskState.PENDING]
    assert audit.see(AttemptSucceeded(0, 1, 5.0)) == []


def test_what_ran_when_tasks_were_run_again_may_start_again() -> None:
    audit = see(plain([[], []]), BEGIN, start(0), TasksRerun(3.0, (1,)))
    assert audit.see(start(0, 2)) == []


def test_a_deferral_without_end_is_one() -> None:
    audit = see(plain([[]]), BEGIN, start(0), AttemptDeferred(0, 1, 3.0))
    assert audit.see(start(0, 2)) == ["I2: task 't0' started before its next attempt was due"]


def test_a_choice_of_what_is_not_there_is_none_under_another_plan() -> None:
    plan = make_plan([[], [0]], policies=[TaskPolicy(decides="branch"), TaskPolicy()], deciders={1: (0,)})
    audit = Audit(plan, plans={"same": plan}.__getitem__)
    for event in (BEGIN, *chose(0, 1, 2)):
        audit.see(event)
    assert audit.see(PlanAdopted(4.0, "same")) == audit.see(RunResumed(4.0)) == audit.see(start(1)) == []


def test_all_that_a_task_should_have_waited_for_is_named_in_order() -> None:
    audit = see(plain([*[[]] * 9, [1, 8]]), BEGIN)
    sentences = [f"I1: task 't9' started before task 't{number}' had succeeded" for number in (1, 8)]
    assert audit.see(start(9)) == sentences


def test_an_expansion_that_comes_too_late_expands_nothing() -> None:
    audit = see(MAPPED, *TWO, wide(1, 3))
    assert audit.see(start(5)) == ["I10: AttemptStarted speaks of task 5, of which the plan has none"]


# --- The end of a run


def test_a_run_that_another_plan_makes_another_end_of_ends_anew() -> None:
    plan = make_plan([[], []], notices=("failed",))
    fewer = make_plan([[]], names=["t1"], notices=("failed",))
    audit = Audit(plan, plans={"fewer": fewer, "same": plan}.__getitem__)
    for event in (BEGIN, *failed(0), *failed(1), NoticeDelivered(4.0, "run/0/run_failed")):
        assert audit.see(event) == []
    for adopted in (PlanAdopted(4.0, "same"), RunResumed(4.0, False)):
        assert audit.see(adopted) == []
    taken = NoticeDelivered(5.0, "run/1/run_failed")
    assert audit.see(taken) == ["I10: notice 'run/1/run_failed' was taken, and nothing had happened that it tells"]
    for event in (PlanAdopted(4.0, "fewer"), RunResumed(4.0, False), taken):
        assert audit.see(event) == []


def test_groups_that_were_to_begin_anew_are_named_in_order() -> None:
    names = "abcdefgh"
    groups = tuple(Group(name, -1, (row,), -1, ONCE_MORE) for row, name in enumerate(names))
    audit = see(make_plan([[]] * 8, groups=groups), BEGIN, *(event for row in range(8) for event in failed(row)))
    assert audit.end() == [f"I11: the run ended while group '{name}' was to begin anew" for name in names]


def test_how_a_run_ended_is_part_of_what_is_blamed() -> None:
    audit = see(plain([[]]), BEGIN, *lost(0), *lost(0, 2), *lost(0, 3))
    assert audit.end("success") == ["I2: the run is on record as success, and ended as failed"]

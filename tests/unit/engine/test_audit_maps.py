"""The audit and maps: instances, their heads, mapped groups, and groups that are tried again."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.audit import Audit
from penstock.engine.events import (
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    NoticeDelivered,
    PlanAdopted,
    RetryDue,
    RunResumed,
    TasksMarked,
    TasksRerun,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy, TriggerRule
from tests.simulation.plans import make_plan
from tests.unit.engine.drawn_runs import Chance, draw_plan
from tests.unit.engine.followed import follow
from tests.unit.engine.histories import BEGIN, CHAIN, ERROR, VOLATILE, blame, done, failed, found, lost, skipped, start

SEEDS = st.integers(0, 2**32 - 1)
ONCE, TWICE = TaskPolicy(at_most_once=True), TaskPolicy(retries=1)
AFTER_ALL = TaskPolicy(trigger_rule=TriggerRule.ALL_DONE)


def wide(task: int, width: int, *names: str) -> MapExpanded:
    return MapExpanded(task, 3.0, width, names)


def mapped(*policies: TaskPolicy) -> Plan:
    """t0, t1 mapped over what t0 returns, t2; the instances of t1 are 3, 4 ..."""
    return make_plan(CHAIN, policies=policies or None, guards={1: (0,)}, maps={1: "task"})


def grouped(*policies: TaskPolicy, retries: int = 0) -> Plan:
    """t0, t1 which expands a group over it, t2 and t3 after it in the group, t4; instances 5 and 6 of t2, 7 and 8 of
    t3, where there are two."""
    policy = TaskPolicy(retries=retries) if retries else None
    return make_plan(
        [[], [0], [], [2], [3]],
        policies=policies or None,
        guards={1: (0,), 2: (1,), 3: (1,)},
        maps={1: "group"},
        groups=(Group("group", -1, (2, 3), 1, policy),),
    )


def tried_again(*policies: TaskPolicy, retries: int = 1) -> Plan:
    """t0 and t1 after it in a group that is tried again, and t2 after that."""
    return make_plan(CHAIN, policies=policies or None, groups=(Group("group", -1, (0, 1), -1, TaskPolicy(retries)),))


MAPPED, GROUPED, AGAIN = mapped(), grouped(), tried_again()
TWO = [BEGIN, *done(0), wide(1, 2)]
"""The map, or the mapped group, has two instances."""


# --- What runs do


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_nothing_is_found_in_a_run_with_maps(random: Random) -> None:
    follow({"a": draw_plan(random, maps=True)}, random, calm=True)


@settings(max_examples=150)
@given(SEEDS)
def test_nor_in_larger_ones_with_groups_that_are_tried_again(seed: int) -> None:
    random = Random(seed)
    follow({"a": draw_plan(random, maps=True, rounds=True)}, random, calm=True, count=80)


@settings(max_examples=150)
@given(SEEDS)
def test_nor_where_such_groups_are_disturbed(seed: int) -> None:
    random = Random(seed)
    follow({"a": draw_plan(random, rounds=True)}, random)


@settings(max_examples=150)
@given(SEEDS)
def test_nor_where_maps_are_resumed_run_again_and_marked(seed: int) -> None:
    random = Random(seed)
    follow({"a": draw_plan(random, maps=True)}, random)


@settings(max_examples=150)
@given(SEEDS)
def test_nor_where_they_are_in_groups_that_are_tried_again(seed: int) -> None:
    random = Random(seed)
    follow({"a": draw_plan(random, maps=True, rounds=True)}, random)


@settings(max_examples=150)
@given(SEEDS, st.booleans())
def test_nor_where_they_are_carried_into_other_plans(seed: int, rounds: bool) -> None:
    random = Random(seed)
    follow({name: draw_plan(random, maps=True, rounds=rounds, most=5) for name in "abc"}, random)


@settings(max_examples=300)
@given(SEEDS)
def test_whatever_a_journal_says_can_be_read(seed: int) -> None:
    """Events of one plan's runs, left out and mixed up, told of another."""
    random = Random(seed)
    plans = {name: draw_plan(random, maps=True, rounds=True) for name in "ab"}
    engine = RunEngine(plans["a"], run_id="run", plans=plans.__getitem__)
    history = []
    for event in Chance(engine, random, calm=True).events(40):
        engine.handle(event)
        history.append(event)
    for other in (RunResumed(5.0), TasksRerun(6.0, (0, 1, 8)), PlanAdopted(7.0, "a"), CancelRequested(8.0, "ann")):
        history.insert(random.randrange(len(history)), other)
    history = [event for event in history if random.random() < 0.8]
    for _ in range(random.randrange(8)):
        history.insert(random.randrange(len(history) + 1), random.choice(history))
    for name in "ab":
        audit = Audit(plans[name], plans=plans.__getitem__)
        for event in history:
            assert all(line.startswith("I") for line in audit.see(event))
        assert all(line.startswith("I") for line in audit.end("success"))


# --- What cannot be


WRONG: dict[str, tuple[Plan, list[Event], str]] = {
    "an instance beyond the width": (MAPPED, [*TWO, start(5)], "I10: AttemptStarted speaks of task 5, of which"),
    "an instance before there are any": (MAPPED, [BEGIN, *done(0), start(3)], "I10: AttemptStarted speaks of task 3"),
    "the head of a map": (MAPPED, [BEGIN, *done(0), start(1)], "I10: task 't1' started, and stands for others"),
    "the head of a task in a group": (GROUPED, [*TWO, start(2)], "I10: task 't2' started, and stands for others"),
    "what expands a group": (GROUPED, [BEGIN, *done(0), start(1)], "I10: task 't1' started, and stands for others"),
    "expanded too early": (MAPPED, [BEGIN, wide(1, 2)], "I1: task 't1' was expanded before task 't0' had succeeded"),
    "an error too early": (MAPPED, [BEGIN, ExpansionFailed(1, 2.0, ERROR)], "I1: task 't1' was expanded before"),
    "expanded twice": (MAPPED, [*TWO, wide(1, 2)], "I5: task 't1' was expanded twice"),
    "no map": (MAPPED, [BEGIN, *done(0), wide(0, 2)], "I10: MapExpanded speaks of task 't0', which expands nothing"),
    "a map of an unknown task": (MAPPED, [BEGIN, wide(9, 2)], "I10: MapExpanded speaks of task 9"),
    "fewer than none": (MAPPED, [BEGIN, *done(0), wide(1, -1)], "I10: task 't1' has -1 instances, with 0 names"),
    "a name too few": (MAPPED, [BEGIN, *done(0), wide(1, 2, "x")], "I10: task 't1' has 2 instances, with 1 names"),
    "expanded by nobody": (
        MAPPED,
        [BEGIN, *done(0), DriverStopped(4.0, "SIGINT"), wide(1, 2)],
        "I2: task 't1' was expanded while nobody drove the run",
    ),
    "after a map, before its last instance": (MAPPED, [*TWO, *done(3), start(2)], "I1: .*'t2' .* 't1' had succeeded"),
    "after a map in which one failed": (MAPPED, [*TWO, *failed(4), start(2)], "I2: .*'t2' .* as upstream_failed"),
    "after a map of none": (MAPPED, [BEGIN, *done(0), wide(1, 0), start(2)], "I2: task 't2' .* ended as skipped"),
    "after a map that cannot be": (
        MAPPED,
        [BEGIN, *done(0), ExpansionFailed(1, 3.0, ERROR), start(2)],
        "I2: task 't2' started after it had ended as upstream_failed",
    ),
    "an instance before that of its index": (
        GROUPED,
        [*TWO, *done(6), start(7)],
        r"I1: task 't3\[0\]' started before task 't2\[0\]' had succeeded",
    ),
    "below a failure of its index": (GROUPED, [*TWO, *failed(5), start(7)], r"I2: task 't3\[0\]' .* upstream_failed"),
    "after a group, before its last instance": (
        GROUPED,
        [*TWO, *done(5), *done(7), *done(6), start(4)],
        "I1: task 't4' started before task 't3' had succeeded",
    ),
    "in a group of none": (GROUPED, [BEGIN, *done(0), wide(1, 0), start(4)], "I2: task 't4' .* ended as skipped"),
    "an outcome of an instance that never started": (
        MAPPED,
        [*TWO, AttemptFailed(4, 1, 4.0, ERROR)],
        r"I5: attempt 1 of task 't1\[1\]' ended and had never started",
    ),
    "a success of one": (MAPPED, [*TWO, AttemptSucceeded(4, 1, 4.0)], r"I8: attempt 1 of task 't1\[1\]' ended"),
    "an instance twice": (mapped(ONCE, ONCE, ONCE), [*TWO, *lost(3), start(3, 2)], r"I7: task 't1\[0\]' started twice"),
    "an instance beyond its retries": (
        mapped(TWICE, TWICE, TWICE),
        [*TWO, *failed(3), RetryDue(3, 4.0), *failed(3, 2), start(3, 3)],
        r"I6: task 't1\[0\]' started again after its last attempt \(2 failed",
    ),
    "more at once than allowed": (
        mapped(TaskPolicy(), TaskPolicy(max_active_instances=1), TaskPolicy()),
        [*TWO, start(3), start(4)],
        r"I5: task 't1\[1\]' started as one of 2 at once, and 1 were allowed",
    ),
    "an instance when the run is to end": (
        MAPPED,
        [*TWO, start(3), CancelRequested(4.0, "ann"), start(4)],
        r"I2: task 't1\[1\]' started though the run was to end",
    ),
    "an instance that is gone": (
        MAPPED,
        [*TWO, *done(3), *done(4), *done(2), TasksRerun(4.0, (1,)), wide(1, 1), start(4, 2)],
        r"I2: task 't1\[1\]' started after it had ended as removed",
    ),
    "an instance that has succeeded, of a map that is wider now": (
        MAPPED,
        [*TWO, *done(3), *done(4), *done(2), TasksRerun(4.0, (1,)), wide(1, 3), start(3, 2)],
        r"I2: task 't1\[0\]' started after it had ended as success",
    ),
    "an instance that is gone is run again": (
        MAPPED,
        [*TWO, *done(3), *done(4), *done(2), TasksRerun(4.0, (1,)), wide(1, 1), TasksRerun(5.0, (4,))],
        r"I10: task 't1\[1\]' was run again, which its map has no more",
    ),
    "an instance before its map is expanded again": (
        MAPPED,
        [*TWO, *done(3), *failed(4), TasksRerun(4.0, (1, 4)), start(4)],
        r"I1: task 't1\[1\]' started while its map was not expanded",
    ),
    "an instance before what its map takes its width from": (
        MAPPED,
        [BEGIN, *done(0, value=VOLATILE), wide(1, 2), *failed(3), *done(4), RunResumed(5.0), start(3, 2)],
        r"I16: task 't1\[0\]' started before task 't0' had succeeded again",
    ),
    "a number of an instance again, in another plan": (
        MAPPED,
        [*TWO, *lost(3), DriverStopped(4.0, "SIGINT"), PlanAdopted(4.0, "same"), RunResumed(5.0), start(3, 1)],
        r"I5: attempt 1 of task 't1\[0\]' started after attempt 1",
    ),
    "a number of an instance that a plan had dropped": (
        MAPPED,
        [
            *(*TWO, *lost(3), DriverStopped(4.0, "SIGINT"), PlanAdopted(4.0, "other"), PlanAdopted(4.0, "same")),
            *(RunResumed(5.0), *done(0, 2), wide(1, 1), start(3, 1)),
        ],
        r"I5: attempt 1 of task 't1\[0\]' started after attempt 1",
    ),
    "a notice of another instance": (
        mapped(TaskPolicy(), TaskPolicy(notices=("success",)), TaskPolicy()),
        [*TWO, *done(3), NoticeDelivered(4.0, "run/t1[1]/0/1/task_success")],
        r"I10: notice 'run/t1\[1\]/0/1/task_success' was taken",
    ),
    "again, before its group begins anew": (AGAIN, [BEGIN, *failed(0), start(0, 2)], "I6: task 't0' started again"),
    "in a later round, with a later number": (
        AGAIN,
        [BEGIN, *failed(0), GroupRetryDue(0, -1, 4.0), start(0, 2)],
        "I5: attempt 2 of task 't0' started after attempt 0",
    ),
    "a round too many": (
        AGAIN,
        [BEGIN, *failed(0), GroupRetryDue(0, -1, 4.0), *failed(0), GroupRetryDue(0, -1, 5.0), start(0)],
        "I6: task 't0' started again",
    ),
    "a round after a failure not to be tried again": (
        AGAIN,
        [BEGIN, *failed(0, retryable=False), GroupRetryDue(0, -1, 5.0), start(0)],
        "I6: task 't0' started again",
    ),
    "a round in a run that is to end": (
        make_plan([[], []], groups=(Group("group", -1, (0,), -1, TWICE),)),
        [BEGIN, start(1), *failed(0), CancelRequested(4.0, "ann"), GroupRetryDue(0, -1, 5.0), start(0)],
        "I2: task 't0' started though the run was to end",
    ),
    "after a group that is not settled": (
        tried_again(TaskPolicy(), TaskPolicy(), AFTER_ALL),
        [BEGIN, *failed(0), start(2)],
        "I1: task 't2' started before task 't1' had ended",
    ),
    "a round of an unknown group": (
        AGAIN,
        [BEGIN, GroupRetryDue(1, -1, 2.0)],
        "I10: group 1 begins anew, and the plan",
    ),
    "a round of a group that is not tried again": (
        GROUPED,
        [BEGIN, GroupRetryDue(0, -1, 2.0)],
        "I10: group 0 begins anew, and the plan has none that is tried again",
    ),
    "a round of another index": (
        grouped(retries=1),
        [*TWO, *failed(5), GroupRetryDue(0, 0, 4.0), *done(6), start(6, 2)],
        r"I2: task 't2\[1\]' started after it had ended as success",
    ),
    "marked before it began": (
        make_plan([[]]),
        [TasksMarked(1.0, (0,), "success", "ann")],
        "I2: tasks were marked in a run that had not begun",
    ),
    "marked as nonsense": (make_plan([[]]), [BEGIN, TasksMarked(2.0, (0,), "great", "ann")], "I10: .* marked as great"),
    "marked while it runs": (
        make_plan([[]]),
        [BEGIN, start(0), TasksMarked(2.0, (0,), "failed", "ann")],
        "I5: task 't0' was marked while it ran",
    ),
    "an unknown task is marked": (make_plan([[]]), [BEGIN, TasksMarked(2.0, (1,), "failed", "a")], "I10: TasksMarked"),
    "a head is marked": (
        MAPPED,
        [BEGIN, TasksMarked(2.0, (1,), "failed", "ann")],
        "I10: task 't1' was marked, which has no outcome of its own",
    ),
    "started, and marked as a success": (
        make_plan([[], []]),
        [BEGIN, TasksMarked(2.0, (0,), "success", "ann"), start(0)],
        "I2: task 't0' started after it had ended as success",
    ),
    "below what is marked as failed": (
        make_plan([[], [0]]),
        [BEGIN, TasksMarked(2.0, (0,), "failed", "ann"), start(1)],
        "I2: task 't1' started after it had ended as upstream_failed",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_is_named(kind: str) -> None:
    blame(*WRONG[kind])


# --- What may be


FINE: dict[str, tuple[Plan, list[Event]]] = {
    "all instances have succeeded": (MAPPED, [*TWO, *done(4), *done(3), start(2)]),
    "names": (MAPPED, [BEGIN, *done(0), wide(1, 2, "x", "y"), start(3)]),
    "one index does not wait for others": (GROUPED, [*TWO, *done(6), start(8)]),
    "an expansion that comes too late": (
        MAPPED,
        [BEGIN, *done(0), CancelRequested(3.0, "ann"), wide(1, 2)],
    ),
    "as many at once as allowed": (
        mapped(TaskPolicy(), TaskPolicy(max_active_instances=1), TaskPolicy()),
        [*TWO, *done(4), start(3)],
    ),
    "early, after one instance": (
        mapped(TaskPolicy(), TaskPolicy(), TaskPolicy(trigger_rule=TriggerRule.ONE_SUCCESS)),
        [*TWO, *done(4), start(2)],
    ),
    "a map is wider now": (
        MAPPED,
        [*TWO, *done(3), *done(4), *done(2), TasksRerun(4.0, (1,)), wide(1, 3), start(5)],
    ),
    "an instance is there again": (
        MAPPED,
        [
            *(*TWO, *done(3), *done(4), *done(2), TasksRerun(4.0, (1,)), wide(1, 1)),
            *(TasksRerun(5.0, (1,)), wide(1, 2), start(4, 2)),
        ],
    ),
    "an instance is tried again": (MAPPED, [*TWO, *failed(3), *done(4), RunResumed(5.0), start(3, 2)]),
    "a map is expanded again, where its width is": (
        MAPPED,
        [
            *(BEGIN, *done(0, value=VOLATILE), wide(1, 2), *failed(3), *done(4), RunResumed(5.0)),
            *(*done(0, 2, VOLATILE), wide(1, 2), *done(3, 2), start(2)),
        ],
    ),
    "an instance in another plan": (
        MAPPED,
        [*TWO, *lost(3), DriverStopped(4.0, "SIGINT"), PlanAdopted(4.0, "same"), RunResumed(5.0), start(3, 2)],
    ),
    "a notice of an instance": (
        mapped(TaskPolicy(), TaskPolicy(notices=("success",)), TaskPolicy()),
        [*TWO, *done(4), NoticeDelivered(4.0, "run/t1[1]/0/1/task_success")],
    ),
    "a group begins anew": (
        AGAIN,
        [BEGIN, *done(0), *failed(1), GroupRetryDue(0, -1, 4.0), *done(0), *done(1), start(2)],
    ),
    "a timer of a group that rings twice": (
        AGAIN,
        [BEGIN, *failed(0), GroupRetryDue(0, -1, 4.0), start(0), GroupRetryDue(0, -1, 5.0)],
    ),
    "an index begins anew": (
        grouped(retries=1),
        [*TWO, *done(5), *failed(7), start(6), GroupRetryDue(0, 0, 4.0), start(5)],
    ),
    "a group of which something only skipped itself": (
        tried_again(TaskPolicy(), TaskPolicy(), AFTER_ALL),
        [BEGIN, *skipped(0), start(2)],
    ),
    "a group that has settled with a failure": (
        tried_again(TaskPolicy(), TaskPolicy(), AFTER_ALL),
        [BEGIN, *failed(0, retryable=False), start(2)],
    ),
    "below what is marked as a success": (
        make_plan([[], [0]]),
        [BEGIN, *failed(0), TasksMarked(4.0, (0,), "success", "ann"), start(1)],
    ),
    "a round that had failed is tried again by hand": (
        AGAIN,
        [BEGIN, *failed(0, retryable=False), RunResumed(4.0), *failed(0, 2), GroupRetryDue(0, -1, 5.0), start(0)],
    ),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_may_be_is_not_blamed(kind: str) -> None:
    plan, history = FINE[kind]
    assert found(plan, history) == []


# --- What becomes of it


ENDINGS: dict[str, tuple[Plan, list[Event], str, str]] = {
    "all well": (MAPPED, [*TWO, *done(3), *done(4), *done(2)], "SSSSS", "success"),
    "one failed": (MAPPED, [*TWO, *done(3), *failed(4)], "SFUSF", "failed"),
    "some were skipped": (MAPPED, [*TWO, *done(3), *skipped(4)], "SSKSK", "success"),
    "all were skipped": (MAPPED, [*TWO, *skipped(3), *skipped(4)], "SKKKK", "success"),
    "there were none": (MAPPED, [BEGIN, *done(0), wide(1, 0)], "SKK", "success"),
    "none could be found": (MAPPED, [BEGIN, *done(0), ExpansionFailed(1, 3.0, ERROR)], "SFU", "failed"),
    "cancelled": (MAPPED, [*TWO, *done(3), CancelRequested(4.0, "ann")], "SCCSC", "cancelled"),
    "the group failed at one index": (
        GROUPED,
        [*TWO, *failed(5), *done(6), *done(8)],
        "SSFUUFSUS",
        "failed",
    ),
    "the group cannot be expanded": (GROUPED, [BEGIN, *done(0), ExpansionFailed(1, 3.0, ERROR)], "SFUUU", "failed"),
    "an instance may fail": (
        grouped(*[TaskPolicy(allow_failure=True)] * 5),
        [*TWO, *failed(5), *done(6), *done(8)],
        "SSFUUFSUS",
        "success",
    ),
    "a group that was tried again": (
        AGAIN,
        [BEGIN, *failed(0), GroupRetryDue(0, -1, 4.0), *done(0), *done(1), *done(2)],
        "SSS",
        "success",
    ),
    "a group tried again in vain": (
        AGAIN,
        [BEGIN, *failed(0), GroupRetryDue(0, -1, 4.0), *failed(0)],
        "FUU",
        "failed",
    ),
    "a group that waited": (AGAIN, [BEGIN, *failed(0), CancelRequested(4.0, "ann")], "FUC", "cancelled"),
    "the first failure in a group": (
        replace(tried_again(*[TWICE] * 3, retries=0), fail_fast=True),
        [BEGIN, *failed(0, retryable=False)],
        "FUU",
        "failed",
    ),
    "marked as skipped": (make_plan([[], [0]]), [BEGIN, TasksMarked(2.0, (0,), "skipped", "ann")], "KK", "success"),
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_run_ends_as_the_law_says(kind: str) -> None:
    plan, history, letters, ending = ENDINGS[kind]
    audit = Audit(plan)
    for event in history:
        assert audit.see(event) == []
    assert "".join(_letter(audit.state(slot)) for slot in range(len(letters))) == letters
    for claim in ("success", "failed", "cancelled"):
        assert (audit.end(claim) == []) == (claim == ending), claim


def _letter(state: TaskState) -> str:
    return "K" if state is TaskState.SKIPPED else state.name[0]


def test_a_run_whose_group_waits_has_not_ended() -> None:
    audit = Audit(make_plan([[]], groups=(Group("group", -1, (0,), -1, TWICE),)))
    for event in (BEGIN, *failed(0)):
        assert audit.see(event) == []
    assert audit.end() == ["I11: the run ended while group 'group' was to begin anew"]

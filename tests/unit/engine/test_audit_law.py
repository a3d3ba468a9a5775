"""The audit and the law: rules, branches, short circuits, setups, teardowns, skips, fail_fast, and how a run ends.

Histories that a right engine made are passed, and what cannot be is named.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine import audit_law
from penstock.engine.audit import Audit
from penstock.engine.audit_states import FAILED, SKIPPED, SUCCESS, UPSTREAM_FAILED
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSkipped,
    AttemptSucceeded,
    CancelRequested,
    Event,
    NoticeDelivered,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunTimedOut,
    TasksRerun,
)
from penstock.engine.law import Verdict, foreseen
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy, TriggerRule
from tests.simulation.plans import Graph, make_plan
from tests.unit.engine.drawn_runs import draw_plan
from tests.unit.engine.followed import follow
from tests.unit.engine.histories import BEGIN, CHAIN, ERROR, VOLATILE, blame, chose, done, failed, found, skipped, start

CALM = st.booleans()
SEEDS = st.integers(0, 2**32 - 1)


# --- What runs do


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), CALM)
def test_nothing_is_found_in_what_the_law_makes_of_a_run(random: Random, calm: bool) -> None:
    follow({"a": draw_plan(random)}, random, calm=calm)


@settings(max_examples=150)
@given(SEEDS, CALM)
def test_nor_in_larger_ones(seed: int, calm: bool) -> None:
    random = Random(seed)
    follow({"a": draw_plan(random)}, random, calm=calm)


@settings(max_examples=100)
@given(SEEDS)
def test_nor_in_runs_that_go_on_with_other_plans(seed: int) -> None:
    random = Random(seed)
    follow({name: draw_plan(random, most=5) for name in "abc"}, random)


@pytest.mark.parametrize("rule", TriggerRule)
def test_one_outcome_alone_settles_all_that_some_settle(rule: TriggerRule) -> None:
    """The audit looks at a task only when something has ended that alone may settle it, or when all has."""
    stops = (Verdict.SKIP, Verdict.UPSTREAM_FAILED)
    alone = [one for one in (1, 2, 4, 8) if foreseen(rule, one) in stops]
    for outcomes in range(1, 16):
        assert (foreseen(rule, outcomes) in stops) == any(one & outcomes for one in alone)
    assert audit_law.SETTLED_BY[rule] == sum(alone)


# --- What cannot be


def ruled(rules: dict[int, TriggerRule | str], graph: Graph, **columns: Any) -> Plan:
    """A plan whose tasks have these rules; a word says what else a task is."""
    return make_plan(graph, policies=[_policy(rules.get(task, "")) for task in range(len(graph))], **columns)


def _policy(kind: TriggerRule | str) -> TaskPolicy:
    if kind == "teardown":
        return TaskPolicy(trigger_rule=TriggerRule.ALL_DONE_SETUP_SUCCESS, teardown=True)
    if kind in ("branch", "short_circuit"):
        return TaskPolicy(decides=kind)  # type: ignore[arg-type]
    if kind in ("setup", "allow_failure"):
        return TaskPolicy(setup=kind == "setup", allow_failure=kind == "allow_failure")
    return TaskPolicy(trigger_rule=TriggerRule(kind)) if kind else TaskPolicy()


JOIN: Graph = [[], [], [0, 1]]
CHOICE = ruled({0: "branch"}, [[], [0], [0], [1, 2]], deciders={1: (0,), 2: (0,)})
"""A branch, its two children, and what comes after both."""
GATE = ruled({0: "short_circuit", 2: "all_done"}, CHAIN, deciders={1: (0,), 2: (0,)})
TORN = ruled({0: "setup", 2: "teardown"}, [[], [0], [0, 1]], setups={2: (0,)})
"""A setup, work, and the teardown."""
FAR = ruled({0: "setup", 3: "teardown"}, [[], [0], [1], [0]], guards={2: (0,)}, setups={3: (0,)}, waits={3: (1, 2)})
"""A setup, work, further work that the setup guards, and a teardown that waits for both."""


def of(rule: str) -> Plan:
    return ruled({2: TriggerRule(rule)}, JOIN)


WRONG: dict[str, tuple[Plan, list[Event], str]] = {
    "before all are done": (
        of("all_done"),
        [BEGIN, *failed(0), start(2)],
        "I1: task 't2' started before task 't1' had e",
    ),
    "before one succeeded": (
        of("one_success"),
        [BEGIN, start(2)],
        "I1: task 't2' started before its rule, one_success",
    ),
    "after one failed": (of("one_success"), [BEGIN, *failed(0), start(2)], "I1: task 't2' started before its rule"),
    "before one failed": (of("one_failed"), [BEGIN, *done(0), start(2)], "I1: task 't2' started before its rule"),
    "before one was done": (of("one_done"), [BEGIN, *skipped(0), start(2)], "I1: task 't2' started before its rule"),
    "none failed, and one did": (of("none_failed"), [BEGIN, *failed(1), start(2)], "I2: .*'t2' .* as upstream_failed"),
    "all failed, and one did not": (of("all_failed"), [BEGIN, *done(1), start(2)], "I2: .*'t2' .* ended as skipped"),
    "none skipped, and one was": (of("none_skipped"), [BEGIN, *skipped(1), start(2)], "I2: .*'t2' .* ended as skipped"),
    "all succeed, and one was skipped": (
        of("all_success"),
        [BEGIN, *skipped(1), *done(0), start(2)],
        "I2: task 't2' started after it had ended as skipped",
    ),
    "no success among them": (
        of("none_failed_min_one_success"),
        [BEGIN, *skipped(1), *skipped(0), start(2)],
        "I2: task 't2' started after it had ended as skipped",
    ),
    "a retry of a parent is no failure yet": (
        replace(of("one_failed"), policies=(TaskPolicy(retries=1), TaskPolicy(), of("one_failed").policies[2])),
        [BEGIN, *failed(0), start(2)],
        "I1: task 't2' started before its rule, one_failed, let it",
    ),
    "what a branch did not choose": (CHOICE, [BEGIN, *chose(0, 2), start(1)], "I2: task 't1' .* ended as skipped"),
    "none of what it chose of": (CHOICE, [BEGIN, *chose(0), start(2)], "I2: task 't2' .* ended as skipped"),
    "below what was not chosen": (CHOICE, [BEGIN, *chose(0, 2), *done(2), start(3)], "I2: task 't3' .* as skipped"),
    "before a branch has decided": (
        CHOICE,
        [BEGIN, start(0), start(1)],
        "I1: task 't1' started before task 't0' had s",
    ),
    "not chosen, whatever its rule": (GATE, [BEGIN, *chose(0), start(2)], "I2: task 't2' .* ended as skipped"),
    "before a gate far above has decided": (
        ruled({0: "short_circuit", 2: "always"}, CHAIN, deciders={1: (0,), 2: (0,)}),
        [BEGIN, start(0), start(2)],
        "I1: task 't2' started before task 't0' had ended",
    ),
    "a choice of what is not below": (CHOICE, [BEGIN, *chose(0, 1, 3)], "I10: task 't0' chose task 't3', which is not"),
    "a choice of what is not there": (CHOICE, [BEGIN, *chose(0, 7)], "I10: task 't0' chose task 7, which is not"),
    "a choice of who decides nothing": (
        CHOICE,
        [BEGIN, *done(0), *chose(1, 3)],
        "I10: task 't1' chose .* decides noth",
    ),
    "a gate that chooses some": (GATE, [BEGIN, *chose(0, 1)], "I10: task 't0' chose some .* can only choose all or"),
    "a teardown before its scope ended": (TORN, [BEGIN, *done(0), start(1), start(2)], "I1: .*'t2' .* 't1' had ended"),
    "a teardown before its scope, far": (
        FAR,
        [BEGIN, *done(0), *done(1), start(3)],
        "I1: task 't3' started before task 't2' had ended",
    ),
    "a teardown of what was not set up": (TORN, [BEGIN, *failed(0), start(2)], "I2: task 't2' .* as upstream_failed"),
    "a teardown of what was skipped": (TORN, [BEGIN, *skipped(0), start(2)], "I2: task 't2' .* ended as skipped"),
    "work that is guarded": (
        ruled({0: "setup", 2: "all_done"}, CHAIN, guards={2: (0,)}),
        [BEGIN, *failed(0), start(2)],
        "I2: task 't2' started after it had ended as upstream_failed",
    ),
    "work whose guard was skipped": (
        ruled({0: "setup", 2: "all_done"}, CHAIN, guards={2: (0,)}),
        [BEGIN, *skipped(0), start(2)],
        "I2: task 't2' started after it had ended as skipped",
    ),
    "work before its guard has ended": (
        ruled({0: "setup", 2: "one_done"}, [[], [], [1]], guards={2: (0,)}),
        [BEGIN, start(0), *done(1), start(2)],
        "I1: task 't2' started before task 't0' had ended",
    ),
    "early, and before what it takes": (
        ruled({2: "one_success"}, JOIN, waits={2: (1,)}),
        [BEGIN, *done(0), start(1), start(2)],
        "I1: task 't2' started before task 't1' had ended",
    ),
    "early, and before a value is made again": (
        ruled({2: "one_success"}, JOIN, waits={2: (1,)}),
        [BEGIN, *done(0), *done(1, value=VOLATILE), RunResumed(4.0), start(2)],
        "I16: task 't2' started before task 't1' had ended again",
    ),
    "again after it skipped itself": (
        make_plan([[], []]),
        [BEGIN, *skipped(0), start(0, 2)],
        "I2: task 't0' started after it had ended as skipped",
    ),
    "a skip of nothing": (
        make_plan([[]]),
        [BEGIN, AttemptSkipped(0, 1, 2.0, "")],
        "I5: attempt 1 of task 't0' ended and",
    ),
    "a skip of nobody": (
        make_plan([[]]),
        [BEGIN, AttemptSkipped(3, 1, 2.0, "")],
        "I10: AttemptSkipped speaks of task 3",
    ),
    "two outcomes, the later a skip": (
        make_plan([[]]),
        [BEGIN, *done(0), AttemptSkipped(0, 1, 4.0, "")],
        "I5: attempt 1 of task 't0' has two outcomes",
    ),
    "after the first failure": (
        make_plan([[], []], fail_fast=True),
        [BEGIN, *failed(0), start(1)],
        "I2: task 't1' started though the run was to end",
    ),
    "cancelled for a failure that does not count": (
        ruled({0: "allow_failure"}, [[], []], fail_fast=True),
        [BEGIN, start(1), *failed(0), AttemptCancelled(1, 1, 4.0)],
        "I2: task 't1' was cancelled, and nobody had asked for it",
    ),
    "a teardown that nobody wants any more": (
        TORN,
        [BEGIN, *done(0), start(1), CancelRequested(4.0, "ann"), CancelRequested(5.0, "ann"), start(2)],
        "I2: task 't2' started though the run was to end",
    ),
    "a teardown of a setup that was cancelled": (
        TORN,
        [BEGIN, start(0), CancelRequested(4.0, "ann"), AttemptCancelled(0, 1, 5.0), start(2)],
        "I2: task 't2' started after it had ended as cancelled",
    ),
    "what was not chosen, when the run goes on": (
        CHOICE,
        [BEGIN, *chose(0, 2), *failed(2), RunResumed(5.0), start(1)],
        "I2: task 't1' started after it had ended as skipped",
    ),
    "what was not chosen, in another plan": (
        CHOICE,
        [BEGIN, *chose(0, 2), PlanAdopted(4.0, "same"), RunResumed(5.0), start(1)],
        "I2: task 't1' started after it had ended as skipped",
    ),
    "what skipped itself, when the run goes on": (
        make_plan([[], [0]]),
        [BEGIN, *skipped(0), RunResumed(5.0), start(0, 2)],
        "I2: task 't0' started after it had ended as skipped",
    ),
    "what skipped itself, in another plan": (
        make_plan(CHAIN),
        [BEGIN, *skipped(0), PlanAdopted(4.0, "same"), RunResumed(5.0), start(0, 2)],
        "I2: task 't0' started after it had ended as skipped",
    ),
    "a teardown that has run, before the work that is done again": (
        TORN,
        [BEGIN, *done(0), *failed(1), *done(2), RunResumed(5.0), *done(0), start(2)],
        "I1: task 't2' started before task 't1' had ended",
    ),
    "work that is done again, before its setup is": (
        TORN,
        [BEGIN, *done(0), *failed(1), *done(2), RunResumed(5.0), start(1, 2)],
        "I1: task 't1' started before task 't0' had succeeded",
    ),
    "a notice of a skip": (
        make_plan([[]], policies=[TaskPolicy(notices=("success", "failed", "retry"))]),
        [BEGIN, *skipped(0), NoticeDelivered(4.0, "run/t0/0/1/task_success")],
        "I10: notice 'run/t0/0/1/task_success' was taken",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_the_law_forbids_is_named(kind: str) -> None:
    blame(*WRONG[kind])


# --- What may be


FINE: dict[str, tuple[Plan, list[Event]]] = {
    "all are done": (of("all_done"), [BEGIN, *failed(0), *skipped(1), start(2)]),
    "one has succeeded": (of("one_success"), [BEGIN, start(1), *done(0), start(2)]),
    "one has failed": (of("one_failed"), [BEGIN, start(1), *failed(0), start(2)]),
    "nobody is waited for": (of("always"), [BEGIN, start(2)]),
    "what a branch chose": (CHOICE, [BEGIN, *chose(0, 2), start(2)]),
    "a branch that follows all": (CHOICE, [BEGIN, *done(0), *done(1), *done(2), start(3)]),
    "a branch that failed decides nothing": (
        ruled({0: "branch", 1: "all_done"}, [[], [0]], deciders={1: (0,)}),
        [BEGIN, *failed(0), start(1)],
    ),
    "a gate that is open": (GATE, [BEGIN, *done(0), *skipped(1), start(2)]),
    "a teardown when the work has failed": (TORN, [BEGIN, *done(0), *failed(1), start(2)]),
    "a teardown when the run is to end": (
        TORN,
        [BEGIN, *done(0), start(1), CancelRequested(4.0, "ann"), AttemptCancelled(1, 1, 5.0), start(2)],
    ),
    "a teardown that is to end, and runs": (
        TORN,
        [BEGIN, *done(0), *done(1), start(2), CancelRequested(4.0, "ann"), *failed(2)[1:]],
    ),
    "a teardown is tried again though the run is to end": (
        replace(TORN, policies=(*TORN.policies[:2], replace(TORN.policies[2], retries=1)), timeout=9.0),
        [BEGIN, *done(0), *done(1), start(2), RunTimedOut(4.0), *failed(2)[1:], RetryDue(2, 5.0), start(2, 2)],
    ),
    "what a teardown takes is made again though the run is to end": (
        replace(TORN, inputs=((), (), (1,))),
        [
            BEGIN,
            *done(0),
            start(1),
            CancelRequested(4.0, "ann"),
            done(1, value=VOLATILE)[1],
            RunResumed(5.0, by_hand=False),
            *done(1, 2),
            start(2),
        ],
    ),
    "an attempt that wants another pause": (
        make_plan([[]], policies=[TaskPolicy(retries=1)]),
        [BEGIN, start(0), AttemptFailed(0, 1, 3.0, ERROR, delay=9.0), RetryDue(0, 12.0), start(0, 2)],
    ),
    "work and its setup are done again, and torn down": (
        TORN,
        [BEGIN, *done(0), *failed(1), *done(2), RunResumed(5.0), *done(0), *done(1, 2), start(2)],
    ),
    "a branch is asked again": (CHOICE, [BEGIN, *chose(0, 2), TasksRerun(4.0, (0, 1)), *chose(0, 1), start(1)]),
    "a branch follows more in another plan": (
        ruled({0: "branch"}, CHAIN, deciders={1: (0,)}),
        [BEGIN, *chose(0, 1), PlanAdopted(4.0, "same"), RunResumed(5.0), start(1)],
    ),
    "what was decided begins anew in another plan": (
        ruled({0: "branch"}, CHAIN, deciders={1: (0,)}),
        [BEGIN, *chose(0), PlanAdopted(4.0, "other"), RunResumed(5.0), *done(1), start(0)],
    ),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_the_law_allows_is_not_blamed(kind: str) -> None:
    plan, history = FINE[kind]
    assert found(plan, history) == []


# --- Ends


LEAVES: dict[str, Any] = {"run_state": "leaves"}
ENDINGS: dict[str, tuple[Plan, list[Event], str]] = {
    "a failure that does not count": (ruled({0: "allow_failure"}, [[], [0]]), [BEGIN, *failed(0)], "success"),
    "everything was skipped": (make_plan([[], [0]]), [BEGIN, *skipped(0)], "success"),
    "a teardown failed": (TORN, [BEGIN, *done(0), *done(1), *failed(2)], "success"),
    "a teardown failed that counts": (
        replace(TORN, policies=(*TORN.policies[:2], replace(TORN.policies[2], on_failure_fail_run=True))),
        [BEGIN, *done(0), *done(1), *failed(2)],
        "failed",
    ),
    "only a leaf counts": (
        ruled({1: "all_done"}, [[], [0]], **LEAVES),
        [BEGIN, *failed(0), *done(1)],
        "success",
    ),
    "a leaf failed": (make_plan([[], []], **LEAVES), [BEGIN, *done(0), *failed(1)], "failed"),
    "a leaf did not run": (make_plan([[], [0]], **LEAVES), [BEGIN, *failed(0)], "failed"),
    "a leaf that may fail did not run": (
        ruled({1: "allow_failure"}, [[], [0]], **LEAVES),
        [BEGIN, *failed(0)],
        "failed",
    ),
    "a teardown is no leaf": (replace(TORN, run_state="leaves"), [BEGIN, *failed(0)], "failed"),
    "the first failure": (make_plan([[], []], fail_fast=True), [BEGIN, start(1), *failed(0), *done(1)[1:]], "failed"),
    "the first failure, of leaves": (
        ruled({1: "all_done"}, [[], [0]], fail_fast=True, **LEAVES),
        [BEGIN, *failed(0)],
        "failed",
    ),
    "a failure left over": (
        ruled({0: "allow_failure"}, [[], [0]]),
        [BEGIN, *failed(0), TasksRerun(4.0, (0,)), *done(0)],
        "failed",
    ),
    "cancelled, and all have ended by themselves": (
        make_plan([[]]),
        [BEGIN, start(0), CancelRequested(3.0, "ann"), AttemptSucceeded(0, 1, 4.0)],
        "success",
    ),
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_run_ends_as_the_law_says(kind: str) -> None:
    plan, history, ending = ENDINGS[kind]
    audit = Audit(plan)
    for event in history:
        assert audit.see(event) == []
    for claim in ("success", "failed", "cancelled"):
        assert (audit.end(claim) == []) == (claim == ending), claim


def test_states_are_as_the_law_makes_them() -> None:
    audit = Audit(CHOICE)
    for event in (BEGIN, *chose(0, 2), *failed(2)):
        assert audit.see(event) == []
    assert [int(audit.state(task)) for task in range(4)] == [SUCCESS, SKIPPED, FAILED, UPSTREAM_FAILED]

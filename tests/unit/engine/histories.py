"""Pieces of which the history of a run is made, and the audit of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.engine.audit import Audit
from penstock.engine.events import (
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    Event,
    RunStarted,
    ValueRef,
)
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from tests.simulation.plans import Graph, make_plan

ERROR = ErrorText("ValueError", "no such table")
VOLATILE, KEPT = ValueRef("volatile", 0), ValueRef("json", 1, None, "1")
BEGIN = RunStarted(1.0)
CHAIN: Graph = [[], [0], [1]]


def start(task: int, attempt: int = 1) -> AttemptStarted:
    return AttemptStarted(task, attempt, 2.0)


def done(task: int, attempt: int = 1, value: ValueRef | None = None) -> tuple[Event, Event]:
    return start(task, attempt), AttemptSucceeded(task, attempt, 3.0, value)


def failed(task: int, attempt: int = 1, *, retryable: bool = True) -> tuple[Event, Event]:
    return start(task, attempt), AttemptFailed(task, attempt, 3.0, ERROR, retryable)


def chose(task: int, *rows: int, attempt: int = 1) -> tuple[Event, Event]:
    return start(task, attempt), AttemptSucceeded(task, attempt, 3.0, chosen=rows)


def skipped(task: int, attempt: int = 1) -> tuple[Event, Event]:
    return start(task, attempt), AttemptSkipped(task, attempt, 3.0, "nothing to do")


def lost(task: int, attempt: int = 1) -> tuple[Event, Event]:
    return start(task, attempt), AttemptLost(task, attempt, 3.0, ERROR)


def found(plan: Plan, history: Sequence[Event]) -> list[str]:
    """What an audit finds in a history; nothing before its last event."""
    plans = {"same": plan, "once": plan_of(plan.upstreams, once=True), "other": OTHER}
    audit = Audit(plan, plans=plans.__getitem__)
    for event in history[:-1]:
        assert audit.see(event) == []
    return audit.see(history[-1])


def blame(plan: Plan, history: Sequence[Event], message: str) -> None:
    """Assert that an audit says so of the last event of a history, and nothing before."""
    sentences = found(plan, history)
    assert any(re.match(message, sentence) for sentence in sentences), sentences


def plan_of(graph: Graph, retries: int = 0, *, once: bool = False, timeout: float | None = None) -> Plan:
    policy = TaskPolicy(retries=retries, at_most_once=once)
    return make_plan(graph, policies=[policy] * len(graph), timeout=timeout)


OTHER = make_plan([[1], []], names=["t1", "new"])
"""A plan in which t0 is gone, and t1 waits for a new task."""

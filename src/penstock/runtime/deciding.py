"""Deciding what approvals wait for, from any process and without the user's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.clock import Clock
from penstock.definition.answers import answer_from_texts, answer_from_values
from penstock.definition.asking import APPROVED, inputs_of
from penstock.engine.events import ValueRef
from penstock.errors import NotWaiting, ParameterError, PenstockError
from penstock.executor.decisions import content, topic_of
from penstock.plan.plan import Plan
from penstock.runtime import mail
from penstock.runtime.approvals import Approval
from penstock.runtime.history import ENDED, History
from penstock.runtime.replay import kept_plan
from penstock.runtime.sending import await_answer, checked_name, message_of, row_to_send_to
from penstock.runtime.task_record import TaskRun
from penstock.runtime.times import local
from penstock.runtime.why_sent import sent_to


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody decides."""

    approved: bool
    by: str
    note: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What they answer: values, or texts."""
    as_texts: bool = False
    """Whether all of that is to be read as a command line gives it."""


def decide(
    history: History,
    run_id: str | None,
    task: str,
    verdict: Verdict,
    clock: Clock,
    waiting: Callable[[], None] | None = None,
) -> str:
    """Decide what a task waits for; the run's id. All is checked before anything is sent. If somebody drives the run,
    this returns when its driver has taken the decision, and calls `waiting` if that takes long; else it is on disk, and
    counts when the run goes on. TaskNotFound; RunEnded; NotWaiting for a task that waits for no decision, or has
    one; ParameterError for an answer that is not what is asked for."""
    store, row = history.store, row_to_send_to(history, run_id)
    one = history.run(row).task(task)
    topic = topic_of(one.name, one.generation)
    approval = _asked(one, task, clock.time())
    if senders := _sent(history, row.id, topic):
        raise NotWaiting(
            f"task '{one.name}' of run {row.id} has a decision of {senders[0]} already, "
            "which counts when the run goes on"
        )
    by = checked_name(verdict.by)
    message = _message(approval, verdict)
    mail.send(store, row.id, topic, message, by)
    await_answer(store, row.id, lambda: _sent(history, row.id, topic), clock, waiting)
    _insist_on(history, row.id, one.name, topic, message, by)
    return row.id


def _asked(one: TaskRun, named: str, now: float) -> Approval:
    """What a task asks. NotWaiting if it does not, or not any more."""
    approval = one.approval
    if approval is not None:
        if approval.deadline is not None and approval.deadline.timestamp() <= now:
            then = "fails" if approval.default is None else f"goes on with its default, {dict(approval.default)},"
            raise NotWaiting(
                f"the deadline of task '{one.name}' passed at {local(approval.deadline.timestamp())}: it {then} "
                "when the run goes on"
            )
        return approval
    waiting = [instance.name for instance in one.instances if instance.approval is not None]
    if waiting:
        raise NotWaiting(f"task '{named}' is mapped: decide about one of its instances, {', '.join(waiting[:5])}")
    decision = one.decision
    told = f", and was {decision}" if decision is not None else ""
    raise NotWaiting(f"task '{one.name}' does not wait for a decision: it is {one.state}{told}")


def _sent(history: History, run_id: str, topic: str) -> list[str]:
    """Who has sent decisions about a task that the driver has not taken yet."""
    return sent_to(history.store, run_id).get(topic, [])


def _message(approval: Approval, verdict: Verdict) -> ValueRef | None:
    inputs = inputs_of(approval.inputs)
    values = dict(verdict.values)
    if APPROVED in inputs and APPROVED not in values:
        values[APPROVED] = str(verdict.approved) if verdict.as_texts else verdict.approved
    read = answer_from_texts if verdict.as_texts else answer_from_values
    answer = read(f"task '{approval.task}'", inputs, values)
    if answer.get(APPROVED, verdict.approved) is not verdict.approved:
        said, meant = ("approve", "approved") if verdict.approved else ("reject", "rejected")
        raise ParameterError(
            f"task '{approval.task}' is to be {meant}, and {APPROVED}={answer[APPROVED]}: {said} it, or not"
        )
    return message_of(content(verdict.approved, answer, _checked_note(verdict.note)))


def _checked_note(note: str) -> str:
    try:
        note.encode()
    except (UnicodeEncodeError, AttributeError):
        raise PenstockError(f"the note {note!r:.60} is not a text that others can read") from None
    return note


def _insist_on(history: History, run_id: str, task: str, topic: str, message: ValueRef | None, by: str) -> None:
    """NotWaiting if somebody else has decided just before; RunEnded if the run has ended with it unread."""
    if _sent(history, run_id, topic):
        row_to_send_to(history, run_id)
        return  # nobody drives the run
    run = history.run(history.store.run(run_id))
    one = run.task(task)
    taken = run.letter(one, topic)
    if taken is None or (taken.by, taken.value) != (by, message):
        found = f": it was {one.decision}" if one.decision is not None else ""
        if taken is None and one.approval is not None:
            found = f", or does not take it: see penstock logs {run_id} {task}"
        raise NotWaiting(f"task '{task}' of run {run_id} did not wait for this decision any more{found}")


def approvals(history: History, run_id: str | None = None) -> list[Approval]:
    """What waits for somebody's decision: in one run, or in all that have not ended; what was asked first comes
    first. What has one that waits for its run to go on is left out."""
    rows = [history.row(run_id)] if run_id is not None else history.store.runs()
    asks: dict[str, bool] = {}
    found: list[Approval] = []
    for row in rows:
        if row.state in ENDED or row.state == "queued":
            continue
        if row.plan not in asks:
            asks[row.plan] = _asks_somebody(kept_plan(history.store, row.plan))
        if asks[row.plan]:
            sent = sent_to(history.store, row.id)
            run = history.run(row)
            found += [one for one in run.approvals if topic_of(one.task, run.task(one.task).generation) not in sent]
    return sorted(found, key=lambda one: (one.asked_at, one.run_id, one.task))


def _asks_somebody(plan: Plan) -> bool:
    return any(policy.asking is not None for policy in plan.policies)

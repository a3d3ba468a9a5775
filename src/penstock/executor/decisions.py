"""Decisions of people: how they are sent, and how an approval's body gets what was decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.definition.answers import read_answer
from penstock.definition.asking import APPROVED
from penstock.definition.params import Parameter
from penstock.errors import ApprovalTimeout, Defer, ParameterError, Skip
from penstock.executor.invoke import insist
from penstock.executor.letters import Letter, left_of
from penstock.policy import DECISIONS, Asking

if TYPE_CHECKING:
    from penstock.executor.base import Attempt


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody has decided, as `current().decision` and `TaskRun.decision` give it."""

    approved: bool
    by: str
    """Who decided; "" if nobody did, and the default counts."""
    at: datetime
    """When the driver of the run took it."""
    note: str = ""
    inputs: Mapping[str, Any] | None = None
    """What was answered, as JSON has it."""

    @property
    def by_default(self) -> bool:
        """Whether nobody has decided before the deadline."""
        return not self.by

    def __str__(self) -> str:
        verdict = "approved" if self.approved else "rejected"
        who = f"by {self.by}" if self.by else "by default, since nobody has answered before the deadline"
        return f"{verdict} {who}{f': {self.note}' if self.note else ''}"


@dataclass(frozen=True, slots=True)
class Asks:
    """What an approval asks for, where its body is called."""

    asking: Asking
    inputs: Mapping[str, Parameter]
    """By the annotations of its function."""


def topic_of(task: str, generation: int) -> str:
    """The topic under which decisions about a task are sent. A rerun asks anew."""
    return f"{DECISIONS}{task}#{generation}" if generation else f"{DECISIONS}{task}"


def content(approved: bool, inputs: Mapping[str, Any], note: str) -> dict[str, Any]:
    """The value of the message that brings a decision."""
    return {APPROVED: approved, "inputs": {**inputs}, "note": note}


def read(letter: Letter) -> Decision:
    """The decision in a message. ParameterError if there is none."""
    value = letter.value
    if not isinstance(value, dict):
        raise ParameterError("the message is no decision")
    approved, inputs, note = value.get(APPROVED), value.get("inputs"), value.get("note")
    if not isinstance(approved, bool) or not isinstance(inputs, dict) or not isinstance(note, str):
        raise ParameterError("the message is no decision")
    return Decision(approved, letter.by or "somebody", datetime.fromtimestamp(letter.at, UTC), note, inputs)


def decided(attempt: Attempt, asks: Asks) -> dict[str, Any]:
    """The arguments that somebody has answered, or that count by default. Defer until they are there; Skip if it was
    rejected and the function does not ask; ApprovalTimeout."""
    topic = topic_of(attempt.name, attempt.generation)
    letter = insist(attempt, attempt.context.letter, attempt.task, topic)
    if letter is not None:
        try:
            decision = read(letter)
            return _followed(attempt, asks, decision, read_answer(asks.inputs, decision.inputs or {}))
        except ParameterError as error:  # the function may ask for something else since it was sent
            _log(f"what {letter.by} has decided is not what is asked for, and was not taken: {error}")
    deadline = asks.asking.deadline
    left = float("inf") if deadline is None else left_of(attempt, topic, deadline)
    if left > 0:
        raise Defer(None if deadline is None else left, topic=topic)
    return _by_default(attempt, asks)


def _by_default(attempt: Attempt, asks: Asks) -> dict[str, Any]:
    if asks.asking.default is None:
        raise ApprovalTimeout(f"it waited for {asks.asking.deadline:g} s, and nobody has decided")
    inputs = json.loads(asks.asking.default)
    at = datetime.fromtimestamp(attempt.context.clock.time(), UTC)
    decision = Decision(bool(inputs.get(APPROVED, True)), "", at, "", inputs)
    return _followed(attempt, asks, decision, read_answer(asks.inputs, inputs))


def _followed(attempt: Attempt, asks: Asks, decision: Decision, answer: dict[str, Any]) -> dict[str, Any]:
    if APPROVED not in asks.inputs and not decision.approved:
        raise Skip(str(decision))
    attempt.decision = decision
    return answer


def _log(text: str) -> None:
    import logging

    logging.getLogger("penstock.task").warning(text)

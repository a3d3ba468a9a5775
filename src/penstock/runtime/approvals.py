"""Tasks that wait for somebody's decision, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.engine.events import MessageReceived, ValueRef
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import ParameterError, ValueUnavailable
from penstock.executor.decisions import Decision, read, topic_of
from penstock.executor.letters import Letter
from penstock.results.preview import preview
from penstock.runtime.times import moment


@dataclass(frozen=True, slots=True)
class Approval:
    """A task that waits for somebody's decision."""

    run_id: str
    workflow: str
    task: str
    """The task's name, of an instance of a map with its index."""
    question: str
    """What is asked: the docstring of the function."""
    inputs: Mapping[str, Any]
    """JSON Schema of the answer: an object with a property for each input."""
    asked_at: datetime
    deadline: datetime | None
    """When nobody is waited for any longer; None for never."""
    default: Mapping[str, Any] | None
    """The answer that counts then, as JSON has it; None if the task fails then."""
    given: Mapping[str, str]
    """What the task takes from others: their names, and their values in short."""

    @property
    def summary(self) -> str:
        """The first paragraph of the question, in one line."""
        return " ".join(self.question.partition("\n\n")[0].split())


def approval_of(engine: RunEngine, slot: int) -> Approval | None:
    """What a task waits for somebody to decide, if it does."""
    topic = topic_of(engine.name(slot), engine.generation(slot))
    asking = engine.policy(slot).asking
    if asking is None or engine.topics.get(slot) != topic:
        return None
    since = engine.asked[slot][topic]
    asked_at = moment(since)
    assert asked_at is not None
    return Approval(
        engine.run_id,
        engine.plan.workflow,
        engine.name(slot),
        asking.text,
        json.loads(asking.inputs),
        asked_at,
        None if asking.deadline is None else moment(since + asking.deadline),
        None if asking.default is None else json.loads(asking.default),
        _given(engine, slot),
    )


def _given(engine: RunEngine, slot: int) -> dict[str, str]:
    given = {}
    for row in engine.plan.inputs[engine.row(slot)]:
        above = engine.slot_beside(slot, row)
        if engine.states[above] == TaskState.SUCCESS and above not in engine.widths:
            given[engine.name(above)] = preview(engine.values.get(above))
    return given


def decision_of(engine: RunEngine, slot: int, load: Callable[[ValueRef], Any]) -> Decision | None:
    """What was decided about a task, if it is an approval and anything was."""
    asking = engine.policy(slot).asking
    topic = topic_of(engine.name(slot), engine.generation(slot))
    if asking is None or slot in engine.marks:
        return None
    message = engine.letters.get(slot, {}).get(topic)
    if message is not None:
        return _read(message, load)
    since = engine.asked.get(slot, {}).get(topic)
    counts = engine.states[slot] == TaskState.SUCCESS or slot in engine.skips
    at = moment(since + asking.deadline) if since is not None and asking.deadline is not None else None
    if at is None or asking.default is None or not counts:
        return None
    inputs = json.loads(asking.default)
    return Decision(bool(inputs.get("approved", True)), "", at, "", inputs)


def _read(message: MessageReceived, load: Callable[[ValueRef], Any]) -> Decision | None:
    try:
        value = None if message.value is None else load(message.value)
        return read(Letter(value, message.by, message.at))
    except (ParameterError, ValueUnavailable):
        return None

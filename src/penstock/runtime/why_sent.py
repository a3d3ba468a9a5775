"""What was sent to a run that nobody drives: its tasks wait for that no more, but for the run to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.policy import DECISIONS
from penstock.runtime import mail
from penstock.runtime.why import Why
from penstock.store.base import Store

Sent = Mapping[str, list[str]]
"""Who sent messages that no driver has taken yet, by their topics."""


def sent_to(store: Store, run_id: str) -> Sent:
    """What is in the inbox of a run."""
    sent: dict[str, list[str]] = {}
    for message in store.messages(run_id):
        read = mail.read(message.body, message.at) if message.kind == mail.KIND else None
        if read is not None:
            sent.setdefault(read.topic, []).append(read.by)
    return sent


def with_sent(why: Why, engine: RunEngine, sent: Sent) -> Why:
    """An answer in which those who wait for what was sent say so."""
    told = {name: text for name, text in _told(engine, sent).items() if text}
    if not told:
        return why
    steps = [replace(step, text=told.get(step.task, step.text)) for step in why.steps]
    text = why.text if why.task is None else why.text.replace(why.steps[0].text, steps[0].text, 1)
    return replace(why, text=text, steps=steps)


def _told(engine: RunEngine, sent: Sent) -> dict[str, str]:
    """What is to be said of tasks. Where more wait for a topic than were sent messages of it, whose they will be is not
    known."""
    waiting = [(slot, topic) for slot, topic in engine.topics.items() if engine.states[slot] == TaskState.DEFERRED]
    told = {}
    for slot, topic in waiting:
        senders = sent.get(topic, ())
        if senders and sum(other == topic for _, other in waiting) <= len(senders):
            what = "decision" if topic.startswith(DECISIONS) else f"message '{topic}'"
            told[engine.name(slot)] = f"has a {what} of {senders[0]}, which counts when the run goes on"
    return told

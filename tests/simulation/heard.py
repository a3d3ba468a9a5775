"""Whether everybody has heard what there was to tell of a run, under one id, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.policy import Notice
from tests.simulation.happenings import Told
from tests.simulation.reading import Reading
from tests.simulation.scenario import Scenario
from tests.simulation.weave import MAIN

Heard = tuple[Told, str]
"""What was told, and to whom: "" for a callback, else the name of a notifier."""


def wrong(scenario: Scenario, reading: Reading, received: dict[str, Notice]) -> Iterator[str]:
    """What is wrong with what was told of a run that has ended."""
    dropped = reading.engine.dropped
    for id in reading.notices:
        if id not in received:
            yield f"notice {id} was {'given up' if id in dropped else 'never delivered'}"
    heard: dict[Heard, Notice] = {}
    for notice in received.values():
        if notice.run_id == reading.run_id:
            key = told_by(notice), notice.receiver
            if key in heard:
                yield f"two notices tell the same: {heard[key].id}, {notice.id}"
            heard[key] = notice
    due = {*_due(scenario, reading)}
    for told, receiver in sorted(due - heard.keys()):
        yield f"nobody told {receiver or 'the callback'} {told}"
    for told, receiver in sorted(heard.keys() - due):
        if told not in reading.happened.may and told not in reading.happened.must:
            yield f"{receiver or 'a callback'} was told {told}, and that has not happened"
        elif told in reading.happened.must or not receiver:
            yield f"{receiver or 'a callback'} was told {told}, and did not want to know"


def told_by(notice: Notice) -> Told:
    """What a notice tells."""
    return Told(notice.kind, notice.task, notice.generation, notice.attempt)


def _due(scenario: Scenario, reading: Reading) -> Iterator[Heard]:
    """What must have been told, and to whom."""
    for told, row in reading.happened.must.items():
        step = scenario.steps[row] if row else None
        receivers = scenario.telling.receivers(told.kind, step, of_main=reading.engine.plan.workflow == MAIN)
        yield from ((told, receiver) for receiver in receivers)

"""What must have become of a simulated world once everything in it is over: by the promise, and by the law."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import inf

from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Event,
    RunTimedOut,
)
from penstock.engine.states import RunState
from penstock.store.records import decode_events
from tests.simulation import heard
from tests.simulation.database import Kind, Record
from tests.simulation.family import HEARD
from tests.simulation.lawful import Lawful
from tests.simulation.reading import Reading
from tests.simulation.referee import Referee

WORK = (AttemptStarted, AttemptSucceeded, AttemptFailed, AttemptLost, AttemptCancelled)
ON_TIME = 0.5
"""Seconds within which a driver knows that its time is over."""


class Verdict:
    """Looks at each run when all is over. What breaks the promise is told to the referee."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._scenario = referee.scenario

    def give(self) -> None:
        """Look at every run."""
        database = self._referee.database
        for run_id, record in database.records.items():
            if record.lease is not None and database.kind is Kind.LOCKS:  # on a server it expires
                self._say(run_id, f"it is still held by {record.lease.session.process.name}")
            reading = self._referee.reading(run_id)
            if reading.engine.state not in (RunState.QUEUED, RunState.RUNNING):  # which is told as such
                self._check_row(record, reading)
                self._check_times(record, reading)
                self._check_states(record, reading)
                self._check_notices(reading)
                for line in self._referee.family.wrong(reading):
                    self._say(run_id, line)
        self._check_letters()

    def _check_letters(self) -> None:
        """What was sent was received, or is there for whoever sets the run going again."""
        for letter, run_id in self._referee.sent.items():
            kept = any(letter in message.body for message in self._referee.database.records[run_id].inbox.values())
            if not kept and not any(f'"{letter}"' in text for text in self._referee.reading(run_id).letters):
                self._say(run_id, f"message '{letter}' was sent, and is lost")

    def _say(self, run_id: str, line: str) -> None:
        self._referee.say(f"run {run_id}: {line}")

    def _check_row(self, record: Record, reading: Reading) -> None:
        """History says of the run what its journal says."""
        row, engine = record.row, reading.engine
        said = row.state, row.error, row.ended_at, row.tasks, json.loads(row.counts), row.undelivered
        known = str(engine.state), engine.error, engine.ended_at, len(engine.plan), engine.counts(), len(engine.notices)
        if said != known:
            self._say(row.id, f"its row says {said}, and its journal {known}")
        for line in reading.audit.end(row.state):
            self._say(row.id, line)

    # --- Times

    def _check_times(self, record: Record, reading: Reading) -> None:
        """A driver that nothing disturbs hears of what is wanted of it, and stops in time."""
        if record.tokens > 1 or self._scenario.faults & {"pause", "disk", "blind", "stall", "values", "cut"}:
            return
        run_id, kinds = reading.run_id, {type(event) for _, event in _timed(record)}
        began = record.batches[0].at
        ended = max((at for at, event in _timed(record) if isinstance(event, WORK)), default=0.0)
        asked = self._referee.cancelled.get(run_id, inf)
        if ended > asked + HEARD and not kinds & {CancelRequested, RunTimedOut}:
            self._say(run_id, f"it was to be cancelled at {asked:.3f}, and its driver never heard of it")
        limit = reading.engine.plan.timeout or inf
        if ended > began + limit + ON_TIME and not kinds & {CancelRequested, RunTimedOut}:
            self._say(run_id, f"it took {ended - began:.3f} s, and was to be stopped after {limit:.3f}")

    # --- States

    def _check_states(self, record: Record, reading: Reading) -> None:
        """Each task is in the state that follows from the graph and the bodies, or, where the run was ended, that may
        follow from when that was."""
        events = [event for batch in record.batches for event in decode_events(batch.body)]
        cancelled = any(isinstance(event, CancelRequested) for event in events)
        if cancelled and reading.run_id not in {*self._referee.cancelled, *self._referee.family.cancelled}:
            self._say(reading.run_id, "it was cancelled, and nobody had asked for it")
        for line in Lawful(self._referee, reading).complaints():
            self._say(reading.run_id, line)

    # --- Notices

    def _check_notices(self, reading: Reading) -> None:
        """Whoever wanted to know of something has been told of it, and of nothing else."""
        for line in heard.wrong(self._scenario, reading, self._referee.received):
            self._say(reading.run_id, line)


def _timed(record: Record) -> Iterator[tuple[float, Event]]:
    """The events of a run, each with the simulated time at which it was written."""
    for batch in record.batches:
        for event in decode_events(batch.body):
            yield batch.at, event

"""What must have become of a simulated world once everything in it is over: by the promise, and by the law."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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
    TasksRerun,
)
from penstock.engine.states import RunState, TaskState
from penstock.policy import MAX_LOST_ATTEMPTS
from penstock.store.records import decode_events
from tests.simulation.database import Kind, Record
from tests.simulation.model import FAILURE, FATAL, alone
from tests.simulation.reading import Reading
from tests.simulation.referee import Referee
from tests.simulation.scenario import HANG, KILL

WORK = (AttemptStarted, AttemptSucceeded, AttemptFailed, AttemptLost, AttemptCancelled)
HEARD, ON_TIME = 3.0, 0.5
"""Seconds within which a driver knows of what is in its inbox, and that its time is over."""
ANY = ["success", "failed", "upstream_failed", "cancelled"]
_COMES_TO = {HANG: FAILURE, KILL: FATAL}
"""A body that kills its driver does so again each time, till that is enough."""


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
        limit = inf if self._scenario.timeout is None else self._scenario.timeout
        if ended > began + limit + ON_TIME and not kinds & {CancelRequested, RunTimedOut}:
            self._say(run_id, f"it took {ended - began:.3f} s, and was to be stopped after {limit:.3f}")

    # --- States

    def _check_states(self, record: Record, reading: Reading) -> None:
        """Each task is in the state that follows from the graph and the bodies, or, where the run was ended,
        cancelled."""
        run_id, engine = reading.run_id, reading.engine
        events = [event for batch in record.batches for event in decode_events(batch.body)]
        cancelled = any(isinstance(event, CancelRequested) for event in events)
        if cancelled and run_id not in self._referee.cancelled:
            self._say(run_id, "it was cancelled, and nobody had asked for it")
        if any(isinstance(event, TasksRerun) for event in events):
            return  # what ran again, and what did not, is for the engine's own tests
        ended = cancelled or any(isinstance(event, RunTimedOut) for event in events)
        states = [engine.task_state(task).label for task in range(len(engine.plan))]
        for task, state in enumerate(states):
            wanted = self._wanted(reading, task, states, events)
            if state not in wanted and not (ended and state == "cancelled"):
                self._say(run_id, f"t{task} is {state}, by graph and bodies it is {' or '.join(wanted)}")

    def _wanted(self, reading: Reading, task: int, states: Sequence[str], events: Sequence[Event]) -> list[str]:
        step, steps = self._scenario.steps[task], self._scenario.steps
        unsuccessful = [upstream for upstream in step.upstreams if states[upstream] != "success"]
        if any(steps[upstream].body.value == "volatile" for upstream in unsuccessful):
            return ANY  # the task may have run before that value had to be made again
        if any(states[upstream] in ("failed", "upstream_failed") for upstream in unsuccessful):
            return ["upstream_failed"]
        if unsuccessful:
            return ["cancelled", "upstream_failed"]
        wanted = [alone(tuple(_COMES_TO.get(word, word) for word in step.body.script), step.retries)]
        if self._was_lost(reading, task, events):
            # Where its value was made again since, it had a fresh budget.
            return ["failed", *wanted] if step.body.value == "volatile" else ["failed"]
        if self._referee.may_lack_inputs(task) or self._may_be_late(task):
            wanted += ["failed", "success"]
        return wanted

    def _was_lost(self, reading: Reading, task: int, events: Sequence[Event]) -> bool:
        """Whether attempts of the task vanished too often."""
        if sum(count for (number, _), count in reading.lost.items() if number == task) >= MAX_LOST_ATTEMPTS:
            return True
        if not self._scenario.steps[task].once:
            return False
        begun = any(isinstance(event, AttemptStarted) and event.task == task for event in events)
        outcomes = (AttemptSucceeded, AttemptFailed)
        return begun and not any(isinstance(event, outcomes) and event.task == task for event in events)

    def _may_be_late(self, task: int) -> bool:
        """Whether a body that should have made it in time may have been stopped for too long."""
        stopped = self._scenario.faults & {"pause", "values", "disk", "stall", "cut"}
        return self._scenario.steps[task].options.get("timeout") is not None and bool(stopped)

    # --- Notices

    def _check_notices(self, reading: Reading) -> None:
        """Whoever wanted to know of something has been told of it."""
        run_id, engine, scenario = reading.run_id, reading.engine, self._scenario
        received = self._referee.received
        for id in reading.notices:
            if id not in received:
                self._say(run_id, f"notice {id} was {'given up' if id in engine.dropped else 'never delivered'}")
        heard = {
            (notice.kind, notice.task, notice.generation, notice.receiver)
            for notice in received.values()
            if notice.run_id == run_id
        }
        for task, step in enumerate(scenario.steps[: len(engine.plan)]):
            state = engine.task_state(task)
            option = {TaskState.FAILED: "on_failure", TaskState.SUCCESS: "on_success"}.get(state, "")
            receivers = [*scenario.notifiers] if state is TaskState.FAILED else []
            for receiver in [*receivers, *([""] if step.options.get(option) else [])]:
                if (f"task_{state.label}", f"t{task}", engine.generation(task), receiver) not in heard:
                    self._say(run_id, f"nobody told {receiver or option} that t{task} is {state.label}")
        end = str(engine.state)
        told = {"success": "success", "failed": "failed", "cancelled": "cancel"}[end]
        for receiver in [*scenario.notifiers, *([""] if told in scenario.told else [])]:
            if (f"run_{end}", None, engine.ends - 1, receiver) not in heard:
                self._say(run_id, f"nobody told {receiver or told} that it is {end}")


def _timed(record: Record) -> Iterator[tuple[float, Event]]:
    """The events of a run, each with the simulated time at which it was written."""
    for batch in record.batches:
        for event in decode_events(batch.body):
            yield batch.at, event

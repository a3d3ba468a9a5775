"""The promise, checked against what really happens in a simulated world and against what is on record.

Written from the promise. The referee sees every batch as it is written, every body as it begins and ends, every notice
as it is received, every power cut, and what people are told. When a power cut has taken batches away, it reads the
journal anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.engine.events import AttemptFailed, AttemptSucceeded, Event, PlanAdopted, RunResumed, TasksRerun
from penstock.engine.states import RunState, TaskState
from penstock.executor.base import Attempt
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.policy import MAX_LOST_ATTEMPTS, Notice
from penstock.runtime.journal import SAFE_WITHIN
from penstock.store.base import RunChange
from penstock.store.records import decode_events
from tests.simulation.database import Batch, Database, SimLease
from tests.simulation.reading import Reading
from tests.simulation.scenario import Scenario

if TYPE_CHECKING:
    from tests.simulation.host import Host

Key = tuple[str, int, int]
"""A run, a task and its generation."""
NOT_ITS_FAULT = ("StoreError", "LeaseLost", "StoreCorrupt", "ValueUnavailable")
"""Errors that no body of a simulated world raises."""
_SLACK = 0.1
"""Seconds that a driver may take to make safe what it should."""


class Referee:
    """Collects what breaks the promise in `violations`."""

    def __init__(self, scenario: Scenario, now: Callable[[], float]) -> None:
        self.scenario = scenario
        self.violations: list[str] = []
        self.database: Database
        self.readings: dict[str, Reading] = {}
        self.received: dict[str, Notice] = {}
        self.cancelled: dict[str, float] = {}
        """The runs that somebody wanted to end, and when it was certain that this is known; infinity before."""
        self.resumed: set[str] = set()
        """The runs that somebody resumed by hand."""
        self._now = now
        self._plans: dict[str, Plan] = {}
        self._tokens: dict[str, int] = {}
        self._begun: dict[Key, int] = {}
        """How many bodies of a task have begun."""
        self._vanished: dict[Key, int] = {}
        """How many bodies of a task have died with their process, their start being on record."""
        self._deaths: dict[Key, int] = {}
        """How many processes have died with one that was not over on record, whether its start was or not."""
        self._living: dict[tuple[Host, Attempt], None] = {}
        self._values: dict[tuple[str, int, int, int, int], str | None] = {}
        """What the body of a run's task returned, in a generation, an attempt, under a token."""
        self._inputs: dict[Key, tuple[Any, ...]] = {}
        """What the attempts of a task read."""
        self._keys: dict[Key, str] = {}
        """The idempotency key of a task."""
        self._left: dict[tuple[str, int], tuple[str, int]] = {}
        """How a run stood on record after the last batch under a token, and how many batches it had then."""
        self._told: dict[str, tuple[str, int]] = {}
        """The last that was told of a run, and how many batches it had then."""
        self._prompt = not scenario.faults & {"disk", "stall", "pause", "cut", "values"}
        """Whether commits take as long as they should."""

    def say(self, line: str) -> None:
        """The promise is broken."""
        self.violations.append(f"[{self._now():.6f}] {line}")

    def plan(self, fingerprint: str) -> Plan:
        """A plan on record."""
        if fingerprint not in self._plans:
            self._plans[fingerprint] = decode(self.database.plans[fingerprint])
        return self._plans[fingerprint]

    def reading(self, run_id: str) -> Reading:
        """What is on record of a run."""
        if run_id not in self.readings:
            plan = self.plan(self.database.records[run_id].row.plan)
            jump = "jump" in self.scenario.faults
            self.readings[run_id] = Reading(run_id, plan, self.plan, self.say, self._hear, clocks_jump=jump)
        return self.readings[run_id]

    # --- The store

    def appended(self, run_id: str, events: Sequence[Event], lease: SimLease, change: RunChange | None) -> None:
        """A batch was written."""
        newest = self._tokens.get(run_id, 0)
        if lease.token < newest:
            self.say(f"run {run_id}: a driver with token {lease.token} wrote after token {newest} was given")
        reading = self.reading(run_id)
        before = reading.engine.state
        reading.take(events, lease.token)
        engine = reading.engine
        if before not in (RunState.QUEUED, RunState.RUNNING, engine.state) and not any(map(_is_by_hand, events)):
            self.say(f"run {run_id}: it was {before}, and nobody had asked for it to become {engine.state}")
        self._left[run_id, lease.token] = str(engine.state), reading.batches
        # A row that says "running" a little longer is found by whoever looks for runs that nobody drives.
        if change is not None and change.state not in (None, "running", str(engine.state)):
            self.say(f"run {run_id}: its row says {change.state}, and its journal {engine.state}")
        if change is not None and change.undelivered == 0 and engine.notices:
            self.say(f"run {run_id}: its row says that all is delivered, on record is not {[*engine.notices]}")

    def given(self, run_id: str, lease: SimLease, before: SimLease | None) -> None:
        """A run has a new driver."""
        self._tokens[run_id] = max(self._tokens.get(run_id, 0), lease.token)
        if before is not None and before.session.process.alive and before.session.alive and not before.released:
            self.say(f"run {run_id} was taken from a driver that lives")

    def forgotten(self, run_id: str, batches: Sequence[Batch]) -> None:
        """A power cut took batches away: only what was written just now, and nobody was told."""
        self._forgive(run_id)
        told, old = self._told.get(run_id), self.readings.pop(run_id)
        reading = self.reading(run_id)
        for batch in self.database.records[run_id].batches:
            reading.take(decode_events(batch.body), batch.token)
        if not self.scenario.full:
            self._forget(run_id, old, reading)
            return
        if told is not None and told[1] > reading.batches:
            self.say(f"run {run_id}: somebody was told that it is {told[0]}, and a power cut made that forgotten")
        for id in old.notices:
            if id in self.received and id not in reading.notices:
                self.say(f"run {run_id}: notice {id} was delivered, and a power cut made it forgotten")
        for batch in batches:
            # A driver that lives sees to it that what it wrote is safe soon.
            if self._prompt and batch.process.alive and self._now() - batch.at > SAFE_WITHIN + _SLACK:
                self.say(f"run {run_id}: a power cut took away what was written {self._now() - batch.at:.3f} s before")
            for event in decode_events(batch.body):
                self._forgotten(run_id, event)

    def _forget(self, run_id: str, old: Reading, new: Reading) -> None:
        """Nothing was promised for a power cut: do not hold it against what happens again."""
        self._begun = {key: count for key, count in self._begun.items() if key[0] != run_id}
        self._inputs = {key: value for key, value in self._inputs.items() if key[0] != run_id}
        for id in [id for id in old.notices if id not in new.notices]:
            self.received.pop(id, None)

    def _forgotten(self, run_id: str, event: Event) -> None:
        if isinstance(event, (AttemptSucceeded, AttemptFailed)) and self.scenario.steps[event.task].first:
            self.say(f"run {run_id}: a power cut made forgotten how attempt {event.attempt} of t{event.task} came out")
        if isinstance(event, AttemptSucceeded):  # whoever takes its value may get another one from now on
            for key in list(self._inputs):
                if key[0] == run_id and event.task in self.scenario.steps[key[1]].upstreams:
                    del self._inputs[key]

    def _hear(self, reading: Reading, event: Event, token: int) -> None:
        """Something is on record that concerns more than the journal."""
        run_id = reading.run_id
        if isinstance(event, RunResumed) and event.by_hand:
            if run_id not in self.resumed:
                self.say(f"run {run_id}: it was resumed by hand, and nobody had asked for it")
            self._forgive(run_id)
        elif isinstance(event, PlanAdopted):
            self._forgive(run_id)
        elif isinstance(event, AttemptSucceeded):
            self._forgive(run_id, event.task)
            generation = reading.engine.generation(event.task)
            if (run_id, event.task, generation, event.attempt, token) not in self._values:
                self.say(f"run {run_id}: on record t{event.task} is a success, and its body has not returned")
        elif isinstance(event, AttemptFailed):
            gone = event.error.type == "ValueUnavailable" and self.may_lack_inputs(event.task)
            if event.error.type in NOT_ITS_FAULT and not gone:
                self.say(f"run {run_id}: t{event.task} failed for what is not its fault: {event.error[:2]}")

    def _forgive(self, run_id: str, task: int | None = None) -> None:
        """What was lost before does not count any more."""
        for counts in (self._vanished, self._deaths):
            for key in [key for key in counts if key[0] == run_id and task in (None, key[1])]:
                del counts[key]

    def may_lack_inputs(self, task: int) -> bool:
        """Whether a task takes a value that dies with its process, and whose task must not run again."""
        steps = self.scenario.steps
        return any(steps[above].once and steps[above].body.value == "volatile" for above in steps[task].inputs)

    # --- Bodies

    def word(self, run_id: str, task: int, generation: int) -> str:
        """How the body that begins now comes out, by its script."""
        script = self.scenario.steps[task].body.script
        return script[min(self.reading(run_id).outcomes.get((task, generation), 0), len(script) - 1)]

    def begins(self, host: Host, attempt: Attempt, inputs: Sequence[str | None]) -> None:
        """A body begins."""
        run_id, task, generation = attempt.context.run_id, attempt.task, attempt.generation
        step, key = self.scenario.steps[task], (run_id, task, generation)
        what = f"run {run_id}: attempt {attempt.number} of t{task}"
        self._begun[key] = self._begun.get(key, 0) + 1
        if step.once and self._begun[key] > 1:
            self.say(f"{what} begins, and at_most_once forbids another")
        self._living[host, attempt] = None
        busy = sum(1 for other, one in self._living if other is host and not one.abandoned)
        if busy > self.scenario.workers:
            self.say(f"{what} begins, and {busy} bodies run on {self.scenario.workers} workers")
        if self.database.records[run_id].tokens == host.token:
            self._begins_lawfully(attempt, inputs, what)
        elif step.first and self.reading(run_id).starts.get((task, generation, attempt.number)) != host.token:
            self.say(f"{what} begins under an old token, {host.token}, and its start is not written")

    def _begins_lawfully(self, attempt: Attempt, inputs: Sequence[str | None], what: str) -> None:
        """A body begins in the hands of the driver that has the run."""
        run_id, task, generation = attempt.context.run_id, attempt.task, attempt.generation
        reading, step = self.reading(run_id), self.scenario.steps[task]
        engine = reading.engine
        for upstream in step.upstreams:
            if engine.task_state(upstream) is not TaskState.SUCCESS:
                self.say(f"{what} begins, and the success of t{upstream} is not written")
        key = run_id, task, generation
        # Of the first driver's bodies one may die before its start is on record; who adopts the run is more careful.
        if self._vanished.get(key, 0) >= MAX_LOST_ATTEMPTS or self._deaths.get(key, 0) > MAX_LOST_ATTEMPTS:
            self.say(f"{what} begins, though it died with its driver {self._deaths[key]} times")
        stands = engine.task_state(task), engine.generation(task), engine.attempts[task]
        begun = stands == (TaskState.RUNNING, generation, attempt.number)
        if not begun and stands != (TaskState.READY, generation, attempt.number - 1):
            self.say(f"{what} (generation {generation}) begins, and on record {engine.story(task)}")
        if step.first:
            self._must_be_safe(reading, task, begun, f"{what} begins, and its start")
        self._check_inputs(reading, attempt, inputs, what)

    def _must_be_safe(self, reading: Reading, task: int, written: bool, what: str) -> None:
        if not written:
            self.say(f"{what} is not written")
        elif self.scenario.full and reading.started[task] > self._safe_batches(reading):
            self.say(f"{what} is not safe")

    def _safe_batches(self, reading: Reading) -> int:
        """How many batches of a run a power cut would leave."""
        unsafe = sum(1 for undo in self.database.unsafe if undo.run_id == reading.run_id and undo.batch)
        return reading.batches - unsafe

    def _check_inputs(self, reading: Reading, attempt: Attempt, inputs: Sequence[str | None], what: str) -> None:
        """A body reads what is on record, and what earlier attempts read."""
        steps, run_id = self.scenario.steps, reading.run_id
        above = steps[attempt.task].inputs
        for upstream, value in zip(above, inputs, strict=True):
            made_by = reading.made_by.get(upstream)
            expected = None if made_by is None else self._values.get((run_id, upstream, *made_by))
            if value != expected:
                self.say(f"{what} reads {value!r} from t{upstream}, on record is {expected!r}")
        key = run_id, attempt.task, attempt.generation
        generations = tuple(reading.engine.generation(upstream) for upstream in above)
        seen = (*inputs, *generations)
        before = self._inputs.setdefault(key, seen)
        if before[len(inputs) :] != generations or any(steps[upstream].body.value == "volatile" for upstream in above):
            self._inputs[key] = seen
        elif before != seen:
            self.say(f"{what} reads {inputs}, an earlier attempt read {before}")

    def returns(self, host: Host, attempt: Attempt, text: str | None) -> None:
        """A body returns a value."""
        place = attempt.context.run_id, attempt.task, attempt.generation, attempt.number, host.token
        self._values[place] = text

    def ends(self, host: Host, attempt: Attempt) -> None:
        """A body is over, in whatever way."""
        self._living.pop((host, attempt), None)

    def died(self, host: Host) -> None:
        """A process is dead, and its bodies with it. Of these, one that is over on record does not count: it ran out of
        time and was given up, or its driver stopped in good order."""
        dead: set[Key] = set()
        for pair in [pair for pair in self._living if pair[0] is host]:
            del self._living[pair]
            attempt = pair[1]
            key = attempt.context.run_id, attempt.task, attempt.generation
            reading, place = self.reading(key[0]), (attempt.task, attempt.generation, attempt.number)
            if reading.is_running(*place, host.token):
                self._vanished[key] = self._vanished.get(key, 0) + 1
                dead.add(key)
            elif self.database.records[key[0]].tokens == host.token and reading.starts.get(place) != host.token:
                dead.add(key)
        for key in dead:
            self._deaths[key] = self._deaths.get(key, 0) + 1

    def asks_key(self, host: Host, attempt: Attempt, key: str) -> None:
        """A body is given its idempotency key: its start is safe, and the key is that of its task."""
        run_id, task = attempt.context.run_id, attempt.task
        name = run_id, task, attempt.generation
        if self._keys.setdefault(name, key) != key or list(self._keys.values()).count(key) > 1:
            self.say(f"run {run_id}: t{task} has the idempotency keys {self._keys[name]} and {key}")
        if self.database.records[run_id].tokens == host.token:
            reading = self.reading(run_id)
            written = reading.is_running(task, attempt.generation, attempt.number, host.token)
            what = f"run {run_id}: attempt {attempt.number} of t{task} has its idempotency key, and its start"
            self._must_be_safe(reading, task, written, what)

    # --- What people are told

    def hears(self, notice: Notice) -> None:
        """A notice is received: it is on record, safely, and has an id of its own."""
        before = self.received.setdefault(notice.id, notice)
        if before != notice:
            self.say(f"two notices have the id {notice.id}: {before}, {notice}")
        reading = self.reading(notice.run_id)
        if notice.id not in reading.notices:
            self.say(f"notice {notice.id} was delivered, and is not on record")
        elif self.scenario.full and reading.born[notice.id] > self._safe_batches(reading):
            self.say(f"notice {notice.id} was delivered, and its event is not safe")

    def told(self, run_id: str, state: str, host: Host) -> None:
        """Somebody was told how a run stands: that is safe, and what the driver knew is what is on record."""
        record, reading = self.database.records[run_id], self.reading(run_id)
        if record.tokens == host.token and host.engine is not None:
            for line in reading.differs_from(host.engine):
                self.say(f"run {run_id}: in its driver {line}")
        if state == "interrupted":
            return
        stands = record.row.state, reading.batches
        left = self._left.get((run_id, host.token), stands)
        if record.tokens != host.token and left[0] == state:
            stands = left  # it ended so in this one's hands, and somebody set it going again before it came to be told
        if stands[0] != state:
            self.say(f"run {run_id}: somebody was told that it is {state}, on record it is {stands[0]}")
        if self.scenario.full and self._safe_batches(reading) < stands[1]:
            self.say(f"run {run_id}: somebody was told that it is {state}, and that is not safe")
        self._told[run_id] = state, stands[1]


def _is_by_hand(event: Event) -> bool:
    """Whether somebody sets a run going with it that may have ended."""
    return isinstance(event, TasksRerun) or (isinstance(event, RunResumed) and event.by_hand)

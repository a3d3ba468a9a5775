"""The promise, checked against what really happens in a simulated world and against what is on record.

Written from the promise. The referee sees every batch as it is written, every body as it begins and ends, every notice
as it is received, every power cut, and what people are told. When a power cut has taken batches away, it reads the
journal anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from penstock.engine.events import (
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    Event,
    PlanAdopted,
    RunResumed,
    TasksRerun,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.executor.base import Attempt
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.policy import MAX_LOST_ATTEMPTS, Notice
from penstock.runtime.journal import SAFE_WITHIN
from penstock.runtime.parking import next_moment, only_waits
from penstock.store.base import RunChange
from penstock.store.records import decode_events
from tests.law.description import Act
from tests.simulation import inputs, starts
from tests.simulation.course import Place
from tests.simulation.database import Batch, Database, SimLease
from tests.simulation.family import Family
from tests.simulation.reading import Reading
from tests.simulation.scenario import Scenario
from tests.simulation.slots import SlotWatch
from tests.simulation.weave import MAIN
from tests.simulation.work import Step

if TYPE_CHECKING:
    from tests.simulation.host import Host

Key = tuple[str, Place, int]
"""A run, a task with its index, and its generation."""
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
        self.asked_to_cancel: dict[str, int] = {}
        """How often somebody wanted that."""
        self.sent: dict[str, str] = {}
        """The messages that were certainly sent, by what they say, and to which run."""
        self.resumed: set[str] = set()
        """The runs that somebody resumed by hand."""
        self.now = now
        self.slots = SlotWatch(scenario)
        self.family = Family(self)
        self._plans: dict[str, Plan] = {}
        self._tokens: dict[str, int] = {}
        self._begun: dict[Key, int] = {}
        """How many bodies of a task have begun."""
        self._vanished: dict[Key, int] = {}
        """How many bodies of a task have died with their process, their start being on record."""
        self._deaths: dict[Key, int] = {}
        """How many processes have died with one that was not over on record, whether its start was or not."""
        self._living: dict[tuple[Host, Attempt], None] = {}
        self._values: dict[tuple[str, Place, int, int, int], Any] = {}
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
        self.violations.append(f"[{self.now():.6f}] {line}")

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
            work = self.scenario.works[self.database.records[run_id].row.workflow]
            self.readings[run_id] = Reading(run_id, work, plan, self.plan, self.say, self._hear, clocks_jump=jump)
        return self.readings[run_id]

    def step(self, place: Place) -> Step:
        """What a task is."""
        return self.scenario.steps[place[0]]

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
        self.family.appended(reading, events)
        self._left[run_id, lease.token] = str(engine.state), reading.batches
        # A row that says "running" a little longer is found by whoever looks for runs that nobody drives.
        if change is not None and change.state == "waiting":
            self._parked(run_id, engine, change)
        elif change is not None and change.state not in (None, "running", str(engine.state)):
            self.say(f"run {run_id}: its row says {change.state}, and its journal {engine.state}")
        if change is not None and change.undelivered == 0 and engine.notices:
            self.say(f"run {run_id}: its row says that all is delivered, on record is not {[*engine.notices]}")

    def _parked(self, run_id: str, engine: RunEngine, change: RunChange) -> None:
        """A run is put aside, with nobody to drive it."""
        if engine.state is not RunState.RUNNING:
            self.say(f"run {run_id}: it was parked, and on record it is {engine.state}")
        if change.wake_at == 0.0:
            return  # it is to be woken at once
        if not only_waits(engine):
            self.say(f"run {run_id}: it was parked with something to do: {engine.counts()}")
        elif (inf if change.wake_at is None else change.wake_at) > next_moment(engine):
            self.say(f"run {run_id}: it was parked until {change.wake_at}, and goes on at {next_moment(engine)}")

    def given(self, run_id: str, lease: SimLease, before: SimLease | None) -> None:
        """A run has a new driver."""
        self._tokens[run_id] = max(self._tokens.get(run_id, 0), lease.token)
        if before is not None and before.session.process.alive and before.session.alive and not before.released:
            self.say(f"run {run_id} was taken from a driver that lives")

    def forgotten(self, run_id: str, batches: Sequence[Batch]) -> None:
        """A power cut took batches away: only what was written just now, and nobody was told."""
        self._forgive(run_id)
        told, old = self._told.get(run_id), self.readings.pop(run_id)
        lost = [(batch, self._outcomes(old, batch)) for batch in batches]
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
        for batch, outcomes in lost:
            # A driver that lives sees to it that what it wrote is safe soon.
            if self._prompt and batch.process.alive and self.now() - batch.at > SAFE_WITHIN + _SLACK:
                self.say(f"run {run_id}: a power cut took away what was written {self.now() - batch.at:.3f} s before")
            for place, event in outcomes:
                self._forgotten(run_id, place, event)

    def _outcomes(self, reading: Reading, batch: Batch) -> list[tuple[Place, AttemptSucceeded | AttemptFailed]]:
        """How attempts came out by a batch that was read."""
        events = decode_events(batch.body)
        return [
            (reading.course.place(event.task), event)
            for event in events
            if isinstance(event, (AttemptSucceeded, AttemptFailed))
        ]

    def _forget(self, run_id: str, old: Reading, new: Reading) -> None:
        """Nothing was promised for a power cut: do not hold it against what happens again."""
        self._begun = {key: count for key, count in self._begun.items() if key[0] != run_id}
        self._inputs = {key: value for key, value in self._inputs.items() if key[0] != run_id}
        for id in [id for id in old.notices if id not in new.notices]:
            self.received.pop(id, None)

    def _forgotten(self, run_id: str, place: Place, event: AttemptSucceeded | AttemptFailed) -> None:
        if self.step(place).first:
            self.say(f"run {run_id}: a power cut made forgotten how attempt {event.attempt} of {place} came out")
        if isinstance(event, AttemptSucceeded):  # whoever takes its value may get another one from now on
            for key in [key for key in self._inputs if key[0] == run_id]:
                del self._inputs[key]

    def _hear(self, reading: Reading, event: Event, token: int) -> None:
        """Something is on record that concerns more than the journal."""
        run_id = reading.run_id
        is_part = self.database.records[run_id].row.parent is not None
        if is_part and isinstance(event, CancelRequested):
            self.family.cancel_asked(reading, event)
        if isinstance(event, RunResumed) and event.by_hand:
            if is_part:
                self.family.resumed(reading, event)
            elif run_id not in self.resumed:
                self.say(f"run {run_id}: it was resumed by hand, and nobody had asked for it")
            self._forgive(run_id)
        elif isinstance(event, (PlanAdopted, CancelRequested)):  # somebody who acts by hand forgives what was lost
            self._forgive(run_id)
        elif isinstance(event, AttemptSucceeded):
            place = reading.course.place(event.task)
            self._forgive(run_id, place)
            generation = reading.engine.generation(event.task)
            if place[0] in reading.course.work.calls:
                value = self.family.gives(reading, place, event)
                self._values[run_id, place, generation, event.attempt, token] = value
            if (run_id, place, generation, event.attempt, token) not in self._values:
                self.say(f"run {run_id}: on record {place} is a success, and its body has not returned")
        elif isinstance(event, AttemptFailed):
            place = reading.course.place(event.task)
            if place[0] in reading.course.work.calls:
                self.family.failed(reading, place, event)
            gone = event.error.type == "ValueUnavailable" and self.may_lack_inputs(place)
            if event.error.type in NOT_ITS_FAULT and not gone:
                self.say(f"run {run_id}: {place} failed for what is not its fault: {event.error[:2]}")

    def _forgive(self, run_id: str, place: Place | None = None) -> None:
        """What was lost before does not count any more."""
        for counts in (self._vanished, self._deaths):
            for key in [key for key in counts if key[0] == run_id and place in (None, key[1])]:
                del counts[key]

    def may_lack_inputs(self, place: Place) -> bool:
        """Whether a task takes a value that dies with its process, and whose task must not run again."""
        [work] = [work for work in self.scenario.works.values() if place[0] in work.steps]
        steps, taken = work.steps, work.graph(changed=True).tasks[place[0]].takes
        return any(steps[above].once and steps[above].manner.value == "volatile" for above in taken)

    # --- Bodies

    def act(self, run_id: str, place: Place, generation: int) -> Act:
        """What the body that begins now does, by its script."""
        reading = self.reading(run_id)
        script = reading.course.work.script(reading.course.body(place))
        return script[min(reading.outcomes.get((place, generation), 0), len(script) - 1)]

    def begins(self, host: Host, attempt: Attempt, taken: tuple[Any, ...], own: tuple[Any, ...]) -> None:
        """A body begins, with the values that it takes and the items of its instance."""
        run_id, place, generation = attempt.context.run_id, place_of(attempt), attempt.generation
        step, key = self.step(place), (run_id, place, generation)
        what = f"run {run_id}: attempt {attempt.number} of {attempt.name}"
        self._begun[key] = self._begun.get(key, 0) + 1
        if step.once and self._begun[key] > 1:
            self.say(f"{what} begins, and at_most_once forbids another")
        self._living[host, attempt] = None
        workers = host.executor_of(attempt)
        mine = [one for other, one in self._living if other is host and other.executor_of(one) is workers]
        living = [one for one in mine if not one.abandoned]
        if len(living) > self.scenario.workers:
            self.say(f"{what} begins, and {len(living)} bodies run on {self.scenario.workers} workers")
        alike = [one for one in living if one.context is attempt.context and place_of(one)[0] == place[0]]
        if step.at_once is not None and len(alike) > step.at_once:
            self.say(f"{what} begins, and {len(alike)} of its instances run, where {step.at_once} may")
        for line in self.slots.wrong(place[0], self._living):
            self.say(f"{what} begins, and {line}")
        token = host.token_of(attempt)
        if self.database.records[run_id].tokens == token:
            self._begins_lawfully(attempt, (taken, own), what)
        elif step.first and self.reading(run_id).starts.get((place, generation, attempt.number)) != token:
            self.say(f"{what} begins under an old token, {token}, and its start is not written")

    def _begins_lawfully(self, attempt: Attempt, given: tuple[Any, Any], what: str) -> None:
        """A body begins in the hands of the driver that has the run."""
        run_id, place, generation = attempt.context.run_id, place_of(attempt), attempt.generation
        reading, step = self.reading(run_id), self.step(place)
        engine, slot = reading.engine, reading.slot(place)
        if slot is None:
            self.say(f"{what} begins, and on record there is no such task")
            return
        for line in starts.wrong(reading, place):
            self.say(f"{what} begins, and {line}")
        if self.scenario.full:
            safe = self._safe_batches(reading)
            unsafe = [other for other, batch in starts.decisions(reading, place) if batch > safe]
            if unsafe:
                self.say(f"{what} begins, and what {unsafe} decided is not safe")
        key = run_id, place, generation
        # Of the first driver's bodies one may die before its start is on record; who adopts the run is more careful.
        if self._vanished.get(key, 0) >= MAX_LOST_ATTEMPTS or self._deaths.get(key, 0) > MAX_LOST_ATTEMPTS:
            self.say(f"{what} begins, though it died with its driver {self._deaths[key]} times")
        stands = engine.task_state(slot), engine.generation(slot), engine.attempts[slot]
        begun = stands == (TaskState.RUNNING, generation, attempt.number)
        if not begun and stands != (TaskState.READY, generation, attempt.number - 1):
            self.say(f"{what} (generation {generation}) begins, and on record {engine.story(slot)}")
        if step.first:
            self._must_be_safe(reading, place, begun, f"{what} begins, and its start")
        self._check_inputs(reading, place, generation, given, what)

    def _must_be_safe(self, reading: Reading, place: Place, written: bool, what: str) -> None:
        if not written:
            self.say(f"{what} is not written")
        elif self.scenario.full and reading.started[place] > self._safe_batches(reading):
            self.say(f"{what} is not safe")

    def _safe_batches(self, reading: Reading) -> int:
        """How many batches of a run a power cut would leave."""
        unsafe = sum(1 for undo in self.database.unsafe if undo.run_id == reading.run_id and undo.batch)
        return reading.batches - unsafe

    def _check_inputs(self, reading: Reading, place: Place, generation: int, given: tuple[Any, Any], what: str) -> None:
        """A body reads what is on record, and what earlier attempts read."""

        def returned(other: Place, made_by: inputs.Made) -> Any:
            return self.value(reading.run_id, other, made_by)

        items = inputs.items(reading, place, returned)
        task = reading.course.graph.tasks[place[0]]
        if reading.engine.plan.workflow != MAIN and not task.takes and task.over is None:
            items = self.family.given(reading.run_id)
        expected = inputs.values(reading, place, returned), items
        if given != expected:
            self.say(f"{what} reads {given}, on record is {expected}")
        made_by = inputs.made_by(reading, place)
        before = self._inputs.setdefault((reading.run_id, place, generation), (given, made_by))
        volatile = any(self.step((other, -1)).manner.value == "volatile" for other in self._taken(reading, place))
        if before[1] != made_by or volatile:
            self._inputs[reading.run_id, place, generation] = given, made_by
        elif before[0] != given:
            self.say(f"{what} reads {given}, an earlier attempt read {before[0]}")

    def _taken(self, reading: Reading, place: Place) -> list[str]:
        graph = reading.course.graph
        return [*graph.tasks[place[0]].takes, *(one for one in graph.sources(place[0]) if isinstance(one, str))]

    def value(self, run_id: str, place: Place, made_by: inputs.Made) -> Any:
        """What a body returned."""
        return self._values.get((run_id, place, *made_by))

    def returns(self, host: Host, attempt: Attempt, value: Any) -> None:
        """A body returns a value."""
        place = attempt.context.run_id, place_of(attempt), attempt.generation, attempt.number, host.token_of(attempt)
        self._values[place] = value

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
            key = attempt.context.run_id, place_of(attempt), attempt.generation
            reading, start = self.reading(key[0]), (key[1], attempt.generation, attempt.number)
            token = host.token_of(attempt)
            if reading.is_running(*start, token):
                self._vanished[key] = self._vanished.get(key, 0) + 1
                dead.add(key)
            elif self.database.records[key[0]].tokens == token and reading.starts.get(start) != token:
                dead.add(key)
        for key in dead:
            self._deaths[key] = self._deaths.get(key, 0) + 1

    def asks_key(self, host: Host, attempt: Attempt, key: str) -> None:
        """A body is given its idempotency key: its start is safe, and the key is that of its task."""
        run_id, place = attempt.context.run_id, place_of(attempt)
        name = run_id, place, attempt.generation
        if self._keys.setdefault(name, key) != key or list(self._keys.values()).count(key) > 1:
            self.say(f"run {run_id}: {attempt.name} has the idempotency keys {self._keys[name]} and {key}")
        token = host.token_of(attempt)
        if self.database.records[run_id].tokens == token:
            reading = self.reading(run_id)
            written = reading.starts.get((place, attempt.generation, attempt.number)) == token
            what = f"run {run_id}: attempt {attempt.number} of {attempt.name} has its idempotency key, and its start"
            self._must_be_safe(reading, place, written, what)

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
        token, engine = host.token(run_id), host.engine(run_id)
        if record.tokens == token and engine is not None:
            for line in reading.differs_from(engine):
                self.say(f"run {run_id}: in its driver {line}")
        if state == "interrupted" or (state == "running" and record.tokens != token):
            return  # or as it stood when it was looked at, in the hands of somebody else
        state = _in_journals(state)
        stands = _in_journals(record.row.state), reading.batches
        left = self._left.get((run_id, token), stands)
        if record.tokens != token and left[0] == state:
            stands = left  # it ended so in this one's hands, and somebody set it going again before it came to be told
        if stands[0] != state:
            self.say(f"run {run_id}: somebody was told that it is {state}, on record it is {stands[0]}")
        if self.scenario.full and self._safe_batches(reading) < stands[1]:
            self.say(f"run {run_id}: somebody was told that it is {state}, and that is not safe")
        self._told[run_id] = state, stands[1]


def _in_journals(state: str) -> str:
    """The state of a run as its journal knows it."""
    return "running" if state == "waiting" else state


def _is_by_hand(event: Event) -> bool:
    """Whether somebody sets a run going with it that may have ended."""
    return isinstance(event, TasksRerun) or (isinstance(event, RunResumed) and event.by_hand)


def place_of(attempt: Attempt) -> Place:
    """The task and index of an attempt, in the plan that its driver follows."""
    engine = attempt.context.engine  # type: ignore[attr-defined]
    return engine.plan.names[engine.row(attempt.task)], engine.index(attempt.task)

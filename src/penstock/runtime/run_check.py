"""Whether what a store says of one run agrees with the run's journal, and the journal with itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

from penstock.engine.audit import Audit
from penstock.engine.events import AttemptSucceeded, Event, PlanAdopted, ValueRef
from penstock.engine.invariants import ContradictionError, check
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.errors import PenstockError, RunNotFound, StoreCorrupt, StoreError
from penstock.plan.plan import Plan
from penstock.results.tagged_json import loads
from penstock.runtime.history import ENDED
from penstock.runtime.parking import next_moment, only_waits
from penstock.runtime.replay import check_row, kept_plan
from penstock.runtime.takeover import end_of
from penstock.store.base import RunChange, RunRow, Store

MOST_PROBLEMS = 5
"""Of each run: what is wrong once tends to be wrong ever after."""
_TRIES = 3
_SHARE = 50
"""The invariants are asked for after every event of a run of up to so many tasks, and so much more rarely of a larger
one, since each time takes as long as the run has tasks."""


@dataclass(slots=True)
class RunCheck:
    """What was found of one run."""

    row: RunRow
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Each with its kind: plan, journal, record (what a row says for good), history (a journal that can be read, and
    cannot be) or row (what it says of how the run stands)."""
    events: int = 0
    driven: bool = False
    """Whether somebody drove it meanwhile, so that its row was not compared: both were changing."""
    behind: bool = False
    """Whether its driver died before it could say on the row what the journal says already."""
    complete: bool = False
    """Whether the whole journal could be read, so that `named` has all values."""
    named: set[str] = field(default_factory=set)
    """Digests of the values that the journal names, also of attempts that later ones made obsolete."""
    engine: RunEngine | None = None
    """The run, brought to where its journal ends; None where it cannot be."""

    @property
    def needed(self) -> Iterator[tuple[str, ValueRef]]:
        """The values that count, each with the name of the task that gave it."""
        if self.engine is not None:
            for task, value in self.engine.values.items():
                if value.digest is not None:
                    yield self.engine.name(task), value

    @property
    def is_repairable(self) -> bool:
        """Whether the row is all that is wrong."""
        return self.engine is not None and {kind for kind, _ in self.problems} <= {"row"}


def check_run(store: Store, run_id: str, tick: Callable[[], None] = lambda: None) -> RunCheck | None:
    """What is to be found of a run, be it driven or not; None if somebody has deleted it. `tick` is called for each
    batch of its journal."""
    try:
        for _ in range(_TRIES):
            driven = store.holder(run_id) is not None
            found = _read(store, store.run(run_id), tick)
            found.driven = driven or store.holder(run_id) is not None
            if found.driven or store.run(run_id) == found.row:
                break
        else:
            found.driven = True  # by one driver after the other
        if not found.driven and found.engine is not None:
            found.problems += [("row", text) for text in _compared(found, found.engine)]
        return found
    except RunNotFound:
        return None


def rewrite_row(store: Store, run_id: str) -> bool:
    """Make a run's row say what its journal says. False if it does already, or nobody knows. RunLocked while the run is
    driven. It adds an empty batch to the journal."""
    lease = store.acquire(run_id)
    try:
        found = _read(store, store.run(run_id), lambda: None)
        engine = found.engine
        if engine is None or not found.is_repairable:
            return False
        ends = end_of(engine)
        change = RunChange(
            state=str(engine.state),
            tasks=len(engine.plan),
            started_at=engine.started_at,
            ended_at=ends.ended_at,
            error=ends.error,
            counts=ends.counts,
            undelivered=ends.undelivered,
            reopened=True,
        )
        store.append(lease, [], change=change, safe=True)
        return True
    finally:
        lease.release()


def _read(store: Store, row: RunRow, tick: Callable[[], None]) -> RunCheck:
    found = RunCheck(row)
    plans: dict[str, Plan] = {}

    def find(name: str) -> Plan:
        if name not in plans:
            plans[name] = kept_plan(store, name)
        return plans[name]

    try:
        loads(row.params)
    except (PenstockError, ValueError) as error:
        found.problems.append(("record", f"its parameters cannot be read: {error}"))
    try:
        story: _Story | None = _Story(found, find(row.plan), find)
    except StoreError as error:
        found.problems.append(("plan", str(error)))
        story = None
    try:
        for number, events in store.read(row.id):
            tick()
            if number == 1:
                _check_record(found, events)
            for event in events:
                found.events += 1
                if type(event) is AttemptSucceeded and event.value is not None and event.value.digest is not None:
                    found.named.add(event.value.digest)
                if story is not None and not story.goes_on(number, event):
                    story = None
        found.complete = True
        if story is not None:
            story.end()
            found.engine = story.engine
    except StoreError as error:
        found.problems.append(("journal", str(error)))
    return found


def _check_record(found: RunCheck, events: list[Event]) -> None:
    try:
        check_row(found.row, *events)
    except StoreCorrupt as error:
        found.problems.append(("record", str(error)))


class _Story:
    """A journal as it is handed to the engine and, independently, to the audit."""

    def __init__(self, found: RunCheck, plan: Plan, find: Callable[[str], Plan]) -> None:
        self.engine = RunEngine(plan, run_id=found.row.id, plans=find)
        self._audit = Audit(plan, plans=find)
        self._found = found
        self._unchecked = 0

    def goes_on(self, batch: int, event: Event) -> bool:
        """Whether the engine can take an event, and so those after it."""
        try:
            self.engine.handle(event)
        except (InvalidEvent, IndexError, StoreError) as error:
            self._say(f"batch {batch} does not fit what came before: {error}")
            return False
        for line in self._audit.see(event):
            self._say(f"batch {batch}: {line}")
        self._unchecked += 1
        if self._unchecked * _SHARE >= len(self.engine.plan) and type(event) is not PlanAdopted:
            self._check(batch)
        return True

    def end(self) -> None:
        """The journal ends here."""
        state = self.engine.state
        if self._unchecked:
            self._check(None)
        if str(state) in ENDED:
            for line in self._audit.end(str(state)):
                self._say(line)

    def _check(self, batch: int | None) -> None:
        self._unchecked = 0
        try:
            check(self.engine)
        except ContradictionError as error:
            for line in error.contradictions:
                self._say(line if batch is None else f"batch {batch}: {line}")

    def _say(self, text: str) -> None:
        if len(self._found.problems) < MOST_PROBLEMS:
            self._found.problems.append(("history", text))


def _compared(found: RunCheck, engine: RunEngine) -> Iterator[str]:
    """What the row of a run that nobody drives says otherwise than its journal."""
    row = found.row
    if row.tasks != len(engine.plan):
        yield f"its row speaks of {row.tasks} tasks, its plan of {len(engine.plan)}"
    if row.started_at not in (None, engine.started_at):
        yield f"its row says that it began at {row.started_at}, its journal at {engine.started_at}"
    undelivered = len(engine.notices)
    if str(engine.state) not in ENDED:
        if row.state == "waiting":
            yield from _parked(row, engine)
        elif row.state != str(engine.state):
            yield f"its row says that it is {row.state}, its journal that it is {engine.state}"
        if row.ended_at is not None:
            yield f"its row says that it ended at {row.ended_at}, its journal that it has not ended"
    elif row.state == "running":
        found.behind = True
    else:
        expected = str(engine.state), engine.ended_at, _plain(engine.error), engine.counts()
        for name, says, should in zip(
            ("is", "ended at", "has the error", "has tasks"), _ending(row), expected, strict=True
        ):
            if says != should:
                yield f"its row says that it {name} {says}, its journal {should}"
        if row.undelivered < undelivered:
            yield f"its row says that it has {row.undelivered} notices to deliver, its journal {undelivered}"
        found.behind = row.undelivered > undelivered  # they were delivered, by somebody who died before he could say so


def _parked(row: RunRow, engine: RunEngine) -> Iterator[str]:
    """What is wrong with a parked run that would not be woken in time."""
    if row.wake_at == 0.0:
        return  # it is to be woken now
    if not only_waits(engine):
        yield "its row says that it waits, its journal that it has something to do"
    elif (inf if row.wake_at is None else row.wake_at) > next_moment(engine):
        yield f"its row says that it goes on at {row.wake_at}, its journal at {next_moment(engine)}"


def _ending(row: RunRow) -> tuple[str, float | None, str | None, object]:
    try:
        counts: object = json.loads(row.counts)
    except ValueError:
        counts = row.counts
    return row.state, row.ended_at, _plain(row.error), counts


def _plain(text: str | None) -> str | None:
    """A text as it comes back from any store: some keep no lone surrogates or no NUL, but their escapes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")

"""Runs that are tasks of other runs: each is begun once, is given what its task takes, and gives what it came to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.engine.events import AttemptFailed, AttemptStarted, AttemptSucceeded, CancelRequested, Event, RunResumed
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.results.note import content_in
from penstock.store.base import RunRow
from tests.simulation import inputs
from tests.simulation.course import Place
from tests.simulation.reading import Reading
from tests.simulation.scheduler import Process
from tests.simulation.values import plain
from tests.simulation.weave import GIVEN
from tests.simulation.work import Call

if TYPE_CHECKING:
    from tests.simulation.referee import Referee

HEARD = 3.0
"""Seconds within which a driver knows of what is in its inbox."""
WAITS = Call("")
_OPEN = (RunState.QUEUED, RunState.RUNNING)


class Family:
    """Looks at what is between runs and those of their tasks. What breaks the promise is told to the referee."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._parts: dict[tuple[str, str], str] = {}
        """Which run a task of a run is, in a generation."""
        self._going_again: set[str] = set()
        """Those that were set going by hand since their tasks were tried again."""
        self._ended: dict[str, float] = {}
        """The runs that have ended, and since when."""
        self._prompt = not referee.scenario.faults & {"pause", "disk", "blind", "stall", "values", "cut"}
        """Whether a driver does what it should when it should."""
        self.cancelled: set[str] = set()
        """Those that were cancelled since nobody wants them any more."""

    # --- Their beginning

    def created(self, row: RunRow, process: Process) -> None:
        """A run is put on record by a process."""
        if row.parent is None:
            return
        place, generation = self._place(row)
        if row.part is not None and self._parts.setdefault((row.parent, row.part), row.id) != row.id:
            self._say(row.parent, f"{place} of generation {generation} is run {self._parts[row.parent, row.part]}")
        parent = self._referee.database.records[row.parent]
        if place is None or parent.lease is None or parent.lease.session.process is not process:
            return  # whoever begins it has lost the run around it, and does not know
        expected = self._expected(self._referee.reading(row.parent), place)
        if self.given(row.id) != expected:
            self._say(row.parent, f"run {row.id} of {place} is given {self.given(row.id)}, on record is {expected}")

    def _place(self, row: RunRow) -> tuple[Place | None, int]:
        """Which task of which generation a run is; None for one that nobody waits for."""
        if row.part is None:
            return None, 0
        task, index, generation = json.loads(row.part)
        return (task, index), generation

    def _expected(self, parent: Reading, place: Place) -> tuple[Any, ...]:
        taken = [*inputs.values(parent, place, self._returned(parent))]
        items = inputs.items(parent, place, self._returned(parent))
        return (taken, *items, *[None] * (len(GIVEN) - 1 - len(items)))

    def _returned(self, reading: Reading) -> inputs.Returned:
        return lambda place, made_by: self._referee.value(reading.run_id, place, made_by)

    def given(self, run_id: str) -> tuple[Any, ...]:
        """What a run was given, by its row."""
        params = json.loads(self._referee.database.records[run_id].row.params)
        return tuple(plain(params.get(name)) for name in GIVEN)

    # --- What becomes of them

    def child(self, parent: Reading, place: Place) -> RunRow | None:
        """The row of the run that a task is."""
        slot = parent.slot(place)
        generation = 0 if slot is None else parent.engine.generation(slot)
        id = self._parts.get((parent.run_id, json.dumps([*place, generation])))
        return None if id is None else self._referee.database.records[id].row

    def gives(self, parent: Reading, place: Place, event: AttemptSucceeded) -> Any:
        """What a task gives that runs a workflow and has succeeded."""
        call = parent.course.work.calls[place[0]]
        if not call.waits:
            return self._begun(parent, place, call.workflow, event)
        row = self.child(parent, place)
        if row is None:
            self._say(parent.run_id, f"on record {place} is a success, and it is no run")
            return None
        child = self._referee.reading(row.id)
        if child.engine.state is not RunState.SUCCESS:
            self._say(parent.run_id, f"on record {place} is a success, and its run {row.id} is {child.engine.state}")
        values = [self._value(child, (name, -1)) for name in child.course.work.gives]
        value = values if len(values) > 1 else values[0] if values else None
        self._compare(parent, place, event, value)
        return value

    def _begun(self, parent: Reading, place: Place, workflow: str, event: AttemptSucceeded) -> Any:
        """The id that a task gives whose run goes on by itself."""
        id = None if event.value is None else json.loads(event.value.inline or "null")
        record = self._referee.database.records.get(str(id))
        if record is None or (record.row.parent, record.row.workflow) != (parent.run_id, workflow):
            self._say(parent.run_id, f"on record {place} has begun run {id}, which is no run of its own")
        return id

    def _value(self, reading: Reading, place: Place) -> Any:
        if reading.slot(place) is None or place not in reading.made_by:
            return None
        return self._referee.value(reading.run_id, place, reading.made_by[place])

    def _compare(self, parent: Reading, place: Place, event: AttemptSucceeded, value: Any) -> None:
        """Where what a task gave is in the journal itself, it is what its run gave."""
        content = "null" if event.value is None else content_in(event.value)
        if content is None:
            return  # those that take it tell
        given = plain(json.loads(content))
        if given != value:
            self._say(parent.run_id, f"{place} gave {given}, and its run {value}")

    def failed(self, parent: Reading, place: Place, event: AttemptFailed) -> None:
        """A task has failed that runs a workflow."""
        row, kind = self.child(parent, place), event.error.type.rpartition(".")[2]
        if row is not None and kind == "RunFailed":
            state = self._referee.reading(row.id).engine.state
            again = self._referee.resumed | self._going_again  # a journal is read anew after a power cut
            if state not in (RunState.FAILED, RunState.CANCELLED) and row.id not in again:
                self._say(parent.run_id, f"{place} has failed, and its run {row.id} is {state}")
        else:
            self._say(parent.run_id, f"{place} failed for what is not its fault: {event.error[:2]}")

    # --- What is done to them

    def resumed(self, child: Reading, event: RunResumed) -> None:
        """A run of a task is set going again by hand: somebody did so, or its task is tried again."""
        row = self._referee.database.records[child.run_id].row
        place, _ = self._place(row)
        assert row.parent is not None
        parent = self._referee.reading(row.parent)
        slot = None if place is None else parent.slot(place)
        is_tried_again = slot is not None and bool(parent.engine.failures.get(slot))
        if is_tried_again or not (self._going_again | self._referee.resumed).isdisjoint({child.run_id, row.parent}):
            self._going_again.add(child.run_id)  # and its own with it
        else:
            self._say(child.run_id, "it was resumed by hand, and nobody had asked for it")

    def appended(self, reading: Reading, events: Sequence[Event]) -> None:
        """Something of a run is on record. Nothing begins in one that nobody wants any more."""
        run_id = reading.run_id
        if reading.engine.state in _OPEN:
            self._ended.pop(run_id, None)
        else:
            self._ended.setdefault(run_id, self._referee.now())
        row = self._referee.database.records[run_id].row
        if row.part is None or row.parent not in self._ended or run_id in self._referee.resumed or not self._prompt:
            return
        late = self._referee.now() - self._ended[row.parent]
        begun = [reading.course.place(event.task)[0] for event in events if isinstance(event, AttemptStarted)]
        if late > HEARD and not all(map(reading.course.graph.is_teardown, begun)):
            self._say(run_id, f"it goes on {late:.3f} s after the end of run {row.parent}, of which it is a task")

    def happened(self) -> set[str]:
        """What there was of it."""
        records = self._referee.database.records
        rows = [record.row for record in records.values() if record.row.parent is not None]
        parts = [row for row in rows if row.part is not None]
        told = {
            "a task runs a workflow": bool(parts),
            "and a task of that another": any(records[str(row.parent)].row.parent is not None for row in parts),
            "and does not wait for it": len(parts) < len(rows),
            "and that is taken over": any(records[row.id].tokens > 1 for row in parts),
            "and that is cancelled": bool(self.cancelled),
            "and that is tried again": bool(self._going_again),
            "and that has failed": any(row.state == "failed" for row in parts),
        }
        return {what for what, holds in told.items() if holds}

    def wrong(self, reading: Reading) -> Iterator[str]:
        """What is wrong with the runs that tasks of one have begun and do not wait for, when all is over."""
        engine, calls = reading.engine, reading.course.work.calls
        rows = [record.row for record in self._referee.database.records.values() if record.row.parent == reading.run_id]
        begun = [row.id for row in rows if row.part is None]
        rests = [
            slot for slot in range(len(engine.states)) if not calls.get(reading.course.place(slot)[0], WAITS).waits
        ]
        most = sum(engine.generation(slot) + 1 for slot in rests)
        if len(begun) > most:
            yield f"its tasks have begun {begun}, where there are {most}"

    def cancel_asked(self, child: Reading, event: CancelRequested) -> None:
        """A run of a task is to end: somebody wants that, or its task does not wait for it any more."""
        row = self._referee.database.records[child.run_id].row
        place, generation = self._place(row)
        if event.by != f"run {row.parent}" or place is None or row.parent is None:
            return
        self.cancelled.add(child.run_id)
        if child.engine.disturbed_by is not None and child.engine.state in _OPEN and not self._insisted(row.parent):
            self._say(child.run_id, f"it was cancelled twice by run {row.parent}, as if nothing should be torn down")
        parent = self._referee.reading(row.parent)
        engine, slot = parent.engine, parent.slot(place)
        if engine.state not in _OPEN or engine.disturbed_by is not None or slot is None:
            return
        inbox = self._referee.database.records[row.parent].inbox
        if any(message.kind == "cancel" for message in inbox.values()):
            return  # the run around it cannot but be cancelled
        if engine.generation(slot) == generation and engine.task_state(slot) not in ENDED:
            state = TaskState(engine.states[slot]).label
            self._say(child.run_id, f"it was cancelled by run {row.parent}, of which {place} is {state}")

    def _insisted(self, run_id: str) -> bool:
        """Whether somebody has cancelled a run, or one around it, more than once."""
        asked, row = 0, self._referee.database.records[run_id].row
        while True:
            asked += self._referee.asked_to_cancel.get(row.id, 0)
            if row.parent is None:
                return asked > 1
            row = self._referee.database.records[row.parent].row

    def _say(self, run_id: str, line: str) -> None:
        self._referee.say(f"run {run_id}: {line}")

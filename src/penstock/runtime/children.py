"""The runs that tasks of a run are: begun, resumed, awaited and cancelled by whoever drives that run, the parent.

What a child is called follows from its parent and its task, so that it is begun once however often the task is
attempted. What became of it is read from its row; that it has ended is only a hint to look there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from penstock.clock import SYSTEM, Clock
from penstock.definition.sub_workflow import WorkflowCall
from penstock.definition.task import Task
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED as TASK_ENDED
from penstock.engine.states import TaskState
from penstock.errors import Defer, PenstockError, RunEnded, RunFailed, RunLocked, RunNotFound, StoreError, TaskTimeout
from penstock.plan.compile import Compiled
from penstock.plan.wiring import fill_in
from penstock.policy import RUN_ENDS
from penstock.runtime.drive import Drive
from penstock.runtime.driven import Driven
from penstock.runtime.history import ENDED, History
from penstock.runtime.lanes import Lanes
from penstock.runtime.part import Part, child_id
from penstock.runtime.record import Run
from penstock.store.base import RunRow

LOOK_PAUSE = 30.0
"""Seconds between two looks at the rows of those that are awaited."""
_AGAIN = 0.2
"""Seconds after which it is tried again to cancel one."""


class Nest(Protocol):
    """What begins the runs of tasks: with the parts, and beside the run, that the tasks are of."""

    @property
    def row(self) -> RunRow:
        """The parent's."""

    @property
    def history(self) -> History:
        """Where they are on record."""

    def compile(self, call: WorkflowCall, given: Mapping[str, Any], known: Compiled | None) -> tuple[Compiled, Any]:
        """A workflow and the parameters that it is given, checked. ParameterError, and other errors of definitions."""

    def begin(self, call: WorkflowCall, given: Mapping[str, Any], known: Compiled | None, id: str, part: Part) -> Drive:
        """Put a run on record. `known` is the workflow, if it was compiled before."""

    def again(self, call: WorkflowCall, given: Mapping[str, Any], row: RunRow, *, by_hand: bool) -> Drive | None:
        """Take a run over; None if there is nothing left to do in it. RunLocked while somebody else drives it."""

    def set_free(self, call: WorkflowCall, id: str, drive: Drive) -> None:
        """Let a run go on by itself."""

    def keep(self, call: WorkflowCall, id: str, run: Run) -> None:
        """A run was parked: see that it is woken."""

    def hurry(self, id: str) -> None:
        """End what runs of a run that was stopped, if it is driven here."""

    def cancel(self, id: str, *, insist: bool = False) -> None:
        """Ask a run to end, since it is not wanted any more; to `insist`, without its teardowns. RunEnded."""


class _Awaited(NamedTuple):
    """A child that its task waits for."""

    slot: int
    generation: int
    due: float | None
    """When the task's patience ends, by the monotonic clock."""


class Children:
    """The runs of the tasks of one run, while it is driven here. `poke` wakes its driver."""

    def __init__(
        self,
        nest: Nest,
        engine: RunEngine,
        compiled: Compiled,
        lanes: Lanes,
        *,
        by_hand: bool,
        clock: Clock = SYSTEM,
    ) -> None:
        self._nest = nest
        self._engine = engine
        self._compiled = compiled
        self._by_hand = by_hand
        self._clock = clock
        self._lock = clock.lock()
        self._poke: Callable[[], None] = lambda: None
        self._write: Callable[[], None] = lambda: None
        self._driven = Driven(engine.run_id, lanes, self._tell, clock)
        self._awaited: dict[str, _Awaited] = {}
        self._news: deque[str] = deque()
        """Children that their tasks should look at."""
        self._late: set[str] = set()
        """Those that were cancelled since they took too long."""
        self._known: set[str] = set()
        """Those that were begun, set going or found here, so that what they come to is news."""
        self._told: dict[str, float | None] = {}
        """Children that came to nothing, and when, as far as their tasks have failed by it."""
        self._retrying: set[int] = set()
        self._look_at = 0.0

    # --- Asked by the body of a task

    def run(self, task: int, call: WorkflowCall, params: Mapping[str, Any]) -> Any:
        """What the workflow of a task gives. Defer while it goes on; RunFailed if it came to nothing."""
        part = Part.of(self._engine, task)
        id = child_id(self._engine.run_id, part)
        row = self._find(id)
        broken = self._driven.broken.pop(id, None)
        if broken is not None and not isinstance(broken, StoreError):
            raise PenstockError(f"run {id} of '{call.workflow.name}' could not be driven: {broken!r}") from broken
        if not call.wait:
            return self._begin_free(call, params, id, part, row)
        if row is not None and row.state == "success":
            self._forget(id)
            return self._result(call, params, row)
        if id in self._driven or (row is not None and row.state not in ENDED and self._is_held(row)):
            raise self._wait(task, id)
        if row is None:
            self._known.add(id)  # first, since it may be on record though it could not be said so
            drive: Drive | None = self._nest.begin(call, params, self._known_workflow(part), id, part)
        else:
            if row.state in ENDED and not self._may_go_on(task, row):
                raise self._failure(id, row)
            self._told.pop(id, None)  # what it comes to now is told anew, should it end just as it did before
            drive = self._take_over(call, params, row)
        self._known.add(id)
        waits = self._wait(task, id)
        if drive is not None:
            self._driven.start(id, drive, partial(self._nest.keep, call, id))
        else:
            self._tell(id)  # somebody else has it, or there is nothing to do: look again
        raise waits

    def _find(self, id: str) -> RunRow | None:
        try:
            row = self._nest.history.store.run(id)
        except RunNotFound:
            return None
        if row.id == id and row.parent != self._engine.run_id:
            raise PenstockError(f"run {id} is on record and is no part of this one: delete it")
        return row if row.id == id else None

    def _is_held(self, row: RunRow) -> bool:
        """Whether somebody else looks after a run that has not ended."""
        return row.state == "waiting" or self._nest.history.store.holder(row.id) is not None

    def _known_workflow(self, part: Part) -> Compiled | None:
        return self._compiled.children.get(part.task)

    def _take_over(self, call: WorkflowCall, params: Mapping[str, Any], row: RunRow) -> Drive | None:
        asked = self._by_hand and row.id not in self._known  # not if it was only left here, since the store failed
        by_hand = asked or row.state in ENDED  # what has failed is tried again, as its task is
        try:
            return self._nest.again(call, params, row, by_hand=by_hand)
        except RunLocked:
            return None

    def _may_go_on(self, task: int, row: RunRow) -> bool:
        """Whether this attempt of a task may set its run going again, which came to nothing: not if it is called to
        hear of just that."""
        if row.id in self._told:
            return self._told[row.id] == row.ended_at
        return row.id not in self._known and (self._by_hand or task in self._retrying)

    def _wait(self, task: int, id: str) -> Defer:
        """What a body raises that waits for its run. How long it may take is watched by the driver, since there may be
        no worker for the body while the run goes on; the task is called then all the same, should it be parked."""
        self._known.add(id)
        timeout = self._engine.policy(task).timeout
        with self._lock:
            before = self._awaited.get(id)
            left = None if timeout is None else self._clock.monotonic() + timeout - self._waited(task)
            due = left if before is None else before.due
            self._awaited[id] = _Awaited(task, self._engine.generation(task), due)
        if due is None or id in self._late:
            return Defer(topic=RUN_ENDS + id)
        self._poke()  # so that it is known when to look
        return Defer(timedelta(seconds=max(0.0, due - self._clock.monotonic())), topic=RUN_ENDS + id)

    def _waited(self, task: int) -> float:
        """Seconds that a task has waited for its run already, while another driver had it or it was parked."""
        since = self._engine.waiting_since.get(task)
        if since is None or self._engine.failures.get(task):  # each attempt that follows a failure has its own time
            return 0.0
        return max(0.0, self._clock.time() - since)

    def _failure(self, id: str, row: RunRow) -> PenstockError:
        """That the run of a task came to nothing."""
        error: PenstockError
        if id in self._late:
            error = TaskTimeout(f"run {id} of '{row.workflow}' took longer than the task's timeout, and was cancelled")
        else:
            run = self._nest.history.run(row)
            failed = [task for task in run.tasks if task.state == "failed"]
            detail = f": {failed[0].error}" if len(failed) == 1 else ""
            error = RunFailed(f"run {id} of '{row.workflow}' {row.state}: {row.error}{detail}", run)
        self._told[id] = row.ended_at  # last: where the store could not be read, nothing has been told
        self._late.discard(id)
        self._forget(id)
        return error

    def _result(self, call: WorkflowCall, params: Mapping[str, Any], row: RunRow) -> Any:
        compiled = self._known_workflow(Part.read(row.part or "[]"))
        compiled, bound = self._nest.compile(call, params, compiled)
        run = self._nest.history.run(row)
        return fill_in(compiled.result, lambda task: _value(run, task), lambda name: bound[name])

    def _begin_free(
        self, call: WorkflowCall, params: Mapping[str, Any], id: str, part: Part, row: RunRow | None
    ) -> str:
        """See that a run is begun that nobody waits for; its id."""
        drive: Drive | None = None
        if row is None:
            drive = self._nest.begin(call, params, self._known_workflow(part), id, part)
        elif row.state not in ENDED and not self._is_held(row):
            drive = self._take_over(call, params, row)
        if drive is not None:
            self._driven.set_free(drive)
            self._nest.set_free(call, id, drive)
        return id

    def _tell(self, id: str) -> None:
        self._news.append(id)
        self._poke()

    # --- Asked by the driver

    def attend(self, poke: Callable[[], None], write: Callable[[], None]) -> None:
        """The parent is about to be driven: `poke` wakes its driver, and `write` returns when all that has happened in
        it is written. Tasks that waited look at their runs."""
        self._poke, self._write = poke, write
        engine = self._engine
        self._news.extend(
            topic.removeprefix(RUN_ENDS) for topic in engine.topics.values() if topic.startswith(RUN_ENDS)
        )
        self._retrying = {slot for slot, state in enumerate(engine.states) if state == TaskState.RETRYING}

    @property
    def are_driven(self) -> bool:
        """Whether any is driven here."""
        return len(self._driven) > 0

    @property
    def are_busy(self) -> bool:
        """Whether any is, or there is something that its task has yet to see."""
        return self.are_driven or len(self._news) > 0

    def news(self) -> list[str]:
        """Topics of messages for tasks that should look at their runs. What no task wants any more is cancelled."""
        if self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + LOOK_PAUSE
            self._look_at_rows()
        self._drop_unwanted()
        self._cancel_late()
        news = []
        while self._news:
            news.append(RUN_ENDS + self._news.popleft())
        return news

    def pause(self) -> float:
        """Seconds until it should be asked again."""
        due = [one.due for id, one in [*self._awaited.items()] if one.due is not None and id not in self._late]
        return max(0.0, min([self._look_at, *due]) - self._clock.monotonic())

    def _look_at_rows(self) -> None:
        """Find those that have ended, or lost their driver, and of which nobody has told."""
        store = self._nest.history.store
        for row in store.children(self._engine.run_id):
            if row.part is None:
                continue
            if row.id in self._awaited:
                if row.id not in self._driven and (row.state in ENDED or not self._is_held(row)):
                    self._news.append(row.id)
            elif row.state not in ENDED and row.id not in self._driven and not self._is_wanted(row):
                self._cancel([row.id])

    def _is_wanted(self, row: RunRow) -> bool:
        """Whether the task that a run is may still wait for it."""
        engine, part = self._engine, Part.read(row.part or "[]")
        try:
            slot = engine.slot(engine.plan.numbers[part.task], part.map_index)
        except LookupError:
            return False
        return engine.generation(slot) == part.generation and engine.states[slot] not in TASK_ENDED

    def _drop_unwanted(self) -> None:
        """Cancel what is awaited by tasks that have ended without it: cancelled, marked, begun anew."""
        engine = self._engine
        unwanted = [
            id
            for id, (slot, generation, _) in [*self._awaited.items()]
            if engine.generation(slot) != generation or engine.states[slot] in TASK_ENDED
        ]
        for id in self._cancel(unwanted):
            self._forget(id)

    def _cancel_late(self) -> None:
        """Cancel what takes longer than its task may; the task fails when it has ended."""
        now = self._clock.monotonic()
        for id, one in [*self._awaited.items()]:
            if one.due is not None and one.due <= now and id not in self._late:
                self._late.add(id)
                if not self._cancel([id]):
                    self._late.discard(id)
                    self._awaited[id] = one._replace(due=now + _AGAIN)
                elif id not in self._driven:  # it may have ended by that, and nobody else would tell
                    self._news.append(id)

    def _forget(self, id: str) -> None:
        with self._lock:
            self._awaited.pop(id, None)

    def _cancel(self, ids: Sequence[str], *, insist: bool = False) -> list[str]:
        """Ask these to end, and give those that were asked or have ended; the others are tried again. Why they are to
        end is on record before they hear of it: else a crash might forget that, and keep the cancel."""
        done = []
        try:
            if ids:
                self._write()
            for id in ids:
                try:
                    self._nest.cancel(id, insist=insist)
                except RunLocked:
                    continue  # somebody is just taking it over, or giving it back
                except (RunEnded, RunNotFound):
                    pass
                done.append(id)
        except StoreError:
            pass
        if len(done) < len(ids):
            self._look_at = min(self._look_at, self._clock.monotonic() + _AGAIN)
        return done

    # --- The end

    def stop(self, reason: str, *, patient: bool = False) -> None:
        """The parent is interrupted: those that are driven here are, too. See `Stop`."""
        self._driven.stop(reason, patient=patient)

    def hurry(self) -> None:
        """They were stopped, and what runs of them is ended now."""
        for id in self._driven.ids():
            self._nest.hurry(id)

    def end(self, *, insist: bool = False) -> bool:
        """The parent has ended: so do those that have not; who cancels it twice can `insist`. Whether all of them were
        told."""
        try:
            rows = self._nest.history.store.children(self._engine.run_id)
        except StoreError:
            return False
        left = [row.id for row in rows if row.part is not None and row.state not in ENDED]
        return self._cancel(left, insist=insist) == left


def _value(run: Run, task: Task) -> Any:
    """What a task of a run gave: None if it gave nothing, of a map the list."""
    found = run.task(str(task.name))
    if found.instances or found.state == "success":
        return found.result
    return [] if task.expand is not None and found.state == "skipped" else None

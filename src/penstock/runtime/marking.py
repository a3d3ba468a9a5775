"""Saying by hand what became of tasks.

A run that nobody drives is marked by whoever asks. One that is driven is marked by its driver, who finds the request in
the run's inbox. It takes it, or leaves it aside if something has begun meanwhile that stands in the way; who asked sees
in the journal which it was, and why in what the run has come to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from getpass import getuser

from penstock.clock import Clock
from penstock.engine.events import DriverStopped, Event, TasksMarked
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.errors import PenstockError, RunLocked
from penstock.runtime.choosing import choose_named, slots_below
from penstock.runtime.history import History
from penstock.runtime.replay import replay
from penstock.runtime.sending import await_answer
from penstock.runtime.takeover import end_of, left_waiting
from penstock.store.base import Lease, RunRow, Store

STATES = ("success", "failed", "skipped")
"""What a task can be marked as."""
KIND = "mark"
"""The kind of message that asks for it."""
_LAW = (TaskState.UPSTREAM_FAILED, TaskState.SKIPPED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody says of tasks, given by their names."""

    id: str
    """Tells two requests apart that say the same."""
    tasks: Sequence[str]
    state: str
    by: str
    note: str = ""

    def event(self, engine: RunEngine, at: float, *, driven: bool) -> TasksMarked:
        """What it means for a run as it stands. PenstockError for a name that is not there, or a task that cannot be
        marked; RunLocked if it only cannot now."""
        tasks = tasks_named(engine, self.tasks)
        if reason := _refusal(engine, tasks):
            raise PenstockError(f"run {engine.run_id}: {reason}")
        if reason := _conflict(engine, tasks) or (_value_let_go(engine, tasks) if driven else None):
            raise RunLocked(f"run {engine.run_id}: {reason}")
        return TasksMarked(at, tasks, self.state, self.by, self.note)

    @classmethod
    def read(cls, body: str) -> Request | None:
        """The request in a message; None if there is none that makes sense."""
        try:
            request = cls(**json.loads(body))
        except (ValueError, TypeError):
            return None
        names, texts = request.tasks, (request.id, request.state, request.by, request.note)
        is_whole = isinstance(names, list) and all(isinstance(text, str) for text in (*names, *texts))
        return request if is_whole and request.state in STATES else None


def mark(
    history: History,
    run_id: str | None,
    names: Sequence[str],
    state: str,
    note: str,
    by: str | None,
    clock: Clock,
    waiting: Callable[[], None] | None = None,
) -> str:
    """Mark tasks of a run; the run's id. If somebody drives it, this returns when its driver has taken the marks, and
    calls `waiting` if that takes long. PenstockError for a name that is not there, or a task that cannot be marked;
    RunLocked for one that cannot be while others run."""
    if state not in STATES:
        raise PenstockError(f"a task is marked as {', '.join(STATES[:-1])} or {STATES[-1]}, not {state!r}")
    store = history.store
    row = history.row(run_id)
    request = Request(os.urandom(8).hex(), [*names], state, by or getuser(), note)
    while True:
        try:
            lease = store.acquire(row.id)
        except RunLocked:
            if _ask(store, row, request, clock, waiting):
                return row.id
            continue  # nobody drives it any more, or what stood in the way has gone
        try:
            _mark_unheld(store, row, lease, request, clock)
        finally:
            lease.release()
        return row.id


def _mark_unheld(store: Store, row: RunRow, lease: Lease, request: Request, clock: Clock) -> None:
    row = store.run(row.id)
    engine = replay(store, row)
    now = clock.time()
    events: list[Event] = [DriverStopped(now, "lost")] if TaskState.RUNNING in engine.states else []
    try:
        for event in events:
            engine.handle(event)
        events.append(request.event(engine, now, driven=False))
        engine.handle(events[-1])
    except InvalidEvent as error:
        raise PenstockError(f"run {row.id}: these tasks cannot be marked: {error}") from error
    ended = left_waiting(row, end_of(engine))
    change = replace(ended, state=ended.state or "running", reopened=row.ended_at is not None)
    store.append(lease, events, change=change, taken=_asked(store, row.id, request), safe=True)


def _ask(store: Store, row: RunRow, request: Request, clock: Clock, waiting: Callable[[], None] | None) -> bool:
    """Ask the driver of a run, and wait for its answer. Whether it has taken the marks."""
    position = max((number for number, _ in store.read(row.id)), default=0)
    wanted = request.event(replay(store, store.run(row.id)), clock.time(), driven=True)
    if not _asked(store, row.id, request):
        store.post(row.id, KIND, json.dumps(asdict(request)))
    if not await_answer(store, row.id, lambda: _asked(store, row.id, request), clock, waiting):
        return False  # it died, or let go of the run, with the request unread
    return any(_fits(event, wanted) for _, events in store.read(row.id, position) for event in events)


def _asked(store: Store, run_id: str, request: Request) -> list[int]:
    """The messages with this request that nobody has answered."""
    messages = [message for message in store.messages(run_id) if message.kind == KIND]
    return [message.id for message in messages if (read := Request.read(message.body)) and read.id == request.id]


def _fits(event: Event, wanted: TasksMarked) -> bool:
    return isinstance(event, TasksMarked) and replace(event, at=wanted.at) == wanted


# --- In the driver


def marks_asked_for(engine: RunEngine, body: str, at: float) -> TasksMarked | None:
    """What a message asks of a run that is being driven; None if that cannot be. Whoever sent it finds out why."""
    request = Request.read(body)
    try:
        return request.event(engine, at, driven=True) if request is not None else None
    except PenstockError:
        return None


# --- What is marked, and what stands in the way


def tasks_named(engine: RunEngine, names: Sequence[str]) -> tuple[int, ...]:
    """The slots of tasks by their names, of maps their instances. PenstockError for one that does not exist."""
    expanded = {row for row in engine.plan.expanded_by if engine.states[row] == TaskState.SUCCESS}
    return tuple(slot for slot in choose_named(engine, names) if slot not in expanded)


def _refusal(engine: RunEngine, tasks: Sequence[int]) -> str | None:
    """Why tasks of a run cannot be marked as it stands."""
    if engine.state is RunState.QUEUED:
        return "it has not begun, and nothing in it can be marked before that"
    if not tasks:
        return "there is no task in what is to be marked"
    for slot in tasks:
        if engine.is_head(slot) or slot in engine.plan.maps:
            name = engine.plan.names[slot]
            return f"'{name}' is mapped, and it is not known yet how many instances it has: mark what comes after it"
        if not engine.can_be_marked(slot):
            return f"'{engine.name(slot)}' is not there any more"
    return None


def _conflict(engine: RunEngine, tasks: Sequence[int]) -> str | None:
    """Why tasks of a run cannot be marked just now."""
    if waiting := [slot for slot in tasks if engine.waits_for_round(slot)]:
        name = engine.name(waiting[0])
        return f"'{name}' begins anew with its group soon, and would forget it: wait, or cancel the run first"
    if running := engine.in_the_way(tasks):
        return f"{_running(engine, running, tasks)}: wait until that has ended, or cancel the run first"
    return None


def _running(engine: RunEngine, running: Sequence[int], tasks: Sequence[int]) -> str:
    name = engine.name(running[0])
    others = f" and {len(running) - 1:,} more" if len(running) > 1 else ""
    if running[0] in tasks:
        return f"'{name}'{others} is running"
    return f"'{name}'{others}, which comes after what is to be marked, is running"


def _value_let_go(engine: RunEngine, tasks: Sequence[int]) -> str | None:
    """Why a driver cannot go on after marks: a task that they set going takes a value that cannot be stored, and that
    the driver has let go of when it was settled that the task would not run."""
    volatile = {slot for slot, value in engine.values.items() if value.codec == "volatile"}
    for slot in slots_below(engine, tasks) if volatile else ():
        if engine.states[slot] not in _LAW:
            continue
        for upstream in engine.plan.inputs[engine.row(slot)]:
            above = engine.slot_beside(slot, upstream)
            if above in volatile or (above == upstream and not volatile.isdisjoint(engine.slots(upstream))):
                return (
                    f"'{engine.name(slot)}' could run then, but the value of '{engine.name(above)}' that it takes "
                    "cannot be stored, and is not kept any more: mark this when the run has ended, and resume it"
                )
    return None

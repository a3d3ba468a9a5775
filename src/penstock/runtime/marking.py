"""Saying by hand what became of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from getpass import getuser

from penstock.clock import Clock
from penstock.engine.events import DriverStopped, Event, TasksMarked
from penstock.engine.run import InvalidEvent
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.runtime.choosing import choose_named
from penstock.runtime.history import History
from penstock.runtime.replay import replay
from penstock.runtime.takeover import end_of

STATES = ("success", "failed", "skipped")
"""What a task can be marked as."""


def mark(
    history: History, run_id: str | None, names: Sequence[str], state: str, note: str, by: str | None, clock: Clock
) -> str:
    """Mark tasks of a run that nobody drives; the run's id. RunLocked if somebody does; PenstockError for a name that
    is not there, or a task that cannot be marked."""
    if state not in STATES:
        raise PenstockError(f"a task is marked as {', '.join(STATES[:-1])} or {STATES[-1]}, not {state!r}")
    store = history.store
    row = history.row(run_id)
    lease = store.acquire(row.id)
    try:
        engine = replay(store, store.run(row.id))
        tasks = choose_named(engine, names)
        now = clock.time()
        left: list[Event] = [DriverStopped(now, "lost")] if TaskState.RUNNING in engine.states else []
        events = [*left, TasksMarked(now, tasks, state, by or getuser(), note)]
        try:
            for event in events:
                engine.handle(event)
        except InvalidEvent as error:
            raise PenstockError(f"run {row.id}: these tasks cannot be marked: {error}") from error
        ended = end_of(engine)
        change = replace(ended, state=ended.state or "running", reopened=row.ended_at is not None)
        store.append(lease, events, change=change, safe=True)
    finally:
        lease.release()
    return row.id

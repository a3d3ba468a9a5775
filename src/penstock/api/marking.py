"""What marking tasks would do: which tasks would be taken for what, and what becomes of those after them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from shlex import quote
from typing import Any

from penstock.api.reading import Reading
from penstock.api.replays import Replay
from penstock.engine.events import DriverStopped
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import TaskState
from penstock.errors import PenstockError
from penstock.runtime.history import ENDED
from penstock.runtime.marking import Request
from penstock.store.base import RunRow


def preview_of_mark(read: Reading, row: RunRow, names: Sequence[str], state: str) -> dict[str, Any]:
    """What would become of a run. Nothing is done: it is tried on a copy of what the journal says. PenstockError for
    what cannot be marked, RunLocked for what cannot be now."""
    engine = Replay(read.store, row).engine
    is_driven = read.store.holder(row.id) is not None
    now = time.time()
    if not is_driven and TaskState.RUNNING in engine.states:
        engine.handle(DriverStopped(now, "lost"))
    event = Request("", [*names], state, "").event(engine, now, driven=is_driven)
    before = bytes(engine.states)
    try:
        engine.handle(event)
    except InvalidEvent as error:
        raise PenstockError(f"run {row.id}: these tasks cannot be marked: {error}") from error
    others = [
        slot
        for slot, (was, now_is) in enumerate(zip(before, engine.states, strict=False))
        if was != now_is and slot not in event.tasks and slot not in engine.widths
    ]
    return {
        "id": row.id,
        "workflow": row.workflow,
        "tasks": [_told(engine, before, slot, f"is taken for {state}") for slot in event.tasks],
        "follows": [_told(engine, before, slot, _becomes(engine, slot)) for slot in others],
        "goes_on": str(engine.state) not in ENDED,
        "command": " ".join(["penstock mark", row.id, *map(quote, names), "--as", state]),
    }


def _told(engine: RunEngine, before: bytes, slot: int, because: str) -> dict[str, Any]:
    index = engine.index(slot)
    return {
        "id": engine.plan.names[engine.row(slot)],
        "map_index": index if index >= 0 else None,
        "state": TaskState(before[slot]).label if slot < len(before) else TaskState.PENDING.label,
        "because": because,
    }


def _becomes(engine: RunEngine, slot: int) -> str:
    """What becomes of a task that is weighed anew."""
    state = engine.task_state(slot)
    return "can run then" if state <= TaskState.READY else f"is {state.label} then"

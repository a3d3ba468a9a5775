"""One task over the runs of its workflow: how long it waited and ran, and what it took of the machine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

from penstock.api.reading import Reading
from penstock.api.records import attempt_record, counts_of, timestamp
from penstock.api.replays import MOST_TASKS, Replay
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import TaskNotFound
from penstock.runtime.attempts import AttemptRun
from penstock.runtime.history import ENDED
from penstock.runtime.logical_times import time_of
from penstock.runtime.times import moment
from penstock.store.base import RunRow

Past = dict[str, Any]
_Key = tuple[str, float | None, str]


class Pasts:
    """What is known of tasks in runs that have ended, so that no journal is read twice for it."""

    def __init__(self, read: Reading, most: int = 20_000) -> None:
        self._read = read
        self._most = most
        self._lock = Lock()
        self._known: OrderedDict[_Key, Past | None] = OrderedDict()

    def of(self, rows: Sequence[RunRow], task: str) -> list[Past]:
        """A task, or an instance of one, in those of these runs, newest first, that have it; oldest first. Of very
        large runs so few are read that their tasks are no more than are kept in memory. TaskNotFound if none has it."""
        found: list[Past] = []
        left = MOST_TASKS
        for row in rows:
            key = row.id, row.ended_at, task
            with self._lock:
                is_known, past = key in self._known, self._known.get(key)
            if not is_known:
                left -= sum(counts_of(row).values()) or row.tasks
                if left < 0 and found:
                    break
                past = self._look(row, task, key)
            if past is not None:
                found.append(past)
        if not found:
            raise TaskNotFound(f"none of the newest runs has a task '{task}'")
        return found[::-1]

    def _look(self, row: RunRow, task: str, key: _Key) -> Past | None:
        with self._read.replays.of(row) as known:
            slot = _slot_of(known.engine, task)
            past = None if slot is None else _past(row, known, slot)
        if row.state in ENDED:
            with self._lock:
                self._known[key] = past
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
        return past


def _slot_of(engine: RunEngine, name: str) -> int | None:
    row = engine.plan.numbers.get(name)
    if row is not None:
        return row
    task, bracket, index = name.removesuffix("]").rpartition("[")
    row = engine.plan.numbers.get(task)
    if not bracket or row is None or not index.isdecimal() or int(index) >= engine.widths.get(row, 0):
        return None
    return engine.slot(row, int(index))


def _past(row: RunRow, known: Replay, slot: int) -> Past:
    engine = known.engine
    slots = [*engine.slots(slot)] if slot in engine.widths else [slot]
    names = {engine.name(one) for one in slots}
    attempts = [one for one in known.attempts if one.task in names]
    waits = {id(one): waited for one, waited in _waits(engine, slots, attempts)}
    own = attempts if slot in engine.widths else attempts[-1:]
    ended = bool(own) and all(one.ended is not None for one in own)
    began, end = min((one.began for one in own), default=None), max((one.ended or 0.0 for one in own), default=None)
    cpu = [one.cpu for one in own if one.cpu is not None]
    return {
        "run": row.id,
        "state": engine.task_state(slot).label,
        "created_at": timestamp(moment(row.created_at)),
        "logical_time": timestamp(time_of(row).moment),
        "started_at": timestamp(moment(began)),
        "ended_at": timestamp(moment(end)) if ended else None,
        "duration": max(0.0, end - began) if ended and end is not None and began is not None else None,
        "waited": waits.get(id(own[0])) if own else None,
        "attempts": len(attempts),
        "cpu": sum(cpu) if cpu else None,
        "memory": max((one.memory for one in own if one.memory is not None), default=None),
        "tries": [attempt_record(one) | {"waited": waits.get(id(one))} for one in attempts]
        if slot not in engine.widths
        else [],
    }


def _waits(
    engine: RunEngine, slots: Iterable[int], attempts: Iterable[AttemptRun]
) -> Iterable[tuple[AttemptRun, float | None]]:
    """How long each attempt waited since it could begin: since what is before it had ended or, for another try, since
    the one before had. None where that is not known any more."""
    by_name = {engine.name(slot): slot for slot in slots}
    last: dict[str, AttemptRun] = {}
    for attempt in attempts:
        before, slot = last.get(attempt.task), by_name[attempt.task]
        last[attempt.task] = attempt
        if before is not None and before.generation == attempt.generation:
            free = before.ended
        else:
            free = _ready(engine, slot, attempt.began) if attempt.generation == engine.generation(slot) == 0 else None
        yield attempt, None if free is None else max(0.0, attempt.began - free)


def _ready(engine: RunEngine, slot: int, began: float) -> float | None:
    """When all that a task comes after had ended, at the latest when it began."""
    ends = [engine.started_at or began]
    for row in engine.plan.all_upstreams[engine.row(slot)]:
        beside = engine.slot_beside(slot, row)
        above = engine.slots(row) if beside == row else (beside,)
        ends += [engine.ended[one] for one in above if TaskState.SUCCESS <= engine.states[one] < TaskState.REMOVED]
    return max(end for end in ends if end <= began) if min(ends) <= began else None

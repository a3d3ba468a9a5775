"""How a run went: what determined when it ended, and what was slower than usual."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import isnan

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.codec import encode
from penstock.plan.fingerprint import fingerprint
from penstock.runtime.durations import durations_of, learned
from penstock.store.base import Store

LEAST_DIFFERENCE = 0.1
"""Seconds that are not worth a word."""
WAITED = 0.01
"""Seconds between what a task waited for and its beginning, from which on it has waited for a worker."""
MUCH = 2.0
"""So many times as long as usual, or as short, is much."""


def critical_path(engine: RunEngine) -> list[int]:
    """The slots of the tasks that determined when a run ended, in order: the last one to end, before it the last to end
    of those that it waited for, and so on. Before one that waited for a worker comes the last that ended till then,
    whose worker it had. None for a run that has not ended."""
    if engine.ended_at is None:
        return []
    ran = [slot for slot in range(len(engine.states)) if engine.attempts[slot] and _has_ended(engine, slot)]
    ran.sort(key=lambda slot: (engine.ended[slot], -slot))
    ends = [engine.ended[slot] for slot in ran]
    slot: int | None = ran[-1] if ran else None
    path, seen = [], set[int]()
    while slot is not None and slot not in seen:
        seen.add(slot)
        if not engine.attempts[slot]:
            slot = _before(engine, slot, engine.ended[slot])
            continue
        path.append(slot)
        began = engine.started[slot]
        above = _before(engine, slot, began)
        free = engine.ended[above] if above is not None else engine.started_at or 0.0
        others = bisect_right(ends, began)
        if engine.attempts[slot] == 1 and began - free > WAITED and others and ends[others - 1] > free:
            above = ran[others - 1]
        slot = above
    return path[::-1]


def _before(engine: RunEngine, slot: int, latest: float) -> int | None:
    """The last to end, by then, of all that a task waited for."""
    above = [one for one in _above(engine, slot) if _has_ended(engine, one) and engine.ended[one] <= latest]
    return max(above, key=lambda one: (engine.ended[one], engine.attempts[one] > 0), default=None)


def _above(engine: RunEngine, slot: int) -> Iterator[int]:
    """All that a task waited for, of maps their instances."""
    for row in engine.plan.all_upstreams[engine.row(slot)]:
        beside = engine.slot_beside(slot, row)
        yield from engine.slots(row) if beside == row else (beside,)


def _has_ended(engine: RunEngine, slot: int) -> bool:
    return TaskState.SUCCESS <= engine.states[slot] < TaskState.REMOVED


def usual(store: Store, engine: RunEngine) -> Sequence[float]:
    """How long each row of a run's plan takes as a rule, by other runs of the workflow; NaN for those of which nothing
    is known. Empty if that is all."""
    name = fingerprint(encode(engine.plan))
    return learned(store, engine.plan, name, without=durations_of(engine, name))


def pace(took: float | None, usual: float) -> str:
    """That a task took much longer than usual, or much less, in words; "" if it did not."""
    if took is None or isnan(usual) or abs(took - usual) < LEAST_DIFFERENCE:
        return ""
    if took > MUCH * usual:
        return f"{took / usual:.1f} times as long as usual" if usual > 0.001 else "longer than usual"
    return f"{usual / took:.1f} times as fast as usual" if 0.001 < took < usual / MUCH else ""

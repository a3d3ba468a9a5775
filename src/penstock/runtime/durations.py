"""How long tasks take, as learned from earlier runs of the same workflow: what goes first is decided by it.

A run that succeeds leaves behind how long the last attempt of each of its tasks took: seconds as 4-byte floats,
little-endian, one for each row of its plan, compressed; NaN where a task did not succeed by running. Of a map it is the
median of its instances, or of some of very many. What comes of several runs is the median of each task's, by name.

This is advice: where it cannot be read, a run goes in the order of its plan alone.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice
from math import isnan, nan

from penstock.engine.run import RunEngine
from penstock.engine.states import RunState, TaskState
from penstock.errors import StoreCorrupt, StoreError
from penstock.plan.codec import decode_names
from penstock.plan.plan import Plan
from penstock.store.base import Durations, Store

ASKED = 1_000
"""Of about how many instances of a map the median is taken at most: they lie evenly among all."""


def durations_of(engine: RunEngine, fingerprint: str) -> Durations | None:
    """What a run leaves behind. Nothing if it did not succeed, or was of a part of its workflow only: those would soon
    be all that is known."""
    plan = engine.plan
    if engine.state is not RunState.SUCCESS or plan.selection:
        return None
    seconds = array("f", _took(engine, range(engine.size)))
    for row, width in engine.widths.items():
        some = islice(engine.slots(row), None, None, 1 + width // ASKED)
        seconds[row] = _median([*_took(engine, some)])
    return Durations(fingerprint, zlib.compress(_little(seconds).tobytes(), 1))


def _took(engine: RunEngine, slots: Iterable[int]) -> Iterable[float]:
    """How long the last attempts of tasks took."""
    states, attempts, started, ended = engine.states, engine.attempts, engine.started, engine.ended
    success = int(TaskState.SUCCESS)
    for slot in slots:
        if states[slot] != success or not attempts[slot]:  # without an attempt, somebody said that it succeeded
            yield nan
        elif slot in engine.waiting_since and engine.policy(slot).workflow is not None:
            yield max(ended[slot] - engine.waiting_since[slot], 0.0)  # the whole run that the task is
        else:
            yield max(ended[slot] - started[slot], 0.0)


def learned(store: Store, plan: Plan, fingerprint: str, *, without: Durations | None = None) -> Sequence[float]:
    """How long each row of a plan takes, in seconds; NaN for those of which nothing is known. Empty if that is all.
    `without` is what one run has left behind that does not count."""
    try:
        kept = [durations for durations in store.durations(plan.workflow) if durations != without]
        runs = [_of_rows(durations, store, plan, fingerprint) for durations in kept]
    except StoreError:
        return ()
    return medians(runs)


def medians(runs: Sequence[Sequence[float]]) -> Sequence[float]:
    """What comes of several runs of the same rows."""
    if len(runs) <= 1:
        return runs[0] if runs else ()
    return array("f", map(_median, zip(*runs, strict=True)))


def _of_rows(durations: Durations, store: Store, plan: Plan, fingerprint: str) -> Sequence[float]:
    """What one run left behind, for the rows of this plan."""
    try:
        seconds = array("f", zlib.decompress(durations.body))
    except (zlib.error, ValueError) as error:
        raise StoreCorrupt(f"a note of durations cannot be read: {error}") from error
    names = plan.names if durations.plan == fingerprint else decode_names(store.plan(durations.plan))
    if len(names) != len(seconds):
        raise StoreCorrupt("a note of durations does not fit its plan")
    if names == plan.names:
        return _little(seconds)
    took = dict(zip(names, _little(seconds), strict=True))
    return array("f", [took.get(name, nan) for name in plan.names])


def _median(values: Sequence[float]) -> float:
    """The median of those that are known; of two in the middle the greater. NaN if there are none."""
    known = sorted(values if not isnan(sum(values)) else [value for value in values if not isnan(value)])
    return known[len(known) // 2] if known else nan


def _little(seconds: array[float]) -> array[float]:
    """From this machine's order of bytes to that of the format, or back."""
    if sys.byteorder == "big":
        seconds.byteswap()
    return seconds

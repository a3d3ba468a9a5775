"""From what a store keeps of a run to its state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType

from penstock.engine.events import Event, RunStarted
from penstock.engine.run import InvalidEvent, RunEngine
from penstock.engine.states import RunState
from penstock.errors import StoreCorrupt
from penstock.plan.codec import decode
from penstock.plan.fingerprint import fingerprint
from penstock.plan.plan import Plan
from penstock.store.base import RunRow, Store

Follow = Callable[[RunEngine], Callable[[Event], object]]
"""What hands each event to an engine, and sees what it does."""


def replay(
    store: Store,
    row: RunRow,
    follow: Follow = lambda engine: engine.handle,
    *,
    known: Mapping[str, Plan] = MappingProxyType({}),
) -> RunEngine:
    """The engine of a run, brought to where its journal ends. StoreCorrupt if what is kept of it makes no sense.
    `known` are plans, by name, that it may be told to follow though they are not kept."""
    plans = dict(known)

    def find(name: str) -> Plan:
        if name not in plans:
            plans[name] = kept_plan(store, name)
        return plans[name]

    engine = RunEngine(find(row.plan), run_id=row.id, plans=find)
    handle = follow(engine)
    for number, events in store.read(row.id):
        if number == 1:
            check_row(row, *events)
        try:
            for event in events:
                handle(event)
        except (InvalidEvent, IndexError) as error:
            raise StoreCorrupt(f"batch {number} of run {row.id} does not fit what came before: {error}") from error
    if _ends_early(row, engine) and store.run(row.id) == row:  # else somebody has just set it going again
        raise StoreCorrupt(
            f"run {row.id} is on record as {row.state}, but its journal ends before that: the store was damaged; "
            "restore a backup, or delete this run"
        )
    return engine


def _ends_early(row: RunRow, engine: RunEngine) -> bool:
    """Whether a journal ends before its run does: what ends a run changes its row in the same batch."""
    begun = row.started_at is not None or row.state != RunState.QUEUED
    ended = row.state not in (RunState.QUEUED, RunState.RUNNING, "waiting")
    return (begun and engine.state is RunState.QUEUED) or (ended and row.ended_at != engine.ended_at)


def kept_plan(store: Store, name: str) -> Plan:
    """A plan from a store. StoreCorrupt if it is not the one of that name, which is its fingerprint."""
    encoded = store.plan(name)
    if fingerprint(encoded) != name:
        raise StoreCorrupt(
            f"plan {name} does not fit its name: the store was damaged, or edited by another program; "
            "restore a backup, or delete the runs that followed this plan"
        )
    return decode(encoded)


def row_digest(row: RunRow) -> str:
    """A digest of what a run's row says from beginning to end, which its journal keeps: BLAKE2b, 16 bytes, of a JSON
    array."""
    texts = [_storable(text) for text in (row.id, row.workflow, row.params, row.plan, row.source or "")]
    if row.parent is not None:
        texts += [row.parent, _storable(row.part or "")]
    if row.logical_at is not None:
        texts += [repr(time) for time in (row.logical_at, row.interval_start, row.interval_end, row.timezone)]
    return blake2b(json.dumps([*texts, row.created_at]).encode(), digest_size=16).hexdigest()


def _storable(text: str) -> str:
    """A text as it comes back from any store: some keep no lone surrogates or no NUL, but their escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def check_row(row: RunRow, *events: object) -> None:
    """StoreCorrupt if a run's row is not the one that its journal began with."""
    for event in events:
        if isinstance(event, RunStarted) and event.row and event.row != row_digest(row):
            raise StoreCorrupt(
                f"what is on record of run {row.id} (its workflow, parameters, plan, file or time of creation) is not "
                "what it began with: the store was damaged, or edited by another program; restore a backup, or delete "
                "this run"
            )

"""From the journal of a run to its state."""

from __future__ import annotations

from penstock.engine.run import InvalidEvent, RunEngine
from penstock.errors import StoreCorrupt
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.store.base import RunRow, Store


def replay(store: Store, row: RunRow) -> RunEngine:
    """The engine of a run, brought to where its journal ends. StoreCorrupt if the journal does not make sense."""
    plans: dict[str, Plan] = {}

    def find(fingerprint: str) -> Plan:
        if fingerprint not in plans:
            plans[fingerprint] = decode(store.plan(fingerprint))
        return plans[fingerprint]

    engine = RunEngine(find(row.plan), run_id=row.id, plans=find)
    handle = engine.handle
    for number, events in store.read(row.id):
        try:
            for event in events:
                handle(event)
        except (InvalidEvent, IndexError) as error:
            raise StoreCorrupt(f"batch {number} of run {row.id} does not fit what came before: {error}") from error
    return engine

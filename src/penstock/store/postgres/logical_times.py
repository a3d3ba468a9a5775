"""That a workflow has one run for a logical time: its tick is put on record in the run's own transaction.

Whoever takes the same time meanwhile waits at the tick for the end of that transaction. All who take times, or keep
plans, pass one gate first: nobody stands at it with a tick in his hand, while he who closed it waits for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

from penstock.store.base import RunRow
from penstock.store.lookup import given_twice
from penstock.store.postgres.connection import Connection, execute, storable
from penstock.store.postgres.upkeep import PLANS
from penstock.store.ticks import has_tick, taken, tick_of

tick_values = attrgetter("what", "first", "last", "count", "run_id", "decided_at")


@contextmanager
def taking_its_time(db: Connection, key: int, run: RunRow) -> Iterator[None]:
    """What is done within puts a run on record: together with its tick, if it has one. LogicalTimeTaken if its workflow
    has had a run for its logical time. A run without one costs nothing more."""
    if not has_tick(run):
        yield
        return
    with db.transaction():
        execute(db, "gate", key, PLANS)
        take_time(db, run)
        yield


def take_time(db: Connection, run: RunRow) -> None:
    """Keep, in a transaction that has passed the gate, that a run is the one for its logical time."""
    tick = tick_of(run)
    if not execute(db, "take_time", *storable(run.workflow), tick.last, *storable(run.id), tick.decided_at):
        if execute(db, "number", *storable(run.id)):
            raise given_twice(run.id)
        found = execute(db, "taken", *storable(run.workflow), tick.last)
        raise taken(run, found[0][0] if found else None)

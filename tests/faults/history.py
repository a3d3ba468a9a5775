"""The journal of a run, with the names and generations of the tasks that its events are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from penstock.engine.events import (
    AttemptFailed,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    Event,
)
from penstock.engine.run import RunEngine
from penstock.plan.codec import decode
from penstock.plan.plan import Plan
from penstock.runtime.record import Run
from penstock.store.base import Store
from tests.faults.driving import of_events

ABOUT_ATTEMPTS = (AttemptStarted, AttemptSucceeded, AttemptSkipped, AttemptFailed)


class Said(NamedTuple):
    """An event about an attempt."""

    event: AttemptStarted | AttemptSucceeded | AttemptSkipped | AttemptFailed
    task: str
    """With the index, where it is an instance of a map."""
    generation: int


class History:
    """What is on record of one run."""

    def __init__(self, plan: Plan, run_id: str, batches: Iterable[list[Event]]) -> None:
        self.batches = [*batches]
        engine = RunEngine(plan, run_id=run_id)
        self._said: dict[str, list[Said]] = {}
        for events in self.batches:
            said = self._said[of_events(events)] = []
            for event in events:
                if isinstance(event, ABOUT_ATTEMPTS):
                    said.append(Said(event, engine.name(event.task), engine.generation(event.task)))
                engine.handle(event)

    @classmethod
    def read(cls, store: Store, run_id: str) -> History:
        """The history of a run that has followed one plan."""
        plan = decode(store.plan(store.run(run_id).plan))
        return cls(plan, run_id, (events for _, events in store.read(run_id)))

    def with_those_of(self, store: Store, runs: Iterable[Run]) -> History:
        """The same with what is on record of other runs, whose tasks have other names."""
        for run in runs:
            self._said |= History.read(store, run.id)._said
        return self

    def of_batch(self, digest: str) -> list[Said]:
        """What a batch says about attempts; nothing if it is not there."""
        return self._said.get(digest, [])

    def of(self, kind: type[Event]) -> Iterator[Said]:
        """All events of a kind."""
        return (said for batch in self._said.values() for said in batch if isinstance(said.event, kind))

    def counts(self, kind: type[Event]) -> Counter[str]:
        """How many there are of a kind, by task."""
        return Counter(said.task for said in self.of(kind))

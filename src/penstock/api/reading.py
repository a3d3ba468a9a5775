"""What the API works with, and how it reads runs: without loading anybody's code, and without unpickling anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from penstock.api.idempotency import Keys
from penstock.api.records import params_of, row_record, shown_state
from penstock.api.replays import Replay, Replays
from penstock.results.values import load_value
from penstock.runtime.approvals import approval_of
from penstock.runtime.history import ENDED, History
from penstock.runtime.record import Run
from penstock.runtime.replay import kept_plan, replay
from penstock.runtime.why_sent import sent_to
from penstock.runtime.why_slots import SlotWaits
from penstock.store.base import RunRow, Store

if TYPE_CHECKING:
    from penstock.api.service import Service
    from penstock.manager import WorkflowManager
    from penstock.plan.plan import Plan


class Reading:
    """Runs on record, and whoever is asked to do something with them."""

    def __init__(self, manager: WorkflowManager, service: Service | None = None) -> None:
        self.manager = manager
        self.service = service
        self.began = time.time()
        self.stopping = threading.Event()
        """Set when the server is about to end."""
        parts = manager.parts
        self.store: Store = parts.store
        self.logs = parts.logs
        self.history = History(parts.store, parts.results, parts.logs)
        self.replays = Replays(parts.store)
        self.keys = Keys()
        self._asks: dict[str, bool] = {}

    def row(self, run_id: str) -> RunRow:
        """The row of a run, by its id or a unique prefix. RunNotFound."""
        return self.store.run(run_id)

    @contextmanager
    def run(self, run_id: str) -> Iterator[tuple[Run, Replay]]:
        """A run as it is now, for this thread alone as long as it is looked at."""
        row = self.row(run_id)
        with self.replays.of(row) as known:
            state, driver = row.state, None
            if row.state not in ENDED:
                driver = self.store.holder(row.id)
                if driver is None:
                    row = self.row(row.id)  # it may have ended in between
                state = "interrupted" if driver is None and row.state == "running" else row.state
            if row.state in ENDED:
                known.read_on()  # the row was read first: its end is in the journal
            yield (
                Run(
                    row,
                    state=state,
                    params=cast("dict[str, Any]", params_of(row)),
                    engine=known.engine,
                    replay=partial(replay, self.store, row),
                    load=partial(load_value, results=self.history.results, unpickle=False),
                    log=lambda task: "",
                    driver=driver,
                    find_children=partial(self.history.children, row.id),
                    slot_waits=partial(SlotWaits, self.store),
                    find_sent=partial(sent_to, self.store, row.id),
                ),
                known,
            )

    def plan(self, row: RunRow) -> Plan:
        """The plan that a run began with."""
        return kept_plan(self.store, row.plan)

    # --- Lists

    def summary(self, row: RunRow) -> dict[str, Any]:
        """A run in a list."""
        if row.state in ENDED:
            return _of_ended(row)
        return row_record(row, shown_state(self.store, row)) | {"approvals": self.asked(row)}

    def summaries(self, rows: Sequence[RunRow]) -> list[dict[str, Any]]:
        """Runs in a list."""
        return [self.summary(row) for row in rows]

    def asked(self, row: RunRow) -> list[str]:
        """The tasks of a run that wait for somebody's decision."""
        if row.state == "queued" or not self.asks_somebody(row.plan):
            return []
        with self.replays.of(row) as known:
            found = (approval_of(known.engine, slot) for slot in known.engine.topics)
            return [approval.task for approval in found if approval is not None]

    def asks_somebody(self, plan: str) -> bool:
        """Whether tasks of a plan wait for somebody's decision."""
        if plan not in self._asks:
            if len(self._asks) > 10_000:
                self._asks.clear()
            policies = kept_plan(self.store, plan).policies
            self._asks[plan] = any(policy.asking is not None for policy in policies)
        return self._asks[plan]


@lru_cache(5_000)
def _of_ended(row: RunRow) -> dict[str, Any]:
    """A run that has ended: the same for the same row."""
    return row_record(row, row.state) | {"approvals": []}

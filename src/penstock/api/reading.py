"""What the API works with, and how it reads runs: without loading anybody's code, and without unpickling anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from penstock.api.idempotency import Keys
from penstock.api.kept import Kept
from penstock.api.records import approval_record, params_of, row_record, shown_state, timestamp
from penstock.api.replays import Replay, Replays
from penstock.results.values import load_value
from penstock.runtime.approvals import Approval, approval_of
from penstock.runtime.history import ENDED, History
from penstock.runtime.logical_times import counts_from
from penstock.runtime.record import Run
from penstock.runtime.replay import kept_plan, replay
from penstock.runtime.times import moment
from penstock.runtime.why_sent import sent_to
from penstock.runtime.why_slots import SlotWaits
from penstock.store.base import RunRow, Store
from penstock.store.schedules import ScheduleRow

if TYPE_CHECKING:
    from penstock.api.service import Service
    from penstock.engine.run import RunEngine
    from penstock.manager import WorkflowManager
    from penstock.plan.plan import Plan
    from penstock.runtime.attempts import Chronicle


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
        self.schedules = Kept(self.store, self.store.schedules)
        self.newest_runs = Kept(self.store, self.store.newest_runs)
        self._by_workflow = Kept(self.store, self._schedules_by_workflow, fresh=1.0)
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
                _KnownRun(
                    known,
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
            return _of_ended(row) | self.meant(row)
        return row_record(row, shown_state(self.store, row)) | {"approvals": self.asked(row)} | self.meant(row)

    def meant(self, row: RunRow) -> dict[str, Any]:
        """What its workflow says of a run: in which zone its times are meant, and when it must have ended."""
        return {"zone": row.timezone or self.zone_of(row.workflow), "ends_by": timestamp(moment(self.ends_by(row)))}

    def zone_of(self, workflow: str) -> str:
        """The zone in which the times of a workflow are meant."""
        schedule = self._by_workflow().get(workflow)
        return schedule.timezone if schedule is not None else "UTC"

    def approval(self, approval: Approval) -> dict[str, Any]:
        """What somebody is to decide."""
        return approval_record(approval) | {"zone": self.zone_of(approval.workflow)}

    def ends_by(self, row: RunRow) -> float | None:
        """When a run must have ended by the deadline of its workflow, in seconds since 1970; None without one."""
        schedule = self._by_workflow().get(row.workflow)
        deadline = schedule.deadline if schedule is not None else None
        return None if deadline is None else counts_from(row) + deadline

    def _schedules_by_workflow(self) -> dict[str, ScheduleRow]:
        return {row.workflow: row for row in self.schedules()}

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


class _KnownRun(Run):
    """A run whose journal has been read: it is not read again for what its attempts tell."""

    def __init__(self, known: Replay, row: RunRow, **options: Any) -> None:
        super().__init__(row, **options)
        self._read_already = known

    def _told(self) -> tuple[RunEngine, Chronicle]:
        return self._read_already.engine, self._read_already.chronicle


@lru_cache(5_000)
def _of_ended(row: RunRow) -> dict[str, Any]:
    """A run that has ended: the same for the same row."""
    return row_record(row, row.state) | {"approvals": []}

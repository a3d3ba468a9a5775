"""What every store must do, as tests: for Penstock's own stores and for those of others.

    class TestMyStore(StoreConformance):
        def open(self, folder: Path) -> Store:
            return MyStore(folder)

Needs pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.engine.events import RunResumed, RunStarted
from penstock.errors import StoreError
from penstock.store.base import Durations, Lease, Pool, RunChange, Store
from penstock.testing.store_durations import StoreDurations
from penstock.testing.store_history import StoreHistory
from penstock.testing.store_inbox import StoreInbox
from penstock.testing.store_journal import StoreJournal
from penstock.testing.store_leases import StoreLeases
from penstock.testing.store_listing import StoreListing
from penstock.testing.store_parking import StoreParking
from penstock.testing.store_pools import StorePools
from penstock.testing.store_samples import EVERY_EVENT, new_run
from penstock.testing.store_schedules import StoreSchedules, due_run, new_schedule
from penstock.testing.store_starting import StoreStarting


class StoreConformance(
    StoreJournal,
    StoreHistory,
    StoreStarting,
    StoreDurations,
    StoreLeases,
    StoreInbox,
    StoreParking,
    StorePools,
    StoreSchedules,
    StoreListing,
):
    """Inherit from it, say how a store is opened, and name the class Test..."""

    def test_a_closed_store_refuses_work(self, store: Store, lease: Lease) -> None:
        store.close()
        store.close()
        work: list[Callable[[], object]] = [
            *(store.sync, store.runs, store.unfinished, store.pools),
            *(store.newest_runs, store.run_counts, store.changes, store.schedules, store.merge_ticks),
            lambda: store.active_runs("flights"),
            lambda: store.put_schedules([new_schedule()]),
            lambda: store.schedule("flights"),
            lambda: store.pause("flights", True),
            lambda: store.forget_schedule("flights"),
            lambda: store.decide("flights", 0.0, 1.0),
            lambda: store.ticks("flights"),
            lambda: store.due(1.0),
            lambda: store.children("run-1"),
            lambda: store.set_pool("api", 1),
            lambda: store.delete_pool("api"),
            lambda: store.pool_users("api"),
            lambda: store.claim(lease, "api", 1, capacity=1),
            lambda: store.append(lease, [RunStarted(1.0)]),
            lambda: list(store.read("run-1")),
            lambda: store.acquire("run-1"),
            lambda: store.holder("run-1"),
            lambda: store.post("run-1", "cancel"),
            lambda: store.messages("run-1"),
            lambda: store.listen("run-1"),
            lambda: store.create_run(new_run("run-2"), b"a plan"),
            lambda: store.start_run(new_run("run-2"), b"a plan"),
            lambda: store.add_plan("run-1", "plan-b", b"another plan"),
            lambda: store.plan("plan-a"),
            lambda: store.run("run-1"),
            lambda: store.durations("flights"),
            lambda: store.delete_run("run-1"),
        ]
        for call in work:
            with pytest.raises(StoreError):
                call()
        lease.release()

    def test_a_durable_store_gives_back_what_was_written(self, store: Store, lease: Lease, tmp_path: Path) -> None:
        if not store.durable:
            pytest.skip("this store keeps nothing")
        durations = Durations("plan-a", b"durations")
        store.append(lease, EVERY_EVENT, change=RunChange(state="running", durations=durations))
        store.post("run-1", "cancel")
        store.set_pool("api", 3)
        store.claim(lease, "api", 2)
        inbox = store.messages("run-1")
        store.put_schedules([new_schedule()])
        store.decide("flights", 0.0, 1.0, [(due_run("run-2", 1.0), b"a plan")])
        ticks = store.ticks("flights")
        store.close()  # and with it goes the lease
        again = self.open(tmp_path / "store")
        try:
            assert again.runs() == [due_run("run-2", 1.0), new_run(state="running")]
            assert again.schedules() == [new_schedule(upto=1.0)]
            assert again.ticks("flights") == ticks != []
            assert again.messages("run-1") == inbox
            assert again.plan("plan-a") == b"a plan"
            assert again.durations("flights") == [durations]
            assert again.holder("run-1") is None
            assert again.pools() == [Pool("api", 3, 0, 0)]
            assert again.pool_users("api") == []
            newer = again.acquire("run-1")
            assert newer.token > lease.token
            again.append(newer, [RunResumed(20.0)])
            assert list(again.read("run-1")) == [(1, EVERY_EVENT), (2, [RunResumed(20.0)])]
        finally:
            again.close()

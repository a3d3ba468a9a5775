"""How every store must put a run on record together with its first lease. Part of the conformance suite."""

from __future__ import annotations

import threading

import pytest

from penstock.errors import LeaseLost, RunLocked, StoreError
from penstock.store.base import Lease, RunChange, Store
from penstock.testing.store_samples import EVERY_EVENT, StoreSamples, in_threads, new_run


class StoreStarting(StoreSamples):
    """The start of a run."""

    def test_a_started_run_is_on_record_and_driven(self, store: Store) -> None:
        row = new_run("run-2", plan="plan-b", undelivered=1)
        lease = store.start_run(row, b"another plan")
        assert lease.run_id == "run-2"
        assert not lease.lost
        assert store.run("run-2") == row
        assert store.plan("plan-b") == b"another plan"
        assert store.holder("run-2") is not None
        with pytest.raises(RunLocked, match="run-2"):
            store.acquire("run-2")
        with pytest.raises(RunLocked, match="run-2"):
            store.delete_run("run-2")
        store.append(lease, EVERY_EVENT)
        assert list(store.read("run-2")) == [(1, EVERY_EVENT)]
        lease.release()
        assert store.holder("run-2") is None
        assert store.acquire("run-2").token > lease.token
        with pytest.raises(LeaseLost):
            store.append(lease, EVERY_EVENT)

    def test_a_started_run_goes_with_its_plan(self, store: Store) -> None:
        store.start_run(new_run("run-2", plan="plan-b"), b"another plan").release()
        store.delete_run("run-2")
        with pytest.raises(StoreError, match="plan-b"):
            store.plan("plan-b")

    def test_to_start_a_run_under_an_id_that_was_given_does_nothing(self, store: Store, lease: Lease) -> None:
        with pytest.raises(StoreError, match="run-1"):
            store.start_run(new_run(state="other", plan="plan-b"), b"another plan")
        assert store.runs() == [new_run()]
        store.append(lease, EVERY_EVENT)
        lease.release()
        with pytest.raises(StoreError, match="run-1"):
            store.start_run(new_run(), b"a plan")
        assert store.holder("run-1") is None

    def test_one_of_many_threads_starts_a_run_and_the_others_are_refused(self, store: Store) -> None:
        def start(_: int) -> Lease | None:
            try:
                return store.start_run(new_run("run-2"), b"a plan")
            except StoreError:
                return None

        [lease] = [lease for lease in in_threads(start, 8) if lease]
        store.append(lease, EVERY_EVENT)
        assert [run.id for run in store.runs()] == ["run-2", "run-1"]

    def test_nobody_gets_between_the_start_of_a_run_and_its_lease(self, store: Store) -> None:
        """Somebody who takes every run that he sees, as those do who adopt the runs of dead drivers."""
        done = threading.Event()
        taken: list[str] = []

        def adopt() -> None:
            while not done.is_set():
                for row in store.unfinished():
                    try:
                        store.acquire(row.id).release()
                    except RunLocked:
                        continue
                    taken.append(row.id)

        store.append(lease := store.acquire("run-1"), [], change=RunChange(state="success"))
        lease.release()
        adopting = threading.Thread(target=adopt)
        adopting.start()
        try:
            leases = [store.start_run(new_run(f"new-{number}"), b"a plan") for number in range(30)]
            for lease in leases:
                store.append(lease, EVERY_EVENT)
                store.append(lease, [], change=RunChange(state="success"))
        finally:
            done.set()
            adopting.join()
        assert taken == []

"""What every store must keep of how long tasks took. Part of the conformance suite."""

from __future__ import annotations

import pytest

from penstock.engine.events import (
    RunStarted,
)
from penstock.errors import LeaseLost
from penstock.store.base import DURATIONS_KEPT, Durations, Lease, RunChange, Store
from penstock.testing.store_samples import StoreSamples, new_run


class StoreDurations(StoreSamples):
    """Durations."""

    def test_a_batch_leaves_durations_behind(self, store: Store, lease: Lease) -> None:
        body = bytes(range(256))
        store.append(lease, [RunStarted(1.0)], change=RunChange(state="success", durations=Durations("plan-a", body)))
        assert store.durations("flights") == [Durations("plan-a", body)]
        assert store.durations("another") == []
        assert store.run("run-1") == new_run(state="success")

    def test_a_run_that_goes_on_leaves_others(self, store: Store, lease: Lease) -> None:
        store.append(lease, [], change=RunChange(durations=Durations("plan-a", b"first")))
        store.append(lease, [], change=RunChange(state="running", reopened=True))
        assert store.durations("flights") == [Durations("plan-a", b"first")]
        store.append(lease, [], change=RunChange(durations=Durations("plan-b", b"second")))
        assert store.durations("flights") == [Durations("plan-b", b"second")]

    def test_durations_of_the_newest_runs_are_kept(self, store: Store) -> None:
        store.start_run(new_run("other", workflow="another"), b"a plan")
        leases = [store.start_run(new_run(f"many-{number}", created_at=2000.0), b"a plan") for number in range(9)]
        for number in (3, 0, 8, 5, 1, 2, 7, 6, 4):  # in the order in which they end
            durations = Durations("plan-a", b"%d" % number)
            store.append(leases[number], [], change=RunChange(durations=durations))
            assert store.durations("flights").count(durations) == 1, "what was left last is there at first"
            assert len(store.durations("flights")) <= DURATIONS_KEPT
        kept = [int(durations.body) for durations in store.durations("flights")]
        assert kept == [8, 7, 6, 5, 4]
        store.append(leases[4], [], change=RunChange(durations=Durations("plan-a", b"4")))
        assert [int(durations.body) for durations in store.durations("flights")] == kept
        assert store.durations("another") == []

    def test_durations_go_with_their_run(self, store: Store, lease: Lease) -> None:
        other = store.start_run(new_run("run-2"), b"a plan")
        store.append(lease, [], change=RunChange(durations=Durations("plan-a", b"1")))
        store.append(other, [], change=RunChange(durations=Durations("plan-a", b"2")))
        lease.release()
        store.delete_run("run-1")
        assert store.durations("flights") == [Durations("plan-a", b"2")]

    def test_a_batch_that_is_refused_leaves_no_durations(self, store: Store, lease: Lease) -> None:
        lease.release()
        with pytest.raises(LeaseLost):
            store.append(lease, [], change=RunChange(durations=Durations("plan-a", b"1")))
        assert store.durations("flights") == []

"""What every store must do so that a run has one driver. Part of the conformance suite."""

from __future__ import annotations

import os
import socket
import time

import pytest

from penstock.engine.events import RunResumed, RunStarted
from penstock.errors import LeaseLost, RunLocked
from penstock.store.base import Lease, RunChange, Store
from penstock.testing.store_samples import StoreSamples, in_threads


class StoreLeases(StoreSamples):
    """Leases."""

    def test_a_run_has_one_driver(self, store: Store, lease: Lease) -> None:
        with pytest.raises(RunLocked, match="run-1"):
            store.acquire("run-1")
        lease.release()
        store.acquire("run-1")

    def test_only_one_of_many_threads_becomes_the_driver(self, store: Store) -> None:
        def compete(_: int) -> Lease | None:
            try:
                return store.acquire("run-1")
            except RunLocked:
                return None

        assert len([lease for lease in in_threads(compete, 8) if lease]) == 1

    def test_the_holder_is_this_process_while_it_drives(self, store: Store) -> None:
        assert store.holder("run-1") is None
        before = time.time()
        lease = store.acquire("run-1")
        holder = store.holder("run-1")
        assert holder is not None
        assert (holder.pid, holder.host) == (os.getpid(), socket.gethostname())
        assert before <= holder.since <= time.time()
        assert abs(holder.heard_at - time.time()) < 60  # by a clock that may be the store's
        lease.release()
        assert store.holder("run-1") is None

    def test_tokens_grow(self, store: Store) -> None:
        tokens = []
        for _ in range(3):
            lease = store.acquire("run-1")
            assert not lease.lost
            tokens.append(lease.token)
            lease.release()
        assert tokens == sorted(set(tokens))

    def test_a_lease_that_was_given_back_writes_nothing(self, store: Store) -> None:
        old = store.acquire("run-1")
        store.append(old, [RunStarted(1.0)])
        old.release()
        store.post("run-1", "cancel")
        inbox = store.messages("run-1")
        for new in (None, store.acquire("run-1")):
            with pytest.raises(LeaseLost, match="run-1"):
                store.append(old, [RunResumed(2.0)], change=RunChange(state="success"), taken=[inbox[0].id])
            if new:
                store.append(new, [RunResumed(3.0)])
        assert [events for _, events in store.read("run-1")] == [[RunStarted(1.0)], [RunResumed(3.0)]]
        assert store.run("run-1").state == "queued"
        assert store.messages("run-1") == inbox

    def test_releasing_twice_does_not_harm_the_next_driver(self, store: Store) -> None:
        old = store.acquire("run-1")
        old.release()
        new = store.acquire("run-1")
        old.release()
        assert store.holder("run-1") is not None
        store.append(new, [RunStarted(1.0)])

"""What every store must do for the driver of a run: leases, inbox and listener. Part of the conformance suite."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from penstock.engine.events import (
    RunResumed,
    RunStarted,
)
from penstock.errors import LeaseLost, RunLocked
from penstock.store.base import Lease, Listener, RunChange, Store
from penstock.testing.store_samples import StoreSamples, in_threads


class StoreDriving(StoreSamples):
    """Leases, inbox and listener."""

    # --- Leases

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

    # --- Inbox

    def test_messages_come_oldest_first(self, store: Store) -> None:
        before = time.time()
        for number in range(20):
            store.post("run-1", "mark", f'{{"number": {number}}}')
        inbox = store.messages("run-1")
        assert [message.body for message in inbox] == [f'{{"number": {number}}}' for number in range(20)]
        assert [message.id for message in inbox] == sorted({message.id for message in inbox})
        assert all(message.kind == "mark" and before <= message.at <= time.time() for message in inbox)

    def test_the_id_of_a_message_is_not_used_again(self, store: Store, lease: Lease) -> None:
        store.post("run-1", "cancel")
        [first] = store.messages("run-1")
        store.append(lease, [], taken=[first.id])
        store.post("run-1", "cancel")
        [second] = store.messages("run-1")
        assert second.id > first.id

    # --- Listener

    @pytest.fixture
    def listener(self, store: Store, lease: Lease) -> Iterator[Listener]:
        """Where the driver of "run-1" sleeps."""
        listener = store.listen("run-1")
        yield listener
        listener.close()

    def test_nothing_wakes_a_listener(self, listener: Listener) -> None:
        assert not listener.wait(0)
        assert not listener.wait(-1)
        started = time.monotonic()
        assert not listener.wait(0.05)
        assert time.monotonic() - started >= 0.05

    def test_a_driver_that_sleeps_is_heard(self, store: Store, listener: Listener) -> None:
        first = store.holder("run-1")
        assert first is not None
        heard_at = first.heard_at
        deadline = time.monotonic() + 60
        while heard_at <= first.heard_at:
            assert time.monotonic() < deadline, "no sign of life for a minute"
            listener.wait(0.2)
            holder = store.holder("run-1")
            assert holder is not None
            assert (holder.pid, holder.since) == (first.pid, first.since)
            heard_at = holder.heard_at

    def test_an_early_poke_is_not_lost_and_counts_once(self, listener: Listener) -> None:
        for _ in range(100_000):
            listener.poke()
        assert listener.wait(60)
        assert not listener.wait(0)

    def test_a_poke_from_a_thread_wakes(self, listener: Listener) -> None:
        thread = threading.Timer(0.05, listener.poke)
        thread.start()
        assert listener.wait(None)
        thread.join()

    def test_a_poke_from_a_signal_handler_wakes(self, listener: Listener) -> None:
        before = signal.signal(signal.SIGALRM, lambda number, frame: listener.poke())
        try:
            for _ in range(20):
                signal.setitimer(signal.ITIMER_REAL, 0.001)
                assert listener.wait(None)
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_a_signal_handler_may_poke_while_its_thread_does(self, listener: Listener) -> None:
        signals = 0

        def handle(number: int, frame: object) -> None:
            nonlocal signals
            signals += 1
            listener.poke()

        before = signal.signal(signal.SIGALRM, handle)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            while signals < 200:
                listener.poke()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert listener.wait(60)

    def test_a_message_wakes(self, store: Store, listener: Listener) -> None:
        store.post("run-1", "cancel")
        assert listener.wait(60)
        assert [message.kind for message in store.messages("run-1")] == ["cancel"]

    def test_a_closed_listener_takes_no_harm(self, store: Store, lease: Lease) -> None:
        listener = store.listen("run-1")
        listener.close()
        listener.close()
        listener.poke()
        store.post("run-1", "cancel")
        second = store.listen("run-1")
        listener.close()
        store.post("run-1", "cancel")
        assert second.wait(60)
        second.close()

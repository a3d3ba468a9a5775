"""What every store must do so that a driver hears what others want of its run. Part of the conformance suite."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from penstock.store.base import Lease, Listener, Store
from penstock.testing.store_samples import StoreSamples


class StoreInbox(StoreSamples):
    """Inbox and listener."""

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

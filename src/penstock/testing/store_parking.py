"""What every store must know of runs that wait, and of parts of runs. Part of the conformance suite."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from penstock.engine.events import RunResumed, RunStarted
from penstock.errors import LeaseLost, StoreError
from penstock.store.base import Lease, RunChange, Store
from penstock.testing.store_samples import StoreSamples, new_run


def parked(wake_at: float | None) -> RunChange:
    """What parks a run."""
    return RunChange(state="waiting", wake_at=wake_at)


class StoreParking(StoreSamples):
    """Runs that wait, and parts of runs."""

    # --- Waiting

    def test_a_run_waits_until_its_time(self, store: Store, lease: Lease) -> None:
        store.append(lease, [RunStarted(1.0)], change=parked(50.0))
        expected = new_run(state="waiting", wake_at=50.0)
        assert store.run("run-1") == expected
        assert store.unfinished() == []
        assert store.due(49.9) == []
        assert store.due(50.0) == [expected]  # held
        lease.release()
        assert store.due(1e10) == [expected]  # or not

    def test_a_run_without_a_time_is_never_due(self, store: Store, lease: Lease) -> None:
        store.append(lease, [], change=parked(None))
        assert store.run("run-1") == new_run(state="waiting")
        assert store.unfinished() == []
        assert store.due(1e300) == []

    def test_what_has_been_due_longest_comes_first(self, store: Store) -> None:
        times = {"a": 30.0, "b": 10.0, "c": None, "d": 20.0, "e": 10.0, "f": 0.0, "g": 40.0}
        for id, at in times.items():
            store.create_run(new_run(id, state="waiting", wake_at=at, created_at=9000.0), b"a plan")
        store.create_run(new_run("h", state="running", wake_at=5.0), b"a plan")
        assert [row.id for row in store.due(30.0)] == ["f", "b", "e", "d", "a"]
        store.delete_run("e")
        assert [row.id for row in store.due(10.0)] == ["f", "b"]

    @pytest.mark.parametrize("state", ["running", "queued", "success", "failed", "cancelled"])
    def test_another_state_ends_the_waiting(self, store: Store, lease: Lease, state: str) -> None:
        store.append(lease, [], change=parked(50.0))
        store.append(lease, [RunResumed(2.0)], change=RunChange(state=state, wake_at=60.0))
        assert store.run("run-1") == new_run(state=state)
        assert store.due(100.0) == []

    def test_a_change_of_something_else_leaves_the_time(self, store: Store, lease: Lease) -> None:
        store.append(lease, [], change=RunChange(tasks=2, wake_at=40.0))
        assert store.run("run-1") == new_run(tasks=2)
        store.append(lease, [], change=parked(50.0))
        store.append(lease, [], change=RunChange(tasks=3, wake_at=60.0))
        assert store.run("run-1") == new_run(state="waiting", wake_at=50.0, tasks=3)
        store.append(lease, [], change=parked(70.0))
        assert store.run("run-1").wake_at == 70.0
        store.append(lease, [], change=parked(None))
        assert store.run("run-1").wake_at is None

    def test_a_waiting_run_is_no_unfinished_one_whatever_it_has_to_tell(self, store: Store, lease: Lease) -> None:
        store.append(lease, [], change=replace(parked(None), undelivered=3))
        assert store.unfinished() == []
        store.append(lease, [], change=RunChange(state="success"))
        assert [row.id for row in store.unfinished()] == ["run-1"]

    @pytest.mark.parametrize("wake_at", [None, 50.0])
    def test_a_message_makes_a_waiting_run_due(self, store: Store, lease: Lease, wake_at: float | None) -> None:
        store.append(lease, [], change=parked(wake_at))
        lease.release()
        store.create_run(new_run("run-2", state="waiting", wake_at=7.0), b"a plan")
        store.post("run-1", "message")
        assert store.due(0.0) == [new_run(state="waiting", wake_at=0.0)]
        store.post("run-1", "message")
        assert store.due(0.0) == [new_run(state="waiting", wake_at=0.0)]
        assert store.run("run-2").wake_at == 7.0

    @pytest.mark.parametrize("state", ["running", "success"])
    def test_a_message_to_another_run_wakes_nothing(self, store: Store, lease: Lease, state: str) -> None:
        store.append(lease, [], change=RunChange(state=state))
        store.post("run-1", "message")
        assert store.run("run-1") == new_run(state=state)
        assert store.due(100.0) == []

    def test_a_run_whose_inbox_is_not_empty_does_not_wait(self, store: Store, lease: Lease) -> None:
        for kind in ("message", "cancel"):
            store.post("run-1", kind)
        first, second = store.messages("run-1")
        store.append(lease, [], change=parked(50.0))
        assert store.run("run-1").wake_at == 0.0
        store.append(lease, [], change=parked(None), taken=[first.id])
        assert store.run("run-1").wake_at == 0.0
        store.append(lease, [], change=parked(50.0), taken=[second.id])
        assert store.run("run-1").wake_at == 50.0

    def test_the_mail_of_others_lets_a_run_wait(self, store: Store, lease: Lease) -> None:
        store.create_run(new_run("run-2"), b"a plan")
        store.post("run-2", "message")
        store.append(lease, [], change=parked(50.0))
        assert store.run("run-1").wake_at == 50.0

    def test_a_refused_batch_parks_nothing(self, store: Store, lease: Lease) -> None:
        lease.release()
        with pytest.raises(LeaseLost):
            store.append(lease, [], change=parked(50.0))
        assert store.run("run-1") == new_run()

    def test_no_message_is_missed_by_a_run_that_comes_to_wait(self, store: Store, lease: Lease) -> None:
        def post(ready: threading.Barrier) -> None:
            ready.wait()
            store.post("run-1", "message")

        for _ in range(40):
            ready = threading.Barrier(2)
            posting = threading.Thread(target=post, args=[ready])
            posting.start()
            ready.wait()
            seen = [message.id for message in store.messages("run-1")]
            store.append(lease, [], change=parked(None), taken=seen)
            posting.join()
            assert (store.messages("run-1") == []) is (store.run("run-1").wake_at is None) is bool(seen)
            inbox = [message.id for message in store.messages("run-1")]
            store.append(lease, [], change=RunChange(state="running"), taken=inbox)

    def test_a_run_that_waits_is_taken_over_like_any_other(self, store: Store, lease: Lease) -> None:
        store.append(lease, [RunStarted(1.0)], change=parked(5.0))
        lease.release()
        [row] = store.due(6.0)
        newer = store.acquire(row.id)
        store.append(newer, [RunResumed(7.0)], change=RunChange(state="running"))
        assert store.due(1e10) == []
        assert [row.id for row in store.unfinished()] == ["run-1"]
        assert list(store.read("run-1")) == [(1, [RunStarted(1.0)]), (2, [RunResumed(7.0)])]

    # --- Parts

    def test_parts_of_a_run_come_oldest_first(self, store: Store) -> None:
        described = [("a", "run-1", 30.0), ("b", "run", 10.0), ("c", "run-1", 10.0), ("d", None, 5.0)]
        described += [("e", "run-1", 10.0), ("f", "run-11", 7.0)]
        for id, parent, at in described:
            part = None if parent is None else f'["{id}", 0, 0]'
            store.create_run(new_run(id, parent=parent, part=part, created_at=at), b"a plan")
        found = store.children("run-1")
        assert [row.id for row in found] == ["c", "e", "a"]
        assert found[0] == new_run("c", parent="run-1", part='["c", 0, 0]', created_at=10.0)
        assert store.children("a") == []

    def test_a_part_stays_a_part_when_the_whole_is_deleted(self, store: Store) -> None:
        lease = store.start_run(new_run("run-2", parent="run-1", part="[]"), b"a plan")
        store.append(lease, [RunStarted(1.0)], change=RunChange(state="success", ended_at=2.0))
        store.delete_run("run-1")
        assert [row.id for row in store.children("run-1")] == ["run-2"]
        lease.release()
        store.delete_run("run-2")
        assert store.children("run-1") == []

    def test_a_part_that_cannot_be_put_on_record_is_none(self, store: Store) -> None:
        with pytest.raises(StoreError, match="run-1"):
            store.create_run(new_run(parent="whole"), b"a plan")
        assert store.children("whole") == []

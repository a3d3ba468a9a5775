"""What every store must do, as tests: for Penstock's own stores and for those of others.

    class TestMyStore(StoreConformance):
        def open(self, folder: Path) -> Store:
            return MyStore(folder)

Needs pytest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.events import (
    Event,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
)
from penstock.errors import LeaseLost, RunLocked, RunNotFound, StoreError
from penstock.store.base import DURATIONS_KEPT, Durations, Lease, RunChange, Store
from penstock.testing.store_driving import StoreDriving
from penstock.testing.store_samples import EVERY_EVENT, in_threads, new_run

_NO_COLUMNS = ("durations", "reopened")
"""What of a change is no new value for the run's row."""


class StoreConformance(StoreDriving):
    """Inherit from it, say how a store is opened, and name the class Test..."""

    # --- Journal

    def test_batches_come_back_in_order_and_unchanged(self, store: Store, lease: Lease) -> None:
        store.append(lease, EVERY_EVENT)
        store.append(lease, EVERY_EVENT[:1], safe=True)
        store.append(lease, EVERY_EVENT[::-1])
        assert list(store.read("run-1")) == [(1, EVERY_EVENT), (2, EVERY_EVENT[:1]), (3, EVERY_EVENT[::-1])]

    def test_events_keep_the_types_of_their_fields(self, store: Store, lease: Lease) -> None:
        store.append(lease, EVERY_EVENT)
        [(_, events)] = store.read("run-1")
        assert [repr(event) for event in events] == [repr(event) for event in EVERY_EVENT]

    def test_a_new_journal_is_empty(self, store: Store) -> None:
        assert list(store.read("run-1")) == []

    def test_the_list_that_was_written_may_be_used_again(self, store: Store, lease: Lease) -> None:
        events: list[Event] = [RunStarted(1.0)]
        store.append(lease, events)
        events.clear()
        assert list(store.read("run-1")) == [(1, [RunStarted(1.0)])]

    @pytest.mark.parametrize("after", [0, 1, 63, 64, 65, 128, 199, 200, 300])
    def test_a_long_journal_is_read_from_any_batch_on(self, store: Store, lease: Lease, after: int) -> None:
        for number in range(1, 201):
            store.append(lease, [RetryDue(number, 1.0)])
        read = list(store.read("run-1", after))
        assert read == [(number, [RetryDue(number, 1.0)]) for number in range(after + 1, 201)]

    def test_equal_batches_are_as_many_as_were_written(self, store: Store, lease: Lease) -> None:
        for _ in range(3):
            store.append(lease, [RetryDue(1, 1.0)], safe=True)
            store.append(lease, [])
        assert [events for _, events in store.read("run-1") if events] == [[RetryDue(1, 1.0)]] * 3

    def test_journals_of_runs_are_apart(self, store: Store, lease: Lease) -> None:
        store.create_run(new_run("run-2"), b"a plan")
        other = store.acquire("run-2")
        for number in range(10):
            store.append(lease, [RetryDue(number, 1.0)])
            store.append(other, [RetryDue(-number, 1.0)])
        assert [batch for batch, _ in store.read("run-2")] == list(range(1, 11))
        assert [events[0].task for _, events in store.read("run-2")] == [-n for n in range(10)]  # type: ignore[union-attr]

    def test_writing_goes_on_while_a_journal_is_read(self, store: Store, lease: Lease) -> None:
        for number in range(1, 101):
            store.append(lease, [RetryDue(number, 1.0)])
        batches = store.read("run-1")
        assert next(batches)[0] == 1
        store.append(lease, [RunStarted(1.0)])
        assert [number for number, _ in batches][:99] == list(range(2, 101))

    def test_sync_takes_nothing_and_something(self, store: Store, lease: Lease) -> None:
        store.sync()
        store.append(lease, EVERY_EVENT)
        store.sync()
        store.sync()
        assert list(store.read("run-1")) == [(1, EVERY_EVENT)]

    def test_a_batch_changes_the_row_and_takes_messages(self, store: Store, lease: Lease) -> None:
        for kind in ("cancel", "wake", "cancel"):
            store.post("run-1", kind)
        first, second, third = store.messages("run-1")
        store.append(lease, [RunStarted(5.0)], change=RunChange(state="running", tasks=7), taken=[first.id, third.id])
        assert store.messages("run-1") == [second]
        assert store.run("run-1") == new_run(state="running", tasks=7)

    def test_a_batch_that_is_refused_does_nothing(self, store: Store, lease: Lease) -> None:
        store.post("run-1", "cancel")
        inbox = store.messages("run-1")
        lease.release()
        with pytest.raises(LeaseLost):
            store.append(lease, [RunStarted(5.0)], change=RunChange(state="running"), taken=[inbox[0].id])
        assert store.run("run-1") == new_run()
        assert store.messages("run-1") == inbox
        assert list(store.read("run-1")) == []
        store.append(store.acquire("run-1"), [RunResumed(6.0)])
        assert list(store.read("run-1")) == [(1, [RunResumed(6.0)])]

    def test_a_change_needs_no_events(self, store: Store, lease: Lease) -> None:
        store.post("run-1", "wake")
        store.append(lease, [], change=RunChange(error="why"), taken=[store.messages("run-1")[0].id])
        assert store.run("run-1").error == "why"
        assert store.messages("run-1") == []
        assert [event for _, events in store.read("run-1") for event in events] == []

    def test_messages_of_other_runs_are_not_taken(self, store: Store, lease: Lease) -> None:
        store.create_run(new_run("run-2"), b"a plan")
        store.post("run-2", "cancel")
        [message] = store.messages("run-2")
        store.append(lease, [RunStarted(1.0)], taken=[message.id, 123456])
        assert store.messages("run-2") == [message]

    def test_a_row_keeps_what_a_change_does_not_name(self, store: Store, lease: Lease) -> None:
        ended = RunChange(state="failed", started_at=2.0, ended_at=3.0, error="because", counts='{"failed": 1}')
        store.append(lease, [], change=ended)
        expected = new_run(state="failed", started_at=2.0, ended_at=3.0, error="because", counts='{"failed": 1}')
        assert store.run("run-1") == expected
        store.append(lease, [], change=RunChange(tasks=3))
        assert store.run("run-1") == replace(expected, tasks=3)
        store.append(lease, [], change=RunChange(state="running", reopened=True))
        assert store.run("run-1") == replace(expected, tasks=3, state="running", ended_at=None, error=None)
        store.append(lease, [], change=RunChange(ended_at=9.0, error="again", reopened=True))
        assert store.run("run-1") == replace(expected, tasks=3, state="running", ended_at=9.0, error="again")

    @pytest.mark.parametrize("name", [field.name for field in fields(RunChange) if field.name not in _NO_COLUMNS])
    def test_every_value_of_a_row_can_be_changed(self, store: Store, lease: Lease, name: str) -> None:
        store.add_plan("run-1", "plan-b", b"another plan")
        texts = {"plan": "plan-b", "state": "running", "error": "why", "counts": '{"success": 1}'}
        value: dict[str, Any] = {name: texts.get(name, 7)}
        assert value[name] != getattr(new_run(), name)
        store.append(lease, [], change=RunChange(**value))
        assert store.run("run-1") == new_run(**value)

    def test_text_that_is_no_unicode_is_no_obstacle(self, store: Store, lease: Lease) -> None:
        store.append(lease, [], change=RunChange(error="no file a\udcffb"))
        assert str(store.run("run-1").error).startswith("no file a")
        store.post("run-1", "cancel", '"\udcff"')
        assert len(store.messages("run-1")) == 1

    def test_threads_append_to_different_runs(self, store: Store) -> None:
        def drive(number: int) -> None:
            id = f"many-{number}"
            store.create_run(new_run(id), b"a plan")
            lease = store.acquire(id)
            for at in range(100):
                store.append(lease, [RetryDue(number, float(at))], safe=at % 50 == 0)
            lease.release()

        in_threads(drive, 8)
        for number in range(8):
            assert list(store.read(f"many-{number}")) == [(at + 1, [RetryDue(number, float(at))]) for at in range(100)]

    def test_threads_append_to_one_run(self, store: Store, lease: Lease) -> None:
        def write(number: int) -> None:
            for at in range(50):
                store.append(lease, [RetryDue(number, float(at))])

        in_threads(write, 4)
        batches = list(store.read("run-1"))
        assert [number for number, _ in batches] == list(range(1, 201))
        for thread in range(4):
            assert [e.at for _, [e] in batches if e == RetryDue(thread, e.at)] == [float(at) for at in range(50)]

    # --- History

    def test_a_run_keeps_every_column(self, store: Store) -> None:
        full = new_run(
            "run-2",
            started_at=1.5,
            ended_at=2.5,
            error="größer \U0001f600",
            tasks=5,
            counts='{"success": 5}',
            source=None,
            undelivered=3,
        )
        store.create_run(full, b"a plan")
        assert store.run("run-2") == full
        assert store.runs(limit=1) == [full]

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

    def test_unfinished_runs_come_oldest_first(self, store: Store) -> None:
        described = [("a", "running", 3000.0, 0), ("b", "success", 10.0, 1), ("c", "failed", 5.0, 0)]
        described += [("d", "queued", 20.0, 0), ("e", "running", 20.0, 0), ("f", "cancelled", 9.0, 0)]
        rows = {id: new_run(id, state=state, created_at=at, undelivered=n) for id, state, at, n in described}
        for row in rows.values():
            store.create_run(row, b"a plan")
        lease = store.acquire("a")
        assert store.unfinished() == [rows["b"], rows["d"], rows["e"], new_run(), rows["a"]]
        store.append(lease, [], change=RunChange(state="success", undelivered=2))
        assert [row.id for row in store.unfinished()] == ["b", "d", "e", "run-1", "a"]
        store.append(lease, [], change=RunChange(undelivered=1))
        assert [row.id for row in store.unfinished()] == ["b", "d", "e", "run-1", "a"]
        store.append(lease, [], change=RunChange(undelivered=0))
        assert [row.id for row in store.unfinished()] == ["b", "d", "e", "run-1"]
        store.append(lease, [], change=RunChange(state="running", reopened=True))
        store.delete_run("d")
        assert [row.id for row in store.unfinished()] == ["b", "e", "run-1", "a"]

    def test_an_id_is_given_once(self, store: Store) -> None:
        with pytest.raises(StoreError, match="run-1"):
            store.create_run(new_run(state="other", plan="plan-b"), b"another plan")
        assert store.runs() == [new_run()]
        with pytest.raises(StoreError):
            store.plan("plan-b")

    def test_a_shortened_id_finds_its_run(self, store: Store) -> None:
        store.create_run(new_run("abc1"), b"a plan")
        store.create_run(new_run("abd1"), b"a plan")
        store.create_run(new_run("abd12"), b"a plan")
        assert store.run("abc").id == "abc1"
        assert store.run("abd12").id == "abd12"
        assert store.run("abd1").id == "abd1"  # whole, although it begins another

    @pytest.mark.parametrize("id", ["", "x", "run-11", "RUN-1", "%", "_un-1", "*", "run-1\x00", "\ud800", "../run-1"])
    def test_an_id_that_names_no_run(self, store: Store, id: str) -> None:
        with pytest.raises(RunNotFound):
            store.run(id)

    def test_a_shortened_id_that_names_several(self, store: Store) -> None:
        for number in range(2, 7):
            store.create_run(new_run(f"run-{number}"), b"a plan")
        with pytest.raises(RunNotFound, match=r"several.*run-1"):
            store.run("run-")

    def test_an_unknown_run_is_refused_everywhere(self, store: Store) -> None:
        unknown: list[Callable[[str], object]] = [
            *(store.acquire, store.holder, store.messages, store.listen, store.delete_run),
            lambda id: store.post(id, "cancel"),
            lambda id: store.add_plan(id, "plan-b", b"another plan"),
            lambda id: list(store.read(id)),
        ]
        for call in unknown:
            for id in ("run", "unknown", "", "\ud800"):
                with pytest.raises(RunNotFound):
                    call(id)

    def test_runs_come_newest_first(self, store: Store) -> None:
        for number, (workflow, at) in enumerate([("a", 3000.0), ("b", 2000.0), ("a", 2000.0), ("a", 500.0)], 2):
            store.create_run(new_run(f"run-{number}", workflow=workflow, created_at=at), b"a plan")
        assert [run.id for run in store.runs()] == ["run-2", "run-4", "run-3", "run-1", "run-5"]
        assert [run.id for run in store.runs(limit=2)] == ["run-2", "run-4"]
        assert [run.id for run in store.runs("a")] == ["run-2", "run-4", "run-5"]
        assert [run.id for run in store.runs("a", limit=1)] == ["run-2"]
        assert store.runs("unknown") == []

    def test_a_plan_is_kept_once(self, store: Store) -> None:
        assert store.plan("plan-a") == b"a plan"
        store.add_plan("run-1", "plan-b", b"\x00\xff")
        store.add_plan("run-1", "plan-b", b"\x00\xff")
        store.create_run(new_run("run-2", plan="plan-b"), b"\x00\xff")
        assert store.plan("plan-b") == b"\x00\xff"
        with pytest.raises(StoreError, match="plan-c"):
            store.plan("plan-c")

    def test_deleting_a_run_leaves_the_others(self, store: Store, lease: Lease) -> None:
        store.create_run(new_run("run-2"), b"a plan")
        other = store.acquire("run-2")
        store.append(other, EVERY_EVENT)
        store.post("run-2", "cancel")
        other.release()
        store.append(lease, EVERY_EVENT)
        store.delete_run("run-2")
        assert [run.id for run in store.runs()] == ["run-1"]
        assert list(store.read("run-1")) == [(1, EVERY_EVENT)]
        assert store.plan("plan-a") == b"a plan"
        with pytest.raises(LeaseLost):
            store.append(other, EVERY_EVENT)
        store.create_run(new_run("run-2"), b"a plan")  # the id is free, and remembers nothing
        assert list(store.read("run-2")) == []
        assert store.messages("run-2") == []
        store.acquire("run-2")
        with pytest.raises(LeaseLost):
            store.append(other, EVERY_EVENT)

    def test_a_plan_goes_with_the_last_run_that_ever_followed_it(self, store: Store, lease: Lease) -> None:
        store.add_plan("run-1", "plan-b", b"another plan")
        store.append(lease, [PlanAdopted(1.0, "plan-b")])
        lease.release()
        store.create_run(new_run("run-2", plan="plan-b"), b"another plan")
        store.create_run(new_run("run-3", plan="plan-a"), b"a plan")
        store.delete_run("run-3")
        assert store.plan("plan-a") == b"a plan"  # run-1 began with it: its journal cannot be replayed without
        store.delete_run("run-1")
        with pytest.raises(StoreError, match="plan-a"):
            store.plan("plan-a")
        assert store.plan("plan-b") == b"another plan"
        store.add_plan("run-2", "plan-c", b"a third plan")  # which it never came to follow
        store.delete_run("run-2")
        for plan in ("plan-b", "plan-c"):
            with pytest.raises(StoreError, match=plan):
                store.plan(plan)

    # --- Durations

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

    def test_a_driven_run_is_not_deleted(self, store: Store, lease: Lease) -> None:
        with pytest.raises(RunLocked, match="run-1"):
            store.delete_run("run-1")
        store.append(lease, [RunStarted(1.0)])
        assert list(store.read("run-1")) == [(1, [RunStarted(1.0)])]

    # --- The whole

    def test_a_closed_store_refuses_work(self, store: Store, lease: Lease) -> None:
        store.close()
        store.close()
        work: list[Callable[[], object]] = [
            *(store.sync, store.runs, store.unfinished),
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
        inbox = store.messages("run-1")
        store.close()  # and with it goes the lease
        again = self.open(tmp_path / "store")
        try:
            assert again.runs() == [new_run(state="running")]
            assert again.messages("run-1") == inbox
            assert again.plan("plan-a") == b"a plan"
            assert again.durations("flights") == [durations]
            assert again.holder("run-1") is None
            newer = again.acquire("run-1")
            assert newer.token > lease.token
            again.append(newer, [RunResumed(20.0)])
            assert list(again.read("run-1")) == [(1, EVERY_EVENT), (2, [RunResumed(20.0)])]
        finally:
            again.close()

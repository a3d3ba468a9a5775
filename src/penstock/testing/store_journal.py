"""What every store must do with journals, and with what is written along with them. Part of the conformance suite."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from penstock.engine.events import (
    Event,
    RetryDue,
    RunResumed,
    RunStarted,
)
from penstock.errors import LeaseLost
from penstock.store.base import Lease, RunChange, Store
from penstock.testing.store_samples import EVERY_EVENT, StoreSamples, in_threads, new_run

_NO_COLUMNS = ("durations", "reopened", "wake_at")
"""What of a change is no new value for the run's row, or not by itself."""


class StoreJournal(StoreSamples):
    """Batches, and the changes and messages that go with them."""

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

"""What every store must know of runs and their plans, until they are deleted. Part of the conformance suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.engine.events import (
    PlanAdopted,
    RunStarted,
)
from penstock.errors import LeaseLost, RunLocked, RunNotFound, StoreError
from penstock.store.base import Lease, RunChange, Store
from penstock.testing.store_samples import EVERY_EVENT, StoreSamples, new_run


class StoreHistory(StoreSamples):
    """Rows, ids and plans."""

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
            wake_at=99.5,
            parent="run-1",
            part='["größer 😀", 3, 0]',
            logical_at=86400.25,
            interval_start=1 / 3,
            interval_end=86400.25,
            timezone="Europe/Berlin",
            trigger="workflow",
        )
        store.create_run(full, b"a plan")
        assert store.run("run-2") == full
        assert store.runs(limit=1) == [full]

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

    def test_a_driven_run_is_not_deleted(self, store: Store, lease: Lease) -> None:
        with pytest.raises(RunLocked, match="run-1"):
            store.delete_run("run-1")
        store.append(lease, [RunStarted(1.0)])
        assert list(store.read("run-1")) == [(1, [RunStarted(1.0)])]

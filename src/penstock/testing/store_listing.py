"""How every store must list many runs, and tell that something has changed. Part of the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.engine.events import RunStarted
from penstock.store.base import Lease, RunChange, RunRow, Store
from penstock.testing.store_samples import StoreSamples, new_run
from penstock.testing.store_schedules import due_run, new_schedule

_STATES = ("success", "failed", "running", "queued", "waiting", "cancelled", "success")


class StoreListing(StoreSamples):
    """Pages and numbers."""

    @pytest.fixture
    def many(self, store: Store) -> list[RunRow]:
        """Runs of two workflows, newest first; of each five, the last four were created at one instant."""
        rows = [
            new_run(
                f"many-{number * 37 % 100:02}",
                workflow="ab"[number % 3 == 0],
                state=_STATES[number % 7],
                trigger=("schedule", "manual")[number % 4 == 0],
                created_at=2000.0 + (number + 3) // 5,
            )
            for number in range(60)
        ]
        for row in rows:
            store.create_run(row, b"a plan")
        return rows[::-1]

    @pytest.mark.parametrize("limit", [1, 3, 7, 50, 100])
    def test_pages_leave_nobody_out(self, store: Store, many: list[RunRow], limit: int) -> None:
        assert self._pages(store, limit) == [*many, new_run()]

    def _pages(self, store: Store, limit: int, workflow: str | None = None, **choice: object) -> list[RunRow]:
        rows: list[RunRow] = []
        before = None
        while page := store.runs(workflow, limit=limit, before=before, **choice):  # type: ignore[arg-type]
            assert len(page) <= limit
            rows += page
            before = page[-1].created_at, page[-1].id
        return rows

    @pytest.mark.parametrize("workflow", [None, "a", "b", "another"])
    @pytest.mark.parametrize("states", [None, ["failed"], ("success", "running", "unknown"), [], {"queued", "waiting"}])
    @pytest.mark.parametrize("trigger", [None, "manual"])
    def test_runs_are_chosen(
        self,
        store: Store,
        many: list[RunRow],
        workflow: str | None,
        states: list[str] | None,
        trigger: str | None,
    ) -> None:
        chosen = [
            row
            for row in many
            if (workflow is None or row.workflow == workflow)
            and (states is None or row.state in states)
            and (trigger is None or row.trigger == trigger)
        ]
        runs = store.runs(workflow, states=states, trigger=trigger, since=2000.0)
        assert runs == chosen
        assert store.runs(workflow, states=states, trigger=trigger, since=2000.0, limit=3) == chosen[:3]
        assert self._pages(store, 4, workflow, states=states, trigger=trigger, since=2000.0) == chosen
        late = [row for row in chosen if row.created_at >= 2007.0]
        assert store.runs(workflow, states=states, trigger=trigger, since=2007.0) == late

    def test_a_page_goes_on_where_a_run_was_deleted(self, store: Store, many: list[RunRow]) -> None:
        place = next(
            place for place, row in enumerate(many) if place > 9 and row.created_at == many[place + 1].created_at
        )
        last = many[place]
        store.delete_run(last.id)
        again = [row for row in many if row.created_at == last.created_at and row.id != last.id]
        older = [row for row in many if row.created_at < last.created_at]
        assert store.runs(before=(last.created_at, last.id), since=2000.0) == [*again, *older]
        assert store.runs(before=(1500.0, "")) == [new_run()]

    def test_the_newest_run_of_each_workflow(self, store: Store, many: list[RunRow]) -> None:
        newest = [next(row for row in many if row.workflow == workflow) for workflow in "ab"]
        assert store.newest_runs() == [*newest, new_run()]
        store.create_run(new_run("old", workflow="a", created_at=5.0), b"a plan")
        store.create_run(new_run("tie", workflow="b", created_at=newest[1].created_at), b"a plan")
        store.delete_run("run-1")
        assert [row.id for row in store.newest_runs()] == [newest[0].id, "tie"]

    def test_runs_are_counted_by_workflow_and_state(self, store: Store, many: list[RunRow]) -> None:
        counts = store.run_counts()
        assert counts["flights", "queued"] == 1
        assert sum(counts.values()) == len(many) + 1
        failed = sum(1 for row in many if (row.workflow, row.state) == ("b", "failed"))
        assert counts["b", "failed"] == failed > 0
        assert ("flights", "failed") not in counts

    # --- Changes

    def test_whatever_is_written_is_a_change(self, store: Store, lease: Lease) -> None:
        other = store.start_run(new_run("run-2"), b"a plan")
        store.put_schedules([new_schedule()])
        store.set_pool("api", 3)
        writes: list[Callable[[], object]] = [
            lambda: store.append(lease, [RunStarted(1.0)]),
            lambda: store.append(lease, [], change=RunChange(state="success")),
            lambda: store.post("run-1", "cancel"),
            lambda: store.create_run(new_run("run-3"), b"a plan"),
            lambda: store.start_run(new_run("run-4"), b"a plan"),
            lambda: store.add_plan("run-1", "plan-b", b"another plan"),
            lambda: store.acquire("run-3"),
            other.release,
            lambda: store.delete_run("run-2"),
            lambda: store.set_pool("api", 4),
            lambda: store.claim(lease, "api", 1),
            lambda: store.delete_pool("api"),
            lambda: store.put_schedules([new_schedule(version="v2")]),
            lambda: store.pause("flights", True),
            lambda: store.pause("flights", False),
            lambda: store.decide("flights", 0.0, 1.0, [(due_run("run-5", 1.0), b"a plan")]),
            lambda: store.forget_schedule("flights"),
        ]
        seen = store.changes()
        for number, write in enumerate(writes):
            write()
            now = store.changes()
            assert now != seen, f"write {number}"
            seen = now

    def test_what_others_write_is_a_change(self, store: Store, tmp_path: Path) -> None:
        if not store.durable:
            pytest.skip("nobody else can open this store")
        seen = store.changes()
        other = self.open(tmp_path / "store")
        try:
            other.create_run(new_run("run-2"), b"a plan")
            assert store.changes() != seen
            seen = store.changes()
            other.append(other.acquire("run-2"), [RunStarted(1.0)])
            assert store.changes() != seen
        finally:
            other.close()

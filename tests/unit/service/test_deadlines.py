"""Who is late is told of once, at the deadline, and nobody who has ended or is gone."""

from __future__ import annotations

from math import inf

import pytest

from penstock.clock import SystemClock
from penstock.runtime.logical_times import counts_from
from penstock.service.deadlines import Deadlines
from penstock.service.fleet import Handed
from penstock.store.base import RunChange, RunRow
from penstock.store.memory import MemoryStore


class VirtualClock(SystemClock):
    now = 0.0

    def time(self) -> float:
        return self.now


def test_runs_that_have_not_ended_at_their_deadline_are_told_of_once() -> None:
    store, clock = MemoryStore(), VirtualClock()
    late: list[tuple[str, float]] = []
    deadlines = Deadlines(store, clock, lambda run, at: late.append((run.run_id, at)))
    for number, run_id in enumerate(("slow", "quick", "gone")):
        store.create_run(RunRow(run_id, "flow", "queued", "{}", "plan", None, created_at=0.0), b"plan")
        deadlines.watch(Handed(run_id, "flow", "/flows/a.py"), 10.0 + number)
        deadlines.watch(Handed(run_id, "flow", "/flows/a.py"), 99.0)  # taken up again
    assert deadlines.next_at == 10.0
    clock.now = 9.9
    deadlines.step()
    assert late == []
    lease = store.acquire("quick")
    store.append(lease, [], change=RunChange(state="success", ended_at=9.9))
    lease.release()
    store.delete_run("gone")
    clock.now = 1_000.0
    deadlines.step()
    assert late == [("slow", 10.0)]
    assert deadlines.next_at == inf


@pytest.mark.parametrize(
    ("trigger", "logical_at", "since"),
    [("schedule", 50.0, 50.0), ("manual", 50.0, 70.0), ("manual", 90.0, 70.0), ("manual", None, 70.0)],
)
def test_a_deadline_counts_from_when_a_run_was_due_or_was_made_by_hand(
    trigger: str, logical_at: float | None, since: float
) -> None:
    row = RunRow("id", "flow", "queued", "{}", "plan", None, created_at=70.0, logical_at=logical_at, trigger=trigger)
    assert counts_from(row) == since

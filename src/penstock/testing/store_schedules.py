"""What every store must know of schedules and of what was decided. Part of the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from penstock.errors import LogicalTimeTaken, ScheduleNotFound, StoreError
from penstock.store.base import Lease, RunChange, RunRow, Store
from penstock.store.schedules import ScheduleRow, TickRow
from penstock.testing.store_samples import StoreSamples, in_threads, new_run

HOUR = 3600.0


def new_schedule(workflow: str = "flights", **values: object) -> ScheduleRow:
    """A schedule to put on record."""
    row = ScheduleRow(
        workflow,
        source="flights.py",
        version="v1",
        timetable='{"cron": "0 * * * *"}',
        text="every hour",
        timezone="UTC",
        catchup="latest",
        max_active_runs=16,
        deadline=None,
        upto=0.0,
    )
    return replace(row, **values)  # type: ignore[arg-type]


def due_run(id: str, at: float, **values: object) -> RunRow:
    """A run that is due at a time."""
    times = {"logical_at": at, "interval_start": at - HOUR, "interval_end": at}
    return new_run(id, **{**times, "trigger": "schedule", **values})


def created(id: str, at: float) -> TickRow:
    """What is on record of the tick of such a run."""
    return TickRow("created", at, at, 1, id, 1000.0)


def skipped(first: float, last: float, count: int) -> TickRow:
    """Ticks that get no run."""
    return TickRow("skipped", first, last, count, None, 2000.0)


class StoreSchedules(StoreSamples):
    """Schedules, ticks and logical times."""

    # --- Schedules

    def test_a_schedule_keeps_every_column(self, store: Store) -> None:
        full = new_schedule(
            "größer 😀",
            source=None,
            timetable=None,
            text=None,
            timezone="Europe/Berlin",
            catchup="all",
            max_active_runs=1,
            deadline=90.5,
            upto=1e9 + 1 / 3,
            paused=True,
            seen_at=1.5,
            error="SyntaxError: \u2028",
            about='{"params": {}}',
        )
        store.put_schedules([new_schedule(), full])
        assert store.schedules() == [new_schedule(), full]
        assert store.schedule("größer 😀") == full

    def test_schedules_come_by_name(self, store: Store) -> None:
        store.put_schedules([new_schedule(name) for name in ("b", "Z", "ä", "a")])
        assert [row.workflow for row in store.schedules()] == ["Z", "a", "b", "ä"]

    def test_a_schedule_that_is_put_again_keeps_its_cursor_and_its_pause(self, store: Store) -> None:
        store.put_schedules([new_schedule(upto=HOUR)])
        store.pause("flights", True)
        for upto in (0.0, 5 * HOUR):
            store.put_schedules([new_schedule(upto=upto, version="v2", error="why")])
            assert store.schedule("flights") == new_schedule(upto=HOUR, version="v2", error="why", paused=True)

    def test_a_schedule_that_is_not_there(self, store: Store) -> None:
        assert store.schedules() == []
        for call in (store.schedule, lambda name: store.pause(name, True)):
            with pytest.raises(ScheduleNotFound, match="flights"):
                call("flights")
        store.forget_schedule("flights")
        assert not store.decide("flights", 0.0, 1.0, [(due_run("a", 1.0), b"a plan")])
        assert [run.id for run in store.runs()] == ["run-1"]

    # --- Decisions

    def test_a_decision_is_kept_as_a_whole(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        runs = [(due_run("a", 5 * HOUR), b"a plan"), (due_run("b", 6 * HOUR, plan="plan-b"), b"another plan")]
        missed = [
            TickRow("collapsed", 3 * HOUR, 4 * HOUR, 2, "a", 2000.0),
            skipped(HOUR, 2 * HOUR, 2),
        ]
        assert store.decide("flights", 0.0, 6.5 * HOUR, runs, missed)
        assert store.schedule("flights").upto == 6.5 * HOUR
        assert [store.run("a"), store.run("b")] == [run for run, _ in runs]
        assert store.plan("plan-b") == b"another plan"
        assert store.ticks("flights") == [created("b", 6 * HOUR), created("a", 5 * HOUR), *missed]
        assert store.ticks("another") == []
        assert [row.id for row in store.unfinished()] == ["run-1", "a", "b"]
        store.acquire("b").release()

    def test_a_decision_from_another_cursor_does_nothing(self, store: Store) -> None:
        store.put_schedules([new_schedule(upto=HOUR)])
        for cursor in (0.0, HOUR + 1e-6, 2 * HOUR):
            run = due_run("a", 3 * HOUR, plan="plan-b")
            assert not store.decide("flights", cursor, 3 * HOUR, [(run, b"another plan")], [skipped(1.0, 2.0, 1)])
        self._check_nothing_was_done(store, [new_schedule(upto=HOUR)])

    def test_nothing_is_decided_about_a_paused_schedule(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        store.pause("flights", True)
        run = due_run("a", HOUR, plan="plan-b")
        assert not store.decide("flights", 0.0, HOUR, [(run, b"another plan")], [skipped(1.0, 2.0, 1)])
        self._check_nothing_was_done(store, [new_schedule(paused=True)])
        store.pause("flights", False)
        assert store.decide("flights", 0.0, HOUR, [(run, b"another plan")])

    def test_a_decision_that_is_refused_does_nothing(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        new = due_run("a", HOUR, plan="plan-b"), b"another plan"
        missed = [skipped(1.0, 2.0, 1)]
        refused: list[tuple[type[Exception], float, Sequence[RunRow]]] = [
            (ValueError, 0.0, []),
            (ValueError, -HOUR, []),
            (ValueError, HOUR, [due_run("b", HOUR, workflow="another")]),
            (ValueError, HOUR, [due_run("a", 2 * HOUR)]),
            (StoreError, HOUR, [due_run("run-1", 2 * HOUR)]),
        ]
        for error, upto, runs in refused:
            with pytest.raises(error):
                store.decide("flights", 0.0, upto, [new, *((run, b"a plan") for run in runs)], missed)
            self._check_nothing_was_done(store, [new_schedule()])
        assert store.decide("flights", 0.0, HOUR, [new], missed)

    def _check_nothing_was_done(self, store: Store, schedules: Sequence[ScheduleRow]) -> None:
        assert store.schedules() == schedules
        assert [run.id for run in store.runs()] == ["run-1"]
        assert store.ticks("flights") == []
        with pytest.raises(StoreError, match="plan-b"):
            store.plan("plan-b")

    def test_a_schedule_that_comes_back_begins_anew_and_gives_no_time_a_second_run(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        assert store.decide("flights", 0.0, 2 * HOUR, [(due_run("a", 2 * HOUR), b"a plan")], [skipped(HOUR, HOUR, 1)])
        store.forget_schedule("flights")
        assert store.schedules() == []
        store.put_schedules([new_schedule()])
        assert store.schedule("flights").upto == 0.0
        runs = [(due_run(f"new-{hour}", hour * HOUR), b"a plan") for hour in (1, 2, 3)]
        assert store.decide("flights", 0.0, 3 * HOUR, runs, [TickRow("skipped", HOUR, HOUR, 1, None, 3000.0)])
        assert [tick.run_id for tick in store.ticks("flights")] == ["new-3", "a", None, "new-1"]
        assert {run.id for run in store.runs()} == {"run-1", "a", "new-1", "new-3"}

    def test_of_many_who_decide_one_does(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        ticks = 15

        def serve(service: int) -> int:
            decided = 0
            while (cursor := store.schedule("flights").upto) < ticks:
                at = cursor + 1
                decided += store.decide("flights", cursor, at, [(due_run(f"{service}-{at}", at), b"a plan")])
            return decided

        assert sum(in_threads(serve, 4)) == ticks
        assert sorted(run.logical_at for run in store.runs() if run.logical_at is not None) == [*range(1, ticks + 1)]
        rows = store.ticks("flights")
        assert {row.run_id for row in rows} == {run.id for run in store.runs()} - {"run-1"}
        assert [row.last for row in rows] == [*range(ticks, 0, -1)]

    # --- Logical times

    def test_a_workflow_has_one_run_for_a_logical_time(self, store: Store) -> None:
        by_hand = due_run("by-hand", HOUR, trigger="manual")
        store.create_run(by_hand, b"a plan")
        starts = store.create_run, store.start_run
        for start in starts:
            with pytest.raises(LogicalTimeTaken, match=r"'flights'.*1970-01-01T01:00:00Z.*by-hand"):
                start(due_run("a", HOUR, plan="plan-b"), b"another plan")
        assert [run.id for run in store.runs()] == ["by-hand", "run-1"]
        with pytest.raises(StoreError, match="plan-b"):
            store.plan("plan-b")
        for start in starts:
            with pytest.raises(StoreError, match="by-hand is on record already"):
                start(by_hand, b"a plan")
        store.start_run(due_run("another", HOUR, workflow="another"), b"a plan")
        store.start_run(due_run("later", 2 * HOUR), b"a plan")
        for id in ("none", "again"):
            store.create_run(new_run(id, interval_start=1.0, interval_end=2.0), b"a plan")
        store.put_schedules([new_schedule()])
        runs = [(due_run(f"new-{hour}", hour * HOUR), b"a plan") for hour in (1, 2, 3)]
        assert store.decide("flights", 0.0, 3 * HOUR, runs)
        assert [tick.run_id for tick in store.ticks("flights")] == ["new-3", "later", "by-hand"]
        assert store.schedule("flights").upto == 3 * HOUR

    def test_a_logical_time_stays_taken_when_its_run_is_gone(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        store.decide("flights", 0.0, HOUR, [(due_run("a", HOUR), b"a plan")])
        store.delete_run("a")
        with pytest.raises(LogicalTimeTaken, match="run a"):
            store.start_run(due_run("b", HOUR), b"a plan")
        assert store.ticks("flights") == [created("a", HOUR)]

    def test_parts_of_runs_have_its_logical_time_as_well(self, store: Store) -> None:
        for id in ("one", "other"):
            part = due_run(id, HOUR, trigger="workflow", parent="run-1", part='["a", 0, 0]')
            store.start_run(part, b"a plan").release()
            assert store.run(id) == part
        assert store.ticks("flights") == []
        store.create_run(due_run("own", HOUR), b"a plan")
        store.create_run(due_run("third", HOUR, parent="run-1", part='["b", 0, 0]'), b"a plan")

    def test_of_many_who_start_a_run_for_a_logical_time_one_does(self, store: Store) -> None:
        def start(number: int) -> Lease | None:
            try:
                return store.start_run(due_run(f"new-{number}", HOUR), b"a plan")
            except LogicalTimeTaken:
                return None

        [lease] = [lease for lease in in_threads(start, 6) if lease]
        assert [tick.run_id for tick in store.ticks("flights")] == [lease.run_id]
        assert [run.id for run in store.runs()] == [lease.run_id, "run-1"]

    # --- Ticks

    def test_ticks_come_page_by_page(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        store.decide("flights", 0.0, 9.0, missed=[skipped(at, at, 1) for at in (1.0, 3.0, 4.0, 5.0)])
        for id, at in (("a", 2.0), ("b", 4.0)):
            store.create_run(due_run(id, at), b"a plan")
        ticks = store.ticks("flights")
        assert [(tick.last, tick.what) for tick in ticks] == [
            (5.0, "skipped"),
            (4.0, "skipped"),
            (4.0, "created"),
            (3.0, "skipped"),
            (2.0, "created"),
            (1.0, "skipped"),
        ]
        pages, before = [], None
        while page := store.ticks("flights", limit=2, before=before):
            pages.append(page)
            before = page[-1].last, page[-1].what
        assert pages == [ticks[:2], ticks[2:4], ticks[4:]]
        assert store.ticks("flights", before=(4.5, "")) == ticks[1:]
        assert store.ticks("flights", limit=0) == []

    def test_what_was_decided_long_ago_is_merged_and_stays_decided(self, store: Store) -> None:
        store.put_schedules([new_schedule()])
        runs = [(due_run(f"{at}", float(at)), b"a plan") for at in (1, 2, 3, 7, 8, 9)]
        store.decide("flights", 0.0, 10.0, runs, [skipped(4.0, 5.0, 2), skipped(6.0, 6.0, 1)])
        assert store.merge_ticks(4) == 2
        rows = [(tick.what, tick.first, tick.last, tick.count, tick.run_id) for tick in store.ticks("flights")]
        assert rows == [
            *(("created", at, at, 1, f"{at:.0f}") for at in (9.0, 8.0, 7.0)),
            ("skipped", 6.0, 6.0, 1, None),
            ("skipped", 4.0, 5.0, 2, None),
            ("created", 1.0, 3.0, 3, None),
        ]
        assert store.merge_ticks(4) == 0
        for at in (1.0, 1.5, 3.0, 7.0):
            with pytest.raises(LogicalTimeTaken):
                store.create_run(due_run("new", at), b"a plan")
        store.create_run(due_run("new", 5.0), b"a plan")
        assert store.decide("flights", 10.0, 11.0, [(due_run("double", 2.0), b"a plan")])
        assert "double" not in [run.id for run in store.runs()]

    def test_there_are_never_more_ticks_than_twice_as_many_as_are_to_be_kept(self, store: Store) -> None:
        store.put_schedules([new_schedule(), new_schedule("another")])
        for at in range(0, 20, 2):
            run, miss = due_run(f"{at}", at + 1.0), skipped(at + 2.0, at + 2.0, 1)
            store.decide("flights", at, at + 2.0, [(run, b"a plan")], [miss])
        store.decide("another", 0.0, 1.0, missed=[skipped(1.0, 1.0, 1)])
        before = store.ticks("flights")
        assert store.merge_ticks(3) == 14
        rows = store.ticks("flights")
        assert rows[:5] == before[:5]
        assert [(row.what, row.first, row.last, row.count) for row in rows[5:]] == [("created", 1.0, 15.0, 15)]
        assert store.ticks("another") == [skipped(1.0, 1.0, 1)]
        assert store.merge_ticks(0) == 5
        assert store.ticks("another")[0].what == "created"
        with pytest.raises(LogicalTimeTaken, match="not on record any more"):
            store.create_run(due_run("new", 14.0), b"a plan")

    # --- How many are under way

    def test_runs_that_have_not_ended_are_counted(self, store: Store, lease: Lease) -> None:
        assert store.active_runs("flights") == 1
        assert store.active_runs("another") == 0
        states = ["queued", "running", "waiting", "success", "failed", "cancelled"]
        for state in states:
            store.create_run(new_run(state, state=state, workflow="another"), b"a plan")
        store.create_run(new_run("part", workflow="another", parent="run-1", part="[]"), b"a plan")
        assert store.active_runs("another") == 4
        store.append(lease, [], change=RunChange(state="success"))
        assert store.active_runs("flights") == 0

"""Old runs and their values are removed from a real store, and nothing else is."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock import WorkflowManager, task, workflow
from penstock.logs.folder import FolderLogs
from penstock.parts import Parts
from penstock.results.files import FileResults
from penstock.runtime.history import History
from penstock.runtime.pruner import DAY, HOUR, Retention, prune
from penstock.store.base import RunChange
from penstock.store.schedules import TICKS_KEPT, TickRow
from penstock.testing.store_schedules import new_schedule
from tests.integration.commands import penstock, penstock_json, read_json, write
from tests.unit.runtime.waiting import Background, come

LARGE = 10_000
HOME = Path(".penstock")


@task
def make(letter: str) -> str:
    print("making", letter)
    return letter * LARGE


@task
def measure(text: str) -> int:
    return len(text)


@workflow
def flow(letter: str = "a") -> None:
    measure(make(letter))


@pytest.fixture
def manager() -> WorkflowManager:
    return WorkflowManager(observers=[])


def values() -> list[Path]:
    return [path for path in (HOME / "results").rglob("*") if path.is_file()]


def age_values(seconds: float = 7_200) -> None:
    """As if all values had been written long ago."""
    for path in values():
        os.utime(path, (time.time() - seconds,) * 2)


def age_run(parts: Parts, run_id: str, days: float) -> None:
    """As if a run had ended days ago."""
    lease = parts.store.acquire(run_id)
    parts.store.append(lease, [], change=RunChange(ended_at=time.time() - days * DAY))
    lease.release()


def age_stamp(days: float) -> None:
    os.utime(HOME / ".pruned", (time.time() - days * DAY,) * 2)


def test_old_runs_go_with_their_logs_and_values(manager):
    old, kept = manager.run(flow, letter="a"), manager.run(flow, letter="b")
    age_values()
    before = len(values())
    pruned = manager.prune(older_than=0, keep=1, dry_run=True)
    assert (pruned.runs, pruned.values, len(values())) == ((old.id,), 1, before)
    pruned = manager.prune(older_than=0, keep=1)
    assert (pruned.runs, pruned.values, len(values())) == ((old.id,), 1, before - 1)
    assert pruned.bytes >= LARGE
    assert [run.id for run in manager.runs()] == [kept.id]
    assert [path.name for path in (HOME / "logs").iterdir()] == [kept.id]
    assert manager.get(kept.id).task("make").result == "b" * LARGE
    assert manager.prune(older_than=0, keep=1).runs == ()


def test_what_was_decided_long_ago_is_kept_in_short(manager):
    store = manager.parts.store
    store.put_schedules([new_schedule("flow")])
    first = [TickRow("skipped", float(at), float(at), 1, None, 1.0) for at in range(1, TICKS_KEPT + 501)]
    assert store.decide("flow", 0.0, 9_000.0, missed=first)
    manager.prune()
    assert len(store.ticks("flow")) == TICKS_KEPT + 1
    assert sum(tick.count for tick in store.ticks("flow")) == len(first)
    assert store.decide("flow", 9_000.0, 10_000.0, missed=[TickRow("skipped", 9_001.0, 9_001.0, 1, None, 1.0)])
    manager.run(flow)
    age_stamp(1.5)
    manager.run(flow)
    assert len(store.ticks("flow")) == TICKS_KEPT + 1, "once a day it is done unasked"


def test_a_value_that_a_kept_run_has_too_stays_until_that_goes(manager):
    manager.run(flow), manager.run(flow)
    age_values()
    assert manager.prune(older_than=0, keep=1).values == 0
    assert manager.get().task("make").result == "a" * LARGE
    assert manager.prune(older_than=timedelta(0), keep=0).values == 1
    assert values() == []


def test_a_kept_run_can_be_run_again_after_pruning(manager):
    manager.run(flow, letter="a")
    kept = manager.run(flow, letter="b")
    age_values()
    manager.prune(older_than=0, keep=1)
    again = manager.rerun(kept.id, flow, only=["measure"])
    assert again.task("measure").result == LARGE
    age_values()
    manager.rerun(kept.id, flow, only=["make"])
    assert manager.prune(older_than=0, keep=1).values == 0


def test_values_of_a_run_deleted_by_hand_go_with_the_next_prune(manager):
    manager.delete(manager.run(flow).id)
    age_values()
    assert len(values()) == 1
    assert manager.prune().values == 1
    assert values() == []


def test_a_new_value_stays_though_no_journal_names_it(manager):
    manager.delete(manager.run(flow).id)
    assert manager.prune(older_than=0, keep=0).values == 0
    assert len(values()) == 1


def test_a_run_that_goes_on_keeps_its_values_and_is_not_forgotten(manager):
    made, go = threading.Event(), threading.Event()

    @task
    def hold(text: str) -> str:
        made.set()
        come(go)
        return text[:1] * (LARGE + 1)

    @task
    def both(first: str, second: str) -> int:
        return len(first + second)

    @workflow
    def slow() -> None:
        first = make("a")
        both(first, hold(first))

    old = manager.run(flow, letter="b")
    driving = Background(lambda: WorkflowManager(observers=[]).run(slow))
    come(made)
    age_values()
    pruned = manager.prune(older_than=0, keep=0)
    assert pruned.runs == (old.id,)
    go.set()
    run = driving.result()
    assert (run.state, run.task("both").result) == ("success", 2 * LARGE + 1)
    assert manager.get(run.id).task("make").result == "a" * LARGE


class Interrupted(FileResults):
    """Results between whose being listed and being deleted a run begins and ends that has the same values."""

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        WorkflowManager(observers=[]).run(flow)
        return super().delete(digest, older_than=older_than)


def test_a_run_that_begins_meanwhile_keeps_what_was_listed_as_garbage(manager):
    manager.run(flow)
    age_values()
    parts = manager.parts
    history = History(parts.store, Interrupted(HOME / "results"), parts.logs)
    pruned = prune(history, Retention(0, 0))
    assert (len(pruned.runs), pruned.values) == (1, 0)
    assert manager.get().task("make").result == "a" * LARGE


class Stopped(FileResults):
    """Results of a process that is stopped for three hours before it comes to look at its values, while another begins
    a run and writes one; so does a laptop that sleeps."""

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        task_of_another = FileResults(HOME / "results").writer()
        task_of_another.file.write(b"not named yet")
        task_of_another.commit()
        self.ahead += 3 * HOUR
        return super().digests(older_than=older_than)

    ahead = 0.0


def test_a_process_that_was_stopped_does_not_take_for_old_what_was_written_meanwhile(manager, monkeypatch):
    real = time.time
    results = Stopped(HOME / "results")
    clock = SimpleNamespace(time=lambda: real() + results.ahead)
    manager.run(flow)
    age_values()
    manager.delete(manager.get().id)
    monkeypatch.setattr("penstock.runtime.pruner.time", clock.time)
    monkeypatch.setattr("penstock.results.files.time", clock)
    parts = manager.parts
    assert prune(History(parts.store, results, parts.logs), Retention(0, 0)).values == 1
    assert [path.read_bytes() for path in values()] == [b"not named yet"]


def test_a_queued_run_and_one_with_notices_to_deliver_stay(manager):
    ended = [manager.run(flow, letter=letter).id for letter in "ab"]
    store = manager.parts.store
    with_notices = store.acquire(ended[0])
    store.append(with_notices, [], change=RunChange(undelivered=1))
    row = store.run(ended[0])
    store.create_run(replace(row, id="queued", state="queued", ended_at=None, undelivered=0), store.plan(row.plan))
    age_values()
    for _ in range(2):
        manager.prune(older_than=0, keep=0)
        assert {run.id for run in manager.runs()} == {ended[0], "queued"}
        assert manager.get(ended[0]).task("make").result == "a" * LARGE
        with_notices.release()
    lease = store.acquire(ended[0])
    store.append(lease, [], change=RunChange(undelivered=0))
    lease.release()
    assert manager.prune(older_than=0, keep=0).runs == (ended[0],)


def test_logs_that_were_left_when_their_run_was_forgotten_go(manager):
    """As by a process that was killed between the two; the logs of a run that is being created stay."""
    gone, kept = manager.run(flow).id, manager.run(flow, letter="b").id
    manager.parts.store.delete_run(gone)
    assert sorted(path.name for path in (HOME / "logs").iterdir()) == sorted([gone, kept])

    class Creating(FolderLogs):
        """Logs to which a run that has just begun adds some as soon as they were listed."""

        def runs(self) -> list[str]:
            if not begun:
                begun.append(WorkflowManager(observers=[]).run(flow, letter="c").id)
            return super().runs()

    begun: list[str] = []
    manager.prune(dry_run=True)
    assert (HOME / "logs" / gone).exists()
    parts = manager.parts
    prune(History(parts.store, parts.results, Creating(HOME / "logs")), Retention(20, 90))
    assert sorted(path.name for path in (HOME / "logs").iterdir()) == sorted([kept, *begun])


def test_several_prune_at_once(manager):
    for letter in "abcdef":
        manager.run(flow, letter=letter)
    age_values()
    others = [Background(lambda: WorkflowManager(observers=[]).prune(older_than=0, keep=1)) for _ in range(4)]
    done = [other.result() for other in others]
    forgotten = [run_id for pruned in done for run_id in pruned.runs]
    assert len(forgotten) == len(set(forgotten)) == 5
    assert sum(pruned.values for pruned in done) == 5
    assert manager.get().task("make").result == "f" * LARGE


# --- By itself


def test_old_runs_are_forgotten_once_a_day_after_a_run(monkeypatch, manager):
    monkeypatch.setenv("PENSTOCK_RETENTION_RUNS", "1")
    first = manager.run(flow, letter="b")
    age_values()
    age_run(manager.parts, first.id, 91)
    second = manager.run(flow)
    assert [run.id for run in manager.runs()] == [second.id, first.id], "the folder is new"
    age_stamp(1.1)
    third = manager.run(flow)
    assert [run.id for run in manager.runs()] == [third.id, second.id]
    assert len(values()) == 1
    age_run(manager.parts, second.id, 91)
    fourth = manager.run(flow)
    assert [run.id for run in manager.runs()] == [fourth.id, third.id, second.id], "it was done today"


def test_with_a_retention_of_0_days_nothing_is_forgotten_unless_told(monkeypatch, manager):
    monkeypatch.setenv("PENSTOCK_RETENTION_DAYS", "0")
    monkeypatch.setenv("PENSTOCK_RETENTION_RUNS", "0")
    run = manager.run(flow)
    age_run(manager.parts, run.id, 1_000)
    assert not (HOME / ".pruned").exists()
    assert manager.prune().runs == ()
    assert manager.prune(older_than=0).runs == (run.id,)


def test_what_goes_wrong_in_pruning_does_not_fail_the_run(capsys, manager):
    manager.parts.store.runs()
    (HOME / ".pruned").symlink_to(".pruned")
    assert manager.run(flow).state == "success"
    assert "Old runs could not be pruned" in capsys.readouterr().err


# --- From the command line

FILE = """\
    from penstock import task, workflow

    @task
    def make() -> str:
        return "a" * 10_000

    @workflow
    def daily():
        make()
    """


def test_db_prune_and_db_info():
    write("daily.py", FILE)
    ids = [penstock_json("run", "daily.py")["id"] for _ in range(2)]
    info = penstock_json("db", "info")
    assert (info["folder"], info["runs"]) == (str(HOME.absolute()), {"success": 2})
    assert info["bytes"]["results"] >= 10_000
    assert info["bytes"]["database"] == sum(path.stat().st_size for path in HOME.glob("penstock.db*"))
    assert "Runs      2: 2 success" in penstock("db", "info").stdout
    assert penstock_json("db", "prune")["runs"] == []

    told = penstock("db", "prune", "--older-than", "0", "--keep", "1", "--dry-run").stdout.splitlines()
    assert [told[1].split(), told[-1]] == [[ids[0], "daily", "success"], "Would forget 1 run and 0 values"]
    done = penstock_json("db", "prune", "--older-than", "0", "--keep", "1")
    assert done == {"runs": ids[:1], "values": 0, "bytes": 0, "dry_run": False}
    age_values()
    assert "Forgot 1 run and 1 value (10 KB)" in penstock("db", "prune", "--older-than", "0", "--keep", "0").stdout
    assert read_json("runs") == []


def test_db_refuses_what_cannot_be():
    for command in ("info", "prune"):
        assert penstock_json("db", command, code=3)["error"]["kind"] == "RunNotFound"
    assert list(Path().iterdir()) == []
    penstock("db", "prune", "--keep", "-1", code=2)
    penstock("db", "prune", "--older-than", "soon", code=2)
    penstock("db", "purge", code=2)

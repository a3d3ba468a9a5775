"""`penstock db check`: what is damaged is found and named, what is whole is never reported, and repair keeps all that
anybody needs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from penstock import PenstockError, Workflow, WorkflowManager, task, workflow
from penstock.engine.events import AttemptStarted, AttemptSucceeded, Event, RunStarted
from penstock.runtime.history import History
from penstock.runtime.pruner import DAY
from penstock.runtime.run_check import MOST_PROBLEMS
from penstock.runtime.store_check import BEHIND, FILES, LOGS, VALUES, StoreCheck, check_store
from penstock.store.base import RunChange, RunRow
from penstock.store.chain import chained, seed
from penstock.store.records import encode_events
from penstock.store.upkeep import DEAD_CLAIMS
from penstock.testing.store_samples import new_run
from penstock.testing.store_schedules import due_run, new_schedule
from tests.integration.commands import penstock, penstock_json, read_json, start, write
from tests.unit.runtime.waiting import Background, come

LARGE = REPEATS = 10_000
HOME = Path(".penstock")
DATABASE = HOME / "penstock.db"


@task
def make(letter: str) -> str:
    print("making", letter)
    return letter * REPEATS


@task(retries=1, retry_delay=0)
def measure(text: str) -> int:
    if text[0] == "f":
        raise ValueError("f \udcff")
    return len(text)


@workflow
def flow(letter: str = "a") -> None:
    measure(make(letter))


def manager() -> WorkflowManager:
    return WorkflowManager(observers=[])


@pytest.fixture
def run_id() -> str:
    """A run with a large value and logs, in a store that nobody has open."""
    with manager() as opened:
        opened.run(flow, letter="b")
        return opened.run(flow).id


def check(*, repair: bool = False) -> StoreCheck:
    with manager() as opened:
        parts = opened.parts
        return check_store(History(parts.store, parts.results, parts.logs), parts.folder, repair=repair)


def problems(found: StoreCheck) -> list[tuple[str, str | None]]:
    return [(problem.kind, problem.run) for problem in found.problems]


@contextmanager
def database() -> Iterator[apsw.Connection]:
    """The database in the hands of somebody who should leave it alone."""
    db = apsw.Connection(str(DATABASE))
    yield db
    db.close()


def edit(statement: str, *values: object) -> None:
    with database() as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(statement, values)
        assert db.changes() > 0


def row(run_id: str) -> RunRow:
    with manager() as opened:
        return opened.parts.store.run(run_id)


def age(path: Path, seconds: float = 2 * DAY) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def values() -> list[Path]:
    return sorted(path for path in (HOME / "results").glob("??/*"))


def log_of(run_id: str) -> None:
    """Something that a run has printed, be it on record or not."""
    with manager() as opened:
        log = opened.parts.logs.writer(run_id)
        log.write(0, 0, 1, "stdout", "x", 1.0)
        log.close()


# --- What is whole


def test_runs_of_every_kind_are_whole():
    opened = manager()
    opened.run(flow)
    failed = opened.run(flow, letter="f", raise_on_failure=False)
    assert failed.state == "failed"
    opened.rerun(failed.id, flow, failed=True, raise_on_failure=False)
    opened.rerun(failed.id, flow, only=["make"], raise_on_failure=False)
    opened.run(Workflow("empty"))
    opened.parts.store.create_run(
        new_run("queued", plan=opened.parts.store.run(failed.id).plan, params="{}", tasks=2),
        opened.parts.store.plan(opened.parts.store.run(failed.id).plan),
    )
    write("killed.py", KILLED)
    penstock("run", "killed.py", code=None)
    opened.cancel(opened.parts.store.runs(limit=1)[0].id)
    penstock("run", "killed.py", code=None)
    assert penstock("resume", code=0, SURVIVE="1").returncode == 0
    penstock("run", "killed.py", code=None)
    opened.close()
    found = check()
    assert (found.runs, found.driven, found.problems, found.is_whole) == (7, 0, [], True)
    assert found.values == 2
    assert found.bytes == 2 * LARGE
    assert set(found.leftovers) <= {"pipe of a dead driver"}
    assert check(repair=True).problems == []
    assert check().leftovers == {}


KILLED = """
    import os
    from penstock import task, workflow

    @task
    def first() -> int:
        return 1

    @task
    def second(number: int) -> int:
        if "SURVIVE" not in os.environ:
            os._exit(9)
        return number

    @workflow
    def killed():
        second(first())
    """


def test_the_command_tells_people_and_programs(run_id: str):
    assert penstock("db", "check").stdout == "Checked 2 runs, 10 events, 2 values (20 KB): all is well\n"
    told = penstock_json("db", "check")
    assert told == {
        "runs": 2,
        "driven": 0,
        "events": 10,
        "values": 2,
        "bytes": 2 * LARGE,
        "problems": [],
        "leftovers": {},
        "removed": False,
        "whole": True,
    }
    edit("UPDATE run SET state = 'failed' WHERE id = ?", run_id)
    told = penstock_json("db", "check", code=1)
    text = "its row says that it is failed, its journal success"
    assert told["problems"] == [{"kind": "row", "run": run_id, "text": text, "repaired": False}]
    assert not told["whole"]
    shown = penstock("db", "check", code=1).stdout
    assert shown.splitlines()[0] == f"row: run {run_id}, {text}"
    assert shown.endswith(": 1 problem\n")
    shown = penstock("db", "check", "--repair").stdout
    assert shown.splitlines()[0] == f"repaired: run {run_id}, {text}"
    assert shown.endswith(": all is well\n")
    assert penstock_json("db", "check", "--repair")["removed"]


def test_when_a_run_began_is_compared_with_its_journal(run_id: str):
    edit("UPDATE run SET started_at = started_at - 86400 WHERE id = ?", run_id)
    [problem] = penstock_json("db", "check", code=1)["problems"]
    assert problem["text"].startswith("its row says that it began at ")
    assert penstock("db", "check", "--repair").stdout.endswith(": all is well\n")
    assert penstock("db", "check").stdout.endswith(": all is well\n")


@pytest.mark.parametrize("at", [1e300, -1e300, 9e15])
def test_a_time_that_is_none_is_damage(run_id: str, at: float):
    edit("UPDATE run SET started_at = ? WHERE id = ?", at, run_id)
    assert "where there should be a time" in penstock("runs", code=1).stderr
    assert "its row says that it began at" in penstock("db", "check", code=1).stdout


def test_a_store_in_memory_can_be_checked():
    opened = WorkflowManager("memory", observers=[])
    opened.run(flow)
    parts = opened.parts
    found = check_store(History(parts.store, parts.results, parts.logs), parts.folder)
    assert (found.runs, found.values, found.problems, found.leftovers) == (1, 1, [], {})


def test_a_run_that_is_driven_is_checked_as_far_as_it_goes():
    made, go = threading.Event(), threading.Event()

    @task
    def hold(text: str) -> str:
        made.set()
        come(go)
        return text

    @workflow
    def slow() -> None:
        hold(make("a"))

    driving = Background(lambda: manager().run(slow))
    come(made)
    found = check(repair=True)
    assert (found.runs, found.driven, found.values, found.problems) == (1, 1, 1, [])
    go.set()
    assert driving.result().state == "success"
    found = check()
    assert (found.driven, found.problems) == (0, [])


BUSY = """
import sys
from time import sleep
from penstock import WorkflowManager, task, workflow
from penstock.errors import RunLocked

@task
def make(letter: str) -> str:
    return letter * 10_000

@task
def measure(text: str) -> int:
    return len(text)

@workflow
def flow(letter: str = "a") -> None:
    measure(make(letter))

manager = WorkflowManager(observers=[])
for number in range(int(sys.argv[1])):
    run = manager.run(flow, letter="abcd"[number % 4])
    while number % 3 == 1:
        try:
            manager.rerun(run.id, flow, only=["measure"])
            break
        except RunLocked:  # it is being looked at
            sleep(0.01)
    if number % 5 == 4:
        manager.prune(older_than=0, keep=1)
"""


def test_nothing_is_reported_falsely_while_runs_come_and_go(run_id: str):
    busy = [subprocess.Popen([sys.executable, "-c", BUSY, "25"]) for _ in range(2)]
    checks = driven = 0
    while any(child.poll() is None for child in busy):
        found = check(repair=checks % 2 == 1)
        assert found.problems == []
        checks += 1
        driven += found.driven
    assert [child.returncode for child in busy] == [0, 0]
    assert checks > 3
    assert driven > 0
    assert check().problems == []


# --- Journals and plans


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_a_changed_batch_is_found_and_nothing_is_removed(run_id: str):
    edit("UPDATE journal SET body = CAST(body || ' ' AS BLOB) WHERE id & 0xffffffff = 2 AND id >> 32 = 2")
    for path in values():
        age(path)
    log_of("forgotten")
    for repair in (False, True):
        found = check(repair=repair)
        assert problems(found) == [("journal", run_id)]
        assert "batch 2 of its journal does not fit its checksum" in found.problems[0].text
        assert found.leftovers == {}
    assert len(values()) == 2
    assert (HOME / "logs" / "forgotten").exists()


def test_a_lost_batch_is_found(run_id: str):
    edit("DELETE FROM journal WHERE id >> 32 = 2 AND id & 0xffffffff = 1")
    assert problems(check()) == [("journal", run_id)]


def test_a_lost_end_is_found_by_the_row(run_id: str):
    edit("DELETE FROM journal WHERE id = (SELECT max(id) FROM journal)")
    found = check(repair=True)
    assert ("row", run_id) in problems(found)


def test_a_lost_row_is_found_and_its_values_stay(run_id: str):
    edit("DELETE FROM run WHERE id = ?", run_id)
    for path in values():
        age(path)
    found = check(repair=True)
    assert problems(found) == [("database", None)]
    assert "journal of run number 2" in found.problems[0].text
    assert len(values()) == 2


def forge(events: list[Event]) -> None:
    """Another journal for the run with number 2, with checksums that fit."""
    with database() as db:
        [(run_id,)] = db.execute("SELECT id FROM run WHERE number = 2").fetchall()
        db.execute("DELETE FROM journal WHERE id >> 32 = 2")
        body = encode_events(events)
        assert isinstance(run_id, str)
        checksum = chained(seed(run_id), body)
        db.execute("INSERT INTO journal VALUES ((2 << 32) + 1, ?, ?)", (body, checksum))


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([RunStarted(1.0), AttemptStarted(1, 1, 2.0)], "does not fit what came before"),
        ([RunStarted(1.0), AttemptStarted(99, 1, 2.0)], "does not fit what came before"),
        ([RunStarted(1.0), RunStarted(2.0)], "does not fit what came before"),
        ([RunStarted(1.0), AttemptStarted(0, 1, 2.0), AttemptSucceeded(0, 1, 1e300)], "I10"),
    ],
    ids=str,
)
def test_a_history_that_cannot_be_is_found(run_id: str, events: list[Event], text: str):
    forge(events)
    found = check(repair=True)
    assert ("history", run_id) in problems(found)
    assert any(text in problem.text for problem in found.problems)
    assert not any(problem.repaired for problem in found.problems)
    assert len(found.problems) <= MOST_PROBLEMS + 1


def test_a_plan_that_is_damaged_or_lost_is_found(run_id: str):
    edit("UPDATE plan SET body = CAST('x' || body AS BLOB)")
    assert problems(check()) == [("plan", run_id), ("plan", row_before(run_id))]
    edit("DELETE FROM plan")
    found = check(repair=True)
    assert {("plan", run_id), ("database", None)} <= set(problems(found))
    assert len(values()) == 2


def row_before(run_id: str) -> str:
    with manager() as opened:
        [other] = [each.id for each in opened.parts.store.runs() if each.id != run_id]
        return other


# --- Rows


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("state", "failed", "it is failed, its journal success"),
        ("state", "queued", "it is queued, its journal success"),
        ("ended_at", 5.0, "it ended at 5.0"),
        ("ended_at", None, "it ended at None"),
        ("error", "alas", "it has the error alas, its journal None"),
        ("counts", '{"failed": 2}', "it has tasks {'failed': 2}"),
        ("counts", "{", "it has tasks {,"),
        ("tasks", 7, "its row speaks of 7 tasks, its plan of 2"),
    ],
)
def test_a_row_that_says_otherwise_is_found_and_repaired(run_id: str, column: str, value: Any, text: str):
    before = row(run_id)
    edit(f"UPDATE run SET {column} = ? WHERE id = ?", value, run_id)
    found = check()
    assert problems(found) == [("row", run_id)]
    assert text in found.problems[0].text
    assert row(run_id) != before
    found = check(repair=True)
    assert [problem.repaired for problem in found.problems] == [True]
    assert found.is_whole
    assert row(run_id) == before
    assert check().problems == []


def test_an_interrupted_run_whose_row_says_that_it_ended_is_found_and_repaired():
    write("killed.py", KILLED)
    penstock("run", "killed.py", code=None)
    [(run_id,)] = [(each["id"],) for each in read_json("runs")]
    before = row(run_id)
    edit("UPDATE run SET state = 'success', ended_at = 7.0")
    assert problems(check()) == [("row", run_id)] * 2
    assert check(repair=True).is_whole
    assert (row(run_id).state, row(run_id).ended_at) == ("running", None)
    assert row(run_id) == replace(before, counts=row(run_id).counts)
    penstock("resume", SURVIVE="1")
    assert check().problems == []


def test_a_row_whose_driver_died_before_it_was_written_is_no_problem(run_id: str):
    before = row(run_id)
    edit("UPDATE run SET state = 'running', ended_at = NULL, counts = '{}', undelivered = 0 WHERE id = ?", run_id)
    found = check()
    assert (found.problems, found.leftovers) == ([], {BEHIND: 1})
    assert check(repair=True).leftovers == {BEHIND: 1}
    assert row(run_id) == before
    assert check().leftovers == {}


def test_more_undelivered_notices_than_there_are_is_no_problem_and_fewer_would_be_lost(run_id: str):
    edit("UPDATE run SET undelivered = 3 WHERE id = ?", run_id)
    found = check(repair=True)
    assert (found.problems, found.leftovers) == ([], {BEHIND: 1})
    assert row(run_id).undelivered == 0


@pytest.mark.parametrize(
    ("column", "value", "kinds"),
    [
        ("workflow", "other", {"record"}),
        ("params", '{"letter": "z"}', {"record"}),
        ("params", "{", {"record"}),
        ("created_at", 1.0, {"record"}),
        ("source", "elsewhere.py", {"record"}),
        ("plan", "nowhere", {"plan", "record"}),
        ("id", "somebody", {"journal", "record"}),
        ("parent", "somebody", {"record"}),
    ],
)
def test_what_a_row_says_for_good_is_checked_and_cannot_be_repaired(
    run_id: str, column: str, value: Any, kinds: set[str]
):
    edit(f"UPDATE run SET {column} = ? WHERE id = ?", value, run_id)
    for repair in (False, True):
        found = check(repair=repair)
        assert found.problems
        assert {problem.kind for problem in found.problems} <= kinds
        assert not found.is_whole


# --- Values


def value_of(letter: str) -> Path:
    [path] = [path for path in values() if path.read_text()[:1] == letter or path.stat().st_size < LARGE]
    return path


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: flip(path, LARGE // 2), "does not fit its digest"),
        (lambda path: os.truncate(path, LARGE - 1), "does not fit its digest"),
        (lambda path: os.truncate(path, 0), "does not fit its digest"),
    ],
    ids=["lost", "flipped", "cut", "empty"],
)
def test_a_value_that_is_needed_and_not_whole_is_found(run_id: str, damage: Callable[[Path], None], text: str):
    damage(value_of("a"))
    found = check(repair=True)
    assert problems(found) == [("value", run_id)]
    assert "the value of task 'make': " in found.problems[0].text
    assert text in found.problems[0].text
    assert found.problems[0].text.endswith(f"run it again with: penstock rerun {run_id} --only make")
    with manager() as opened:
        opened.rerun(run_id, flow, only=["make"])
    assert check().problems == []


def test_a_value_of_an_earlier_generation_is_not_needed(run_id: str, monkeypatch: pytest.MonkeyPatch):
    [path] = [path for path in values() if path.read_text()[0] == "a"]
    monkeypatch.setattr(sys.modules[__name__], "REPEATS", 2 * LARGE)
    with manager() as opened:
        opened.rerun(run_id, flow, only=["make"])
    path.unlink()
    assert check().problems == []


# --- The database


def test_damage_below_the_journals_is_found(run_id: str):
    with database() as db:
        [(page,)] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'run_by_workflow'").fetchall()
        db.execute("PRAGMA journal_mode = DELETE")
    assert isinstance(page, int)
    content = bytearray(DATABASE.read_bytes())
    place = content.index(b"flow", (page - 1) * 4096)
    content[place : place + 4] = b"flew"
    DATABASE.write_bytes(content)
    found = check(repair=True)
    assert {problem.kind for problem in found.problems} == {"database"}
    assert any("run_by_workflow" in problem.text for problem in found.problems)
    assert penstock("db", "check", code=1).stdout.startswith("database: SQLite finds the database damaged: ")


def test_a_file_that_is_no_database_is_refused(run_id: str):
    DATABASE.write_bytes(b"no database at all" * 100)
    told = penstock_json("db", "check", code=1)
    assert told["error"]["kind"] == "StoreCorrupt"


def test_any_flipped_bit_is_found_or_shown_harmless(run_id: str):
    """Nothing but findings and refusals comes out, and what is called whole reads as before."""
    whole = DATABASE.read_bytes()
    with manager() as opened:
        expected = opened.get(run_id).task("make").result, [r.id for r in opened.runs()]
    chance = random.Random(5)
    found = 0
    for _ in range(80):
        damaged = bytearray(whole)
        bit = chance.randrange(len(whole) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        DATABASE.write_bytes(damaged)
        try:
            checked = check()
        except PenstockError:
            found += 1
            continue
        if not checked.is_whole:
            found += 1
            continue
        with manager() as opened:
            assert (opened.get(run_id).task("make").result, [r.id for r in opened.runs()]) == expected
    assert found > 3


# --- What is left over


def test_what_nobody_needs_is_counted_and_removed_and_all_else_stays(run_id: str):
    with manager() as opened:
        forgotten = opened.run(flow, letter="c").id
        parts = opened.parts
        log_of("gone")
        parts.store.acquire(forgotten).release()
        parts.store.delete_run(forgotten)  # by somebody who dies before he comes to its logs and values
        writer = parts.results.writer()  # never committed
        writer.file.write(b"half of a val")
        writer.file.close()
    for path in values():
        age(path)
    for path in (HOME / "results" / "tmp").iterdir():
        age(path)
    os.mkfifo(HOME / "wake" / "2")
    os.mkfifo(HOME / "wake" / "77")
    with database() as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("INSERT INTO plan VALUES ('unfollowed', x'00')")
        db.execute("INSERT INTO lease VALUES (77, 1, 1, 'here', 1.0)")
        db.execute("INSERT INTO message (run, kind, body, at) VALUES (77, 'cancel', '{}', 1.0)")
        db.execute("INSERT INTO duration VALUES (77, 'flow', 'unfollowed', x'00')")
        db.execute("INSERT INTO followed SELECT 77, fingerprint FROM plan")
        for pool, number in (("api", 1), ("api", 77), ("db", 77)):
            db.execute("INSERT INTO slot VALUES (?, ?, 1, 1, 2, 0, 1, 1.0, NULL)", (pool, number))
    expected = {
        VALUES: 1,
        LOGS: 2,
        FILES: 1,
        "pipe of a dead driver": 2,
        "lease of no run": 1,
        "message to no run": 1,
        "note of how long the tasks of a lost run took": 1,
        "note of a plan that a lost run followed": 2,
        DEAD_CLAIMS: 3,
    }
    found = check()
    assert (found.problems, found.leftovers) == ([], expected)
    assert penstock_json("db", "check")["leftovers"] == expected
    shown = penstock("db", "check").stdout.splitlines()
    assert "Left over: 2 runs of which only logs are left" in shown
    assert shown[-1] == "What is left over does no harm; --repair removes it"

    found = check(repair=True)
    assert (found.problems, found.leftovers) == ([], {**expected, "plan that no run follows": 1})
    assert check().leftovers == {}
    assert len(values()) == 2
    assert list((HOME / "results" / "tmp").iterdir()) == []
    assert list((HOME / "wake").iterdir()) == []
    with manager() as opened:
        assert sorted(opened.parts.logs.runs()) == sorted(each.id for each in opened.runs())
        assert opened.get(run_id).task("make").result == "a" * LARGE
        assert opened.get(run_id).task("make").log == "making a\n"
        assert opened.rerun(run_id, flow, only=["measure"]).state == "success"


def test_what_is_new_is_left_alone(run_id: str):
    with manager() as opened:
        opened.parts.store.delete_run(run_id)
        writer = opened.parts.results.writer()
        found = check(repair=True)
        writer.file.write(b"x" * LARGE)
        writer.commit()
    assert found.leftovers == {LOGS: 1}
    assert len(values()) == 3


def test_the_pipe_and_the_claims_of_a_living_driver_stay(run_id: str):
    with manager() as opened:
        store = opened.parts.store
        lease = store.acquire(run_id)
        store.claim(lease, "api", 2, capacity=1)
        listener = store.listen(run_id)
        child = start("db", "check", "--repair")
        assert child.communicate()[1] == ""
        assert child.returncode == 0
        [use] = store.pool_users("api")
        assert (use.run_id, use.granted, use.wanted) == (run_id, 1, 2)
        store.post(run_id, "mark")
        assert listener.wait(60)
        listener.close()
        lease.release()


def test_a_row_that_is_repaired_while_somebody_drives_the_run_is_left_to_him(run_id: str):
    with manager() as opened:
        store = opened.parts.store
        lease = store.acquire(run_id)
        store.append(lease, [], change=RunChange(tasks=9))
        found = check(repair=True)
        assert (found.driven, found.problems) == (1, [])
        assert store.run(run_id).tasks == 9
        lease.release()
    assert [problem.repaired for problem in check(repair=True).problems] == [True]


def test_a_logical_time_that_could_have_a_second_run_is_found():
    with manager() as opened:
        store = opened.parts.store
        plan = store.run(opened.run(flow).id).plan
        store.put_schedules([new_schedule("flow")])
        runs = [(due_run(f"run-{at}", float(at), workflow="flow", plan=plan), store.plan(plan)) for at in (1, 2, 3)]
        assert store.decide("flow", 0.0, 3.0, runs)
        store.merge_ticks(1)
        store.create_run(due_run("by-hand", 9.0, workflow="flow", plan=plan, trigger="manual"), store.plan(plan))
    assert [problem for problem in check().problems if problem.kind == "database"] == []
    edit("UPDATE schedule SET upto = 2.0")
    edit("DELETE FROM tick WHERE last = 9.0")
    texts = [problem.text for problem in check().problems if problem.kind == "database"]
    assert len(texts) == 2
    assert "run run-3 is due after the cursor of the schedule of 'flow'" in texts[0]
    assert "run by-hand" in texts[1]

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from penstock.engine.events import RetryDue, RunStarted
from penstock.errors import PenstockError, RunNotFound, StoreError
from penstock.store.base import RunChange
from penstock.store.postgres import PostgresStore
from penstock.testing.store_samples import EVERY_EVENT, in_threads, new_run
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)

KEEPER = "penstock-postgres-keeper"


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url)
    store.create_run(new_run(), b"a plan")
    yield store
    store.close()


# --- What the server is asked for


@pytest.mark.parametrize(
    ("given", "kept"), [("off", "on"), ("on", "on"), ("local", "local"), ("remote_write", "remote_write")]
)
def test_commits_are_safe_whatever_the_role_has_set(postgres_url: str, given: str, kept: str):
    store = PostgresStore(f"{postgres_url}&options=-csynchronous_commit%3D{given}")
    store.create_run(new_run(), b"a plan")
    store.acquire("run-1")
    for session in (store._pool.connection(), store._keeper.session()):
        with session as db:
            assert db.execute(b"SHOW synchronous_commit").fetchall() == [(kept,)]
    store.close()


def test_an_isolation_that_the_role_has_set_is_no_obstacle(postgres_url: str):
    store = PostgresStore(f"{postgres_url}&options=-cdefault_transaction_isolation%3Dserializable")
    in_threads(lambda number: store.create_run(new_run(f"run-{number}"), b"a plan"), 8)
    assert len(store.runs()) == 8
    store.close()


def test_a_server_that_takes_no_writes_says_so(store: PostgresStore, postgres_url: str):
    reader = PostgresStore(f"{postgres_url}&options=-cdefault_transaction_read_only%3Don")
    assert [run.id for run in reader.runs()] == ["run-1"]
    with pytest.raises(StoreError, match="takes no writes"):
        reader.post("run-1", "cancel")
    with pytest.raises(StoreError, match="takes no writes"):
        reader.acquire("run-1")
    store.append(store.acquire("run-1"), [RunStarted(1.0)])  # the other one has not kept the lock
    reader.close()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: str, admin: Admin):
    name = admin.address.schema
    admin.rows(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(StoreError, match=r"encoding is LATIN1.*UTF8"):
        PostgresStore(postgres.replace("/postgres?", f"/{name}?"))
    admin.rows(f"DROP DATABASE {name}")
    with pytest.raises(StoreError, match="does not exist"):
        PostgresStore(postgres.replace("/postgres?", f"/{name}?"))


# --- Texts


@pytest.mark.parametrize(
    "text", ["a\0b", "a\ud800b", "\0", "\\x00", "größer \U0001f600", "'; DROP TABLE run; --", "$1 %s"]
)
def test_any_text_is_kept_or_escaped(store: PostgresStore, text: str):
    kept = text.replace("\0", "\\x00").replace("\ud800", "\\ud800")
    row = new_run("run-2", workflow=text, params=text, source=text, error=text, plan=text, counts=text)
    lease = store.start_run(row, text.encode("utf-8", "surrogatepass"))
    assert store.plan(text) == text.encode("utf-8", "surrogatepass")
    expected = new_run("run-2", workflow=kept, params=kept, source=kept, error=kept, plan=kept, counts=kept)
    assert store.run("run-2") == expected
    assert store.runs(text) == [expected]
    store.append(lease, EVERY_EVENT, change=RunChange(error=text, counts=text))
    assert list(store.read("run-2")) == [(1, EVERY_EVENT)]
    store.post("run-2", text, text)
    assert [(message.kind, message.body) for message in store.messages("run-2")] == [(kept, kept)]
    store.add_plan("run-2", text, b"")
    for call in (store.run, store.acquire, store.holder, store.messages):
        with pytest.raises(RunNotFound):
            call("x" + text)


def test_a_long_body_is_kept(store: PostgresStore):
    lease = store.acquire("run-1")
    body = [RetryDue(number, 1.5) for number in range(200_000)]
    store.append(lease, body)
    assert list(store.read("run-1")) == [(1, body)]


# --- Several at once


def test_plans_stay_with_runs_that_are_made_while_others_are_deleted(store: PostgresStore):
    def work(number: int) -> None:
        for turn in range(25):
            id = f"run-{number}-{turn}"
            store.create_run(new_run(id, plan="shared"), b"the plan")
            assert store.plan("shared") == b"the plan"
            store.add_plan(id, "other", b"the other")
            assert store.plan("other") == b"the other"
            store.delete_run(id)

    in_threads(work, 6)
    for plan in ("shared", "other"):
        with pytest.raises(StoreError):
            store.plan(plan)
    assert list(store.upkeep.faults()) == []


def test_a_run_is_deleted_with_all_that_is_said_of_it(store: PostgresStore, admin: Admin):
    def post(number: int) -> None:
        for turn in range(25):
            if number == 0:
                store.start_run(new_run(f"run-{turn}x"), b"a plan").release()
                store.delete_run(f"run-{turn}x")
            else:
                try:
                    store.post(f"run-{turn}x", "cancel")
                    store.add_plan(f"run-{turn}x", f"plan-{number}", b"")
                except RunNotFound:
                    pass

    in_threads(post, 4)
    for table in ("journal", "message", "lease", "followed"):
        assert admin.rows(f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT number FROM run)") == [(0,)]
    assert admin.rows("SELECT fingerprint FROM plan WHERE fingerprint NOT IN (SELECT plan FROM followed)") == []


def test_more_threads_than_connections_take_turns(store: PostgresStore, admin: Admin):
    in_threads(lambda number: [store.run("run-1") for _ in range(20)], 24)
    assert len(admin.sessions()) <= 9


# --- The keeper


def keepers() -> int:
    return sum(thread.name == KEEPER for thread in threading.enumerate())


def test_a_store_that_keeps_nothing_has_no_thread(store: PostgresStore, admin: Admin):
    assert keepers() == 0
    lease = store.acquire("run-1")
    assert keepers() == 1
    lease.release()
    listener = store.listen("run-1")
    assert keepers() == 1
    listener.close()
    while keepers():
        time.sleep(0.01)
    lease = store.acquire("run-1")
    assert keepers() == 1
    store.append(lease, [RunStarted(1.0)])
    store.close()
    assert keepers() == 0
    while admin.sessions():
        time.sleep(0.01)  # until the server has noticed


def test_one_heartbeat_serves_all_leases(postgres_url: str, admin: Admin):
    store = PostgresStore(postgres_url, lease=0.3)
    leases = [store.start_run(new_run(f"run-{number}"), b"a plan") for number in range(20)]
    assert admin.locked() == [lease.number for lease in leases]
    admin.pass_time(3600)
    while admin.rows("SELECT FROM lease WHERE heard_at < clock_timestamp() - interval '1 minute'"):
        time.sleep(0.01)
    leases[7].release()
    assert leases[7].number not in admin.locked()
    assert len(admin.locked()) == 19
    store.close()
    assert admin.rows("SELECT FROM lease WHERE pid IS NOT NULL") == []


# --- Upkeep


def test_what_is_wrong_with_the_tables_is_found(store: PostgresStore, admin: Admin):
    store.append(store.acquire("run-1"), [RunStarted(1.0)])
    assert list(store.upkeep.faults()) == []
    admin.rows("INSERT INTO journal SELECT 77, batch, body, checksum FROM journal")
    admin.rows("DELETE FROM lease")
    admin.rows("DELETE FROM followed")
    assert [fault.split(",")[0] for fault in store.upkeep.faults()] == [
        "there is a journal of run number 77",
        "run run-1 has no row for its lease",
        "run run-1 began with plan plan-a",
    ]


def test_plans_that_nobody_follows_are_left_over(store: PostgresStore, admin: Admin):
    assert store.upkeep.leftovers() == {}
    admin.rows("INSERT INTO plan VALUES ('x', ''), ('y', '')")
    assert store.upkeep.leftovers() == {"plan that no run follows": 2}
    assert store.upkeep.leftovers(remove=True) == {"plan that no run follows": 2}
    assert store.upkeep.leftovers() == {}
    assert store.plan("plan-a") == b"a plan"


def test_a_store_that_is_closed_refuses_upkeep(store: PostgresStore):
    store.close()
    with pytest.raises(PenstockError):
        list(store.upkeep.faults())

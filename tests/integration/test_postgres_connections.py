"""Connections to a PostgreSQL server that break, at every moment."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from penstock.engine.events import RetryDue, RunResumed, RunStarted
from penstock.errors import LeaseLost, RunLocked, StoreError
from penstock.store.base import RunChange
from penstock.store.postgres import PostgresStore, connection
from penstock.testing.store_samples import EVERY_EVENT, new_run
from penstock.testing.store_schedules import due_run
from tests.postgres import Admin, Server, with_schema
from tests.postgres_proxy import Pooler, Proxy

pytest_plugins = ("tests.postgres_fixtures",)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url, lease=1.0)
    store.create_run(new_run(), b"a plan")
    yield store
    store.close()


@pytest.fixture
def proxy(admin: Admin) -> Iterator[Proxy]:
    proxy = Proxy(admin.socket)
    yield proxy
    proxy.close()


def through(proxy: Proxy | Pooler, admin: Admin, url: str) -> str:
    return url.replace(str(admin.socket.parent), str(proxy.folder))


def eventually(happens: Callable[[], object]) -> None:
    """Wait until something is so; the time-out of the test is the limit."""
    while not happens():
        time.sleep(0.01)


def insist(write: Callable[[], object]) -> None:
    """Do something until the store does not fail, as a driver does."""
    while True:
        try:
            write()
            return
        except LeaseLost:
            raise
        except StoreError:
            time.sleep(0.01)


# --- Sessions that the server ends


def test_idle_sessions_that_were_ended_are_replaced_without_an_error(store: PostgresStore, admin: Admin):
    lease = store.acquire("run-1")
    for number in range(3):
        assert len(admin.sessions()) >= 2
        admin.end_sessions()
        store.append(lease, [RetryDue(number, 1.0)])
        admin.end_sessions()
        assert store.run("run-1") == new_run()
        admin.end_sessions()
        store.post("run-1", "cancel")
        admin.end_sessions()
        lease.release()
        admin.end_sessions()
        lease = store.acquire("run-1")
    assert [number for number, _ in store.read("run-1")] == [1, 2, 3]
    assert len(store.messages("run-1")) == 3


def test_a_lease_outlives_the_session_that_held_its_lock(store: PostgresStore, admin: Admin, postgres_url: str):
    lease = store.acquire("run-1")
    other = PostgresStore(postgres_url, lease=1.0)
    for number in range(5):
        admin.end_sessions()
        with pytest.raises(RunLocked, match=f"run-1 .* process {os.getpid()} "):
            other.acquire("run-1")
        store.append(lease, [RetryDue(number, 1.0)])
        eventually(lambda: admin.locked() == [1])
    assert not lease.lost
    other.close()


def test_a_listener_is_woken_when_its_session_was_ended(store: PostgresStore, admin: Admin):
    lease = store.acquire("run-1")
    listener = store.listen("run-1")
    for _ in range(2):
        admin.end_sessions()
        assert listener.wait(60)  # what was said meanwhile is not said again
        store.post("run-1", "cancel")
        assert listener.wait(60)
        store.append(lease, [], taken=[message.id for message in store.messages("run-1")])
        eventually(lambda: not listener.wait(1.5))
    listener.close()


def test_a_message_without_a_notification_is_found_by_looking(store: PostgresStore, admin: Admin):
    listener = store.listen("run-1")
    admin.rows("INSERT INTO message (run, kind, body, at) SELECT number, 'cancel', '{}', 0 FROM run")
    assert listener.wait(60)
    listener.close()


def test_a_server_that_restarts_loses_nothing_and_nobody(own_server: Server):
    store = PostgresStore(with_schema(own_server.url, "restarts"), lease=1.0)
    lease = store.start_run(new_run(), b"a plan")
    listener = store.listen("run-1")
    calls = (
        store.runs,
        lambda: store.append(lease, [RunStarted(1.0)]),
        lambda: store.holder("run-1"),
        lambda: store.post("run-1", "cancel"),
        lambda: store.create_run(new_run("run-2"), b"a plan"),
        lambda: store.start_run(new_run("run-2"), b"a plan"),
    )
    for number in range(4):
        store.append(lease, [RetryDue(number, 1.0)])
        own_server.stop(signal.SIGQUIT if number % 2 else signal.SIGINT)
        for call in calls:
            with pytest.raises(StoreError, match=r"postgresql:.*cannot be reached"):
                call()
        own_server.start()
        store.append(lease, [RetryDue(number, 2.0)])
        assert listener.wait(60)
    times = [(event.task, event.at) for _, [event] in store.read("run-1") if isinstance(event, RetryDue)]
    assert times == [(number, at) for number in range(4) for at in (1.0, 2.0)]
    assert not lease.lost
    assert [run.id for run in store.runs()] == ["run-1"]
    store.close()


# --- Commits whose outcome is unknown


@pytest.mark.parametrize(
    ("fault", "committed"), [("unsent", False), ("sent", True), ("answered", True), ("half", True), ("late", False)]
)
def test_a_batch_whose_answer_was_lost_is_in_the_journal_once(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str, fault: str, committed: bool
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    lease = far.acquire("run-1")
    for number in range(5):
        far.append(lease, EVERY_EVENT)
        far.post("run-1", "cancel")
        inbox = [message.id for message in far.messages("run-1")]
        change = RunChange(tasks=number + 1)
        again = [RetryDue(number, 1.0)]
        proxy.arm(fault)
        with pytest.raises(StoreError, match=r"postgresql:.*ended the connection"):
            far.append(lease, again, change=change, taken=inbox)
        assert proxy.struck.acquire(timeout=60)
        if committed:
            eventually(lambda: store.run("run-1").tasks == number + 1)  # noqa: B023
        else:
            assert store.run("run-1").tasks == number
        far.append(lease, again, change=change, taken=inbox)
        proxy.deliver()
        assert [events for _, events in store.read("run-1", 2 * number)] == [EVERY_EVENT, again]
        assert store.run("run-1").tasks == number + 1
        assert store.messages("run-1") == []
    far.close()


@pytest.mark.parametrize("meanwhile", ["again", "other", "release", "taken over"])
def test_a_batch_that_arrives_late_changes_nothing(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str, meanwhile: str
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    lease = far.acquire("run-1")
    proxy.arm("late")
    with pytest.raises(StoreError):
        far.append(lease, [RunResumed(1.0)], change=RunChange(error="late"))
    if meanwhile in ("again", "other"):
        far.append(lease, [RunResumed(1.0 if meanwhile == "again" else 2.0)])
    else:
        lease.release()
    if meanwhile == "taken over":
        store.append(store.acquire("run-1"), [RunResumed(3.0)])
    before = list(store.read("run-1"))
    proxy.deliver()
    assert list(store.read("run-1")) == before
    assert store.run("run-1").error is None
    far.close()


def test_a_batch_that_is_still_being_committed_is_not_written_twice(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str
):
    """The first try waits in the server for a lock on its run's row when its wire is cut; the second waits for it."""
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    lease = far.acquire("run-1")
    far.append(lease, [RunStarted(1.0)])
    writer = Thread(target=lambda: insist(lambda: far.append(lease, [RunResumed(2.0)], change=RunChange(tasks=7))))
    with admin.db.transaction():
        admin.rows("SELECT FROM run FOR UPDATE")
        proxy.arm("sent")
        writer.start()
        eventually(lambda: admin.waiting() >= 2)
    writer.join()
    assert list(store.read("run-1")) == [(1, [RunStarted(1.0)]), (2, [RunResumed(2.0)])]
    assert store.run("run-1").tasks == 7
    far.close()


def test_another_batch_may_follow_one_that_was_given_up(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    lease = far.acquire("run-1")
    for fault, written in (("answered", 1), ("unsent", 0)):
        before = len(list(store.read("run-1")))
        proxy.arm(fault)
        with pytest.raises(StoreError):
            far.append(lease, [RunResumed(1.0)])
        assert proxy.struck.acquire(timeout=60)
        far.append(lease, [RunResumed(2.0)])
        expected = [[RunResumed(1.0)]] * written + [[RunResumed(2.0)]]
        assert [events for _, events in store.read("run-1", before)] == expected
    far.close()


@pytest.mark.parametrize("fault", ["unsent", "sent", "answered", "half", "late"])
def test_a_run_whose_start_was_not_answered_is_started_once(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str, fault: str
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    proxy.arm(fault, "INSERT INTO lease")
    lease = far.start_run(new_run("run-2"), b"a plan")
    assert proxy.struck.acquire(timeout=60)
    proxy.deliver()
    assert [run.id for run in store.unfinished()] == ["run-1", "run-2"]
    eventually(lambda: admin.locked() == [lease.number])
    far.append(lease, [RunStarted(1.0)])
    with pytest.raises(RunLocked):
        store.acquire("run-2")
    for id in ("run-1", "run-2"):  # of others, and of its own
        with pytest.raises(StoreError, match="on record already"):
            far.start_run(new_run(id), b"a plan")
    far.close()
    store.append(store.acquire("run-2"), [RunResumed(2.0)])
    assert list(store.read("run-2")) == [(1, [RunStarted(1.0)]), (2, [RunResumed(2.0)])]


@pytest.mark.parametrize("fault", ["unsent", "sent", "answered", "half", "late"])
def test_a_run_for_a_time_whose_start_was_not_answered_is_started_once(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str, fault: str
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=1.0)
    proxy.arm(fault, "INSERT INTO lease")
    lease = far.start_run(due_run("run-2", 5.0), b"a plan")
    assert proxy.struck.acquire(timeout=60)
    proxy.deliver()
    assert [tick.run_id for tick in store.ticks("flights")] == ["run-2"]
    eventually(lambda: admin.locked() == [lease.number])
    far.append(lease, [RunStarted(1.0)])
    far.close()


def test_a_run_whose_start_was_never_answered_is_taken_over_like_a_dead_drivers(
    store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str
):
    far = PostgresStore(through(proxy, admin, postgres_url), lease=0.3)
    for _ in range(2):
        proxy.arm("answered", "INSERT INTO lease")
    with pytest.raises(StoreError, match="ended the connection"):
        far.start_run(new_run("run-2"), b"a plan")
    assert [run.id for run in store.unfinished()] == ["run-1", "run-2"]
    eventually(lambda: store.holder("run-2") is None)
    store.append(store.acquire("run-2"), [RunStarted(1.0)])
    far.close()


# --- Poolers


def test_a_pooler_that_lends_for_transactions_is_refused_by_name(store: PostgresStore, admin: Admin, postgres_url: str):
    pooler = Pooler(admin.socket)
    with pytest.raises(StoreError, match="pool_mode"):
        PostgresStore(through(pooler, admin, postgres_url))
    pooler.close()


def test_a_proxy_that_lends_nothing_is_no_pooler(store: PostgresStore, admin: Admin, proxy: Proxy, postgres_url: str):
    proxy.own_key = True
    far = PostgresStore(through(proxy, admin, postgres_url))
    far.append(far.acquire("run-1"), [RunStarted(1.0)])
    far.close()


def test_a_server_that_cannot_be_reached_is_named_without_the_password():
    for url in ("postgresql://me:secret@127.0.0.1:1/db", "postgresql://me:secret@/db?host=/nowhere"):
        with pytest.raises(StoreError, match=r"postgresql:.*cannot be reached") as refusal:
            PostgresStore(url)
        error: BaseException | None = refusal.value
        while error is not None:
            assert "secret" not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__


# --- Servers


def test_both_ends_find_out_within_a_period_that_the_other_machine_is_gone():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(port=port, listen_addresses="127.0.0.1")
    store = PostgresStore(f"postgresql://penstock@127.0.0.1:{port}/postgres?penstock_lease=8")
    lease = store.start_run(new_run(), b"a plan")
    with store._keeper.session() as db:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        there = dict(db.execute(b"SELECT name, setting FROM pg_settings").fetchall())
        wire = socket.socket(fileno=os.dup(db.fileno()))
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        here = [wire.getsockopt(socket.IPPROTO_TCP, option) for option in options]
        wire.close()
    assert [there[name] for name in names] == ["2", "2", "3", "8000"]
    assert here == [2, 2, 3, 8000]
    store.append(lease, [RunStarted(1.0)])
    store.close()
    server.remove()


def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "OLDEST", 990000)
    with pytest.raises(StoreError, match="PostgreSQL is older than 99: upgrade the server"):
        PostgresStore(postgres_url)

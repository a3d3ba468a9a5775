"""Several processes at one PostgreSQL store, some of them killed, some stopped and continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from penstock.engine.events import RetryDue, RunResumed, RunStarted
from penstock.errors import LeaseLost, RunLocked, StoreError
from penstock.store.base import Lease, RunChange
from penstock.store.postgres import PostgresStore
from penstock.testing.store_samples import in_threads, new_run
from tests.postgres import Admin, named

pytest_plugins = ("tests.postgres_fixtures",)

PERIOD = 30.0
"""Seconds of a lease, which pass when the test says so."""

IMPORTS = """
import os, sys, threading, time
from penstock.engine.events import RetryDue
from penstock.errors import LeaseLost, RunLocked
from penstock.store.postgres import PostgresStore
store = PostgresStore(sys.argv[1], lease=float(sys.argv[2]))
"""
APPEND_FOR_EVER = """
lease = store.acquire("run-1")
number = 0
while True:
    store.append(lease, [RetryDue(number, 1.0)])
    os.write(1, b".")    # acknowledged
    number += 1
"""
DRIVE_UNTIL_TOLD = """
lease = store.acquire("run-1")
listener = store.listen("run-1")
print("driving", flush=True)
sys.stdin.readline()
try:
    store.append(lease, [RetryDue(1, 1.0)])
    print("written", flush=True)
except LeaseLost as error:
    print("refused", flush=True)
sys.stdin.read()
"""
RELEASE_WHEN_TOLD = """
lease = store.acquire("run-1")
print("driving", flush=True)
sys.stdin.readline()
lease.release()
sys.stdin.read()
"""
SLEEP_UNTIL_LOST = """
lease = store.acquire("run-1")
listener = store.listen("run-1")
print("driving", flush=True)
while not lease.lost:
    listener.wait(None)
print("lost", flush=True)
"""
POST = "store.post('run-1', 'cancel')"
ACQUIRE = """
try:
    store.acquire("run-1")
    print("driving", flush=True)
    sys.stdin.read()
except RunLocked as error:
    print(error, flush=True)
"""

Child = subprocess.Popen[bytes]
Start = Callable[..., Child]


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url, lease=PERIOD)
    store.create_run(new_run(), b"a plan")
    yield store
    store.close()


@pytest.fixture
def start(postgres_url: str) -> Iterator[Start]:
    children = []

    def start(script: str, period: float = PERIOD) -> Child:
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORTS + script, named(postgres_url, "child_"), str(period)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        with child:
            pass  # which closes its pipes and waits


def tell(child: Child) -> None:
    assert child.stdin
    child.stdin.write(b"go\n")
    child.stdin.flush()


def said(child: Child) -> bytes:
    """The next line that a child says."""
    assert child.stdout
    return child.stdout.readline()


def stop(child: Child) -> None:
    """Stop a child with SIGSTOP, and wait until it is."""
    child.send_signal(signal.SIGSTOP)
    while os.waitpid(child.pid, os.WUNTRACED)[1] & 0xFF != 0x7F:
        pass


def adopt(store: PostgresStore) -> Lease:
    """The lease of the run, as soon as it is given."""
    while True:
        try:
            return store.acquire("run-1")
        except RunLocked:
            time.sleep(0.01)


# --- Drivers that die


@pytest.mark.parametrize("acknowledged", [1, 50, 400])
def test_what_was_acknowledged_survives_a_kill_and_the_run_is_adopted(
    store: PostgresStore, start: Start, acknowledged: int
):
    child = start(APPEND_FOR_EVER, period=1.0)
    assert child.stdout
    seen = len(child.stdout.read(acknowledged))
    assert seen == acknowledged
    child.kill()
    seen += len(child.stdout.read())
    child.wait()
    lease = adopt(store)
    batches = list(store.read("run-1"))
    assert batches == [(number + 1, [RetryDue(number, 1.0)]) for number in range(len(batches))]
    assert len(batches) - seen in (0, 1)  # one may have been written and not acknowledged
    store.append(lease, [RunResumed(2.0)])
    assert list(store.read("run-1", len(batches))) == [(len(batches) + 1, [RunResumed(2.0)])]


def test_a_dead_drivers_run_is_free_when_it_was_silent_for_a_period(store: PostgresStore, start: Start, admin: Admin):
    child = start(DRIVE_UNTIL_TOLD)
    assert said(child) == b"driving\n"
    child.kill()
    child.wait()
    with pytest.raises(RunLocked, match=f"run-1 .* process {child.pid} "):
        store.acquire("run-1")
    assert store.holder("run-1") is not None
    admin.pass_time(PERIOD)
    while admin.locked():
        time.sleep(0.01)  # until the server has noticed
    assert store.holder("run-1") is None
    store.append(store.acquire("run-1"), [RunStarted(1.0)])


def test_a_run_that_was_given_back_is_free_at_once(store: PostgresStore, postgres_url: str):
    other = PostgresStore(postgres_url, lease=3600)
    for _ in range(10):
        other.acquire("run-1").release()
        store.acquire("run-1").release()
    other.acquire("run-1")
    other.close()
    assert store.holder("run-1") is None
    store.acquire("run-1")


def test_one_of_many_processes_becomes_the_driver(store: PostgresStore, start: Start):
    children = [start(ACQUIRE) for _ in range(4)]
    lines = [said(child) for child in children]
    assert lines.count(b"driving\n") == 1
    driver = children[lines.index(b"driving\n")]
    assert all(b"by process %d " % driver.pid in line for line in lines if line != b"driving\n")
    holder = store.holder("run-1")
    assert holder is not None
    assert (holder.pid, holder.host) == (driver.pid, os.uname().nodename)


def test_threads_of_several_stores_compete(store: PostgresStore, postgres_url: str):
    stores = [PostgresStore(postgres_url, lease=PERIOD) for _ in range(3)]

    def compete(number: int) -> int:
        won = 0
        for _ in range(20):
            try:
                lease = stores[number % 3].acquire("run-1")
            except RunLocked:
                continue
            stores[number % 3].append(lease, [RetryDue(number, 1.0)])
            lease.release()
            won += 1
        return won

    won = in_threads(compete, 6)
    assert sum(won) == len(list(store.read("run-1"))) > 0
    for other in stores:
        other.close()


# --- Drivers that are stopped


def test_one_who_is_stopped_while_it_gives_a_run_back_keeps_no_lock(store: PostgresStore, start: Start, admin: Admin):
    child = start(RELEASE_WHEN_TOLD)
    assert said(child) == b"driving\n"
    with admin.db.transaction():
        admin.rows("SELECT FROM lease FOR UPDATE")
        tell(child)
        while not admin.waiting():
            time.sleep(0.01)  # until the server has what it says
        stop(child)
    while store.holder("run-1") is not None:
        time.sleep(0.01)
    store.append(store.acquire("run-1"), [RunStarted(1.0)])


def test_one_who_is_stopped_while_it_is_refused_keeps_no_lock(store: PostgresStore, start: Start, admin: Admin):
    admin.rows("UPDATE lease SET pid = 1, heard_at = clock_timestamp() - interval '2 hours', period = '1 hour'")
    with admin.db.transaction():
        admin.rows("SELECT FROM lease FOR UPDATE")
        child = start(ACQUIRE)
        while not admin.waiting():
            time.sleep(0.01)
        stop(child)
        admin.rows("UPDATE lease SET heard_at = clock_timestamp()")  # the driver is heard again, and dies
    while admin.locked():
        time.sleep(0.01)
    admin.pass_time(2 * 3600)
    store.append(store.acquire("run-1"), [RunStarted(1.0)])


def test_a_stopped_driver_keeps_its_run_while_its_session_lives(store: PostgresStore, start: Start, admin: Admin):
    child = start(DRIVE_UNTIL_TOLD, period=1.0)
    assert said(child) == b"driving\n"
    stop(child)
    admin.pass_time(3600)
    holder = store.holder("run-1")
    assert holder is not None
    assert holder.pid == child.pid
    assert 3590 < time.time() - holder.heard_at < 3700
    with pytest.raises(RunLocked, match=f"run-1 .* process {child.pid} "):
        store.acquire("run-1")
    with pytest.raises(RunLocked):
        store.delete_run("run-1")
    child.send_signal(signal.SIGCONT)
    while time.time() - store.holder("run-1").heard_at > 3000:  # type: ignore[union-attr]
        time.sleep(0.01)  # until it is heard again
    tell(child)
    assert said(child) == b"written\n"


def test_a_stopped_driver_whose_session_was_ended_is_refused_when_it_goes_on(
    store: PostgresStore, start: Start, admin: Admin
):
    child = start(DRIVE_UNTIL_TOLD)
    assert said(child) == b"driving\n"
    stop(child)
    admin.end_sessions("child_")
    with pytest.raises(RunLocked, match=f"run-1 .* process {child.pid} "):
        store.acquire("run-1")
    admin.pass_time(PERIOD)
    lease = store.acquire("run-1")
    store.append(lease, [RunResumed(1.0)])
    child.send_signal(signal.SIGCONT)
    tell(child)
    assert said(child) == b"refused\n"
    assert list(store.read("run-1")) == [(1, [RunResumed(1.0)])]
    store.append(lease, [RunResumed(2.0)])


def test_a_driver_learns_that_its_lease_is_lost_in_its_sleep(store: PostgresStore, start: Start, admin: Admin):
    child = start(SLEEP_UNTIL_LOST)
    assert said(child) == b"driving\n"
    stop(child)
    admin.end_sessions("child_")
    admin.pass_time(PERIOD)
    store.acquire("run-1")
    child.send_signal(signal.SIGCONT)
    assert said(child) == b"lost\n"


def test_a_stopped_driver_whose_session_was_ended_and_whom_nobody_replaced_goes_on(
    store: PostgresStore, start: Start, admin: Admin
):
    child = start(DRIVE_UNTIL_TOLD)
    assert said(child) == b"driving\n"
    stop(child)
    admin.end_sessions("child_")
    admin.pass_time(3600)
    assert store.holder("run-1") is None
    child.send_signal(signal.SIGCONT)
    tell(child)
    assert said(child) == b"written\n"
    while admin.locked() != [1]:
        time.sleep(0.01)
    with pytest.raises(RunLocked):
        store.acquire("run-1")


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 0.9, -0.9])
@pytest.mark.usefixtures("store")
def test_jumps_of_the_servers_clock_rob_nobody_who_lives_and_keep_nothing_for_the_dead(
    postgres_url: str, admin: Admin, seconds: float
):
    store, other = (PostgresStore(postgres_url, lease=1.0) for _ in range(2))
    lease = store.acquire("run-1")
    admin.pass_time(seconds)
    with pytest.raises(RunLocked):
        other.acquire("run-1")
    store.append(lease, [RunStarted(1.0)])
    admin.pass_time(seconds)
    admin.rows("UPDATE lease SET token = token + 1, pid = 1")  # a dead driver's, of whom nobody beats any more
    while store.holder("run-1") is not None:
        time.sleep(0.01)
    assert adopt(other).token > lease.token
    other.close()
    store.close()


# --- Fencing


@pytest.mark.usefixtures("store")
def test_an_old_lease_writes_nothing_after_a_takeover(postgres_url: str, admin: Admin):
    store, other = (PostgresStore(postgres_url, lease=1.0) for _ in range(2))
    old = store.acquire("run-1")
    store.append(old, [RunStarted(1.0)])
    store.post("run-1", "cancel")
    inbox = store.messages("run-1")
    new = taken_over(other, admin)
    for _ in range(2):
        with pytest.raises(LeaseLost, match="run-1"):
            store.append(old, [RunResumed(2.0)], change=RunChange(state="success"), taken=[inbox[0].id])
    assert old.lost
    old.release()
    other.append(new, [RunResumed(3.0)])
    assert [events for _, events in store.read("run-1")] == [[RunStarted(1.0)], [RunResumed(3.0)]]
    assert store.run("run-1").state == "queued"
    assert store.messages("run-1") == inbox
    assert new.token > old.token
    new.release()
    assert store.acquire("run-1").token > new.token
    store.close()
    other.close()


def taken_over(store: PostgresStore, admin: Admin) -> Lease:
    """The run's lease, as if its driver had been cut off for a period."""
    admin.rows("UPDATE lease SET token = token + 1, pid = NULL")
    return adopt(store)


def test_a_driver_that_waits_at_a_row_for_a_takeover_is_refused(store: PostgresStore, admin: Admin):
    """The takeover is under way, and not committed, when the old driver writes."""
    lease = store.acquire("run-1")
    refused = threading.Event()

    def write() -> None:
        try:
            store.append(lease, [RunStarted(1.0)])
        except LeaseLost:
            refused.set()

    writer = threading.Thread(target=write)
    with admin.db.transaction():
        admin.rows("UPDATE lease SET token = token + 1")
        writer.start()
        while not admin.waiting():
            time.sleep(0.01)
    writer.join()
    assert refused.is_set()
    assert list(store.read("run-1")) == []


# --- Inbox


def test_a_message_of_another_process_wakes_the_driver(store: PostgresStore, start: Start):
    store.acquire("run-1")
    listener = store.listen("run-1")
    child = start(POST)
    assert listener.wait(60)
    assert child.wait() == 0
    assert [message.kind for message in store.messages("run-1")] == ["cancel"]
    listener.close()


# --- Forks


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_takes_nothing_from_its_parent(store: PostgresStore):
    lease = store.acquire("run-1")
    listener = store.listen("run-1")
    child = os.fork()
    if child == 0:
        try:
            calls = (store.runs, lambda: store.append(lease, []), lambda: store.acquire("run-1"), store.sync)
            refused = all(refuses(call) for call in calls)
            lease.release()
            listener.close()
            store.close()
            os._exit(0 if refused else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    store.append(lease, [RunStarted(1.0)])
    holder = store.holder("run-1")
    assert holder is not None
    assert holder.pid == os.getpid()
    store.post("run-1", "cancel")
    assert listener.wait(60)
    listener.close()


def refuses(call: Callable[[], object]) -> bool:
    try:
        call()
    except StoreError as error:
        return "fork" in str(error)
    return False

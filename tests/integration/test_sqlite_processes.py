"""Several processes at one SQLite store, some of them killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.engine.events import RetryDue, RunResumed, RunStarted
from penstock.errors import LeaseLost, RunLocked, StoreError
from penstock.store.base import RunChange
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run

IMPORTS = """
import os, sys, threading
from pathlib import Path
from penstock.engine.events import RetryDue
from penstock.errors import RunLocked
from penstock.store.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
"""
APPEND_FOR_EVER = """
lease = store.acquire(sys.argv[2])
number = 0
while True:
    store.append(lease, [RetryDue(number, 1.0)], safe=number % 100 == 0)
    os.write(1, b".")    # acknowledged
    number += 1
"""
DRIVE_UNTIL_TOLD = """
lease = store.acquire(sys.argv[2])
print("driving", flush=True)
sys.stdin.read()
"""
DRIVE_AND_SLEEP = """
lease = store.acquire(sys.argv[2])
listener = store.listen(sys.argv[2])
print("driving", flush=True)
while True:
    listener.wait(None)
"""
START_FOR_EVER = """
from penstock.testing.store_samples import new_run
number = 0
while True:
    number += 1
    lease = store.start_run(new_run(f"new-{number}"), b"a plan")
    store.append(lease, [RetryDue(1, 1.0)])
    os.write(1, f"{lease.run_id} ".encode())
"""
APPEND_UNTIL_TOLD = """
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), told.set())).start()
lease = store.acquire(sys.argv[2])
number = 0
while not told.is_set():
    store.append(lease, [RetryDue(number, 1.0)])
    number += 1
lease.release()
store.close()
print(number)
"""
POST = "store.post(sys.argv[2], 'cancel')"
ACQUIRE = """
try:
    store.acquire(sys.argv[2])
except RunLocked as error:
    print(error)
"""

Child = subprocess.Popen[bytes]
Start = Callable[[str, str], Child]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(folder)
    store.create_run(new_run(), b"a plan")
    yield store
    store.close()


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    children = []

    def start(script: str, run_id: str = "run-1") -> Child:
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORTS + script, folder, run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        with child:
            pass  # which closes its pipes and waits


def said(child: Child) -> bytes:
    """All that a child that ends by itself says."""
    out, _ = child.communicate()
    assert child.returncode == 0
    return out


@pytest.mark.parametrize("acknowledged", [1, 2, 50, 150, 400, 1500])
def test_what_was_acknowledged_survives_a_kill(folder: Path, store: SQLiteStore, start: Start, acknowledged: int):
    store.close()  # the killed process is the only one, so that its log must be recovered
    child = start(APPEND_FOR_EVER, "run-1")
    assert child.stdout
    seen = len(child.stdout.read(acknowledged))
    child.kill()
    seen += len(child.stdout.read())
    child.wait()

    again = SQLiteStore(folder)
    batches = list(again.read("run-1"))
    assert batches == [(number + 1, [RetryDue(number, 1.0)]) for number in range(len(batches))]
    assert len(batches) - seen in (0, 1)  # one may have been written and not acknowledged
    lease = again.acquire("run-1")
    again.append(lease, [RunResumed(2.0)])
    assert list(again.read("run-1", len(batches))) == [(len(batches) + 1, [RunResumed(2.0)])]
    again.close()


def test_a_kill_in_the_middle_of_another_ones_reading_and_writing(store: SQLiteStore, start: Start):
    store.create_run(new_run("run-2"), b"a plan")
    mine = store.acquire("run-2")
    for round in range(5):
        child = start(APPEND_FOR_EVER, "run-1")
        assert child.stdout
        child.stdout.read(1)
        for number in range(100):
            store.append(mine, [RetryDue(number, float(round))])
        child.kill()
        child.wait()
        assert store.holder("run-1") is None
    assert len(list(store.read("run-2"))) == 500
    numbers = [event.task for _, [event] in store.read("run-1") if isinstance(event, RetryDue)]
    assert numbers.count(0) == 5


def test_a_driven_run_is_refused_to_others_until_its_driver_dies(store: SQLiteStore, start: Start):
    driver = start(DRIVE_UNTIL_TOLD, "run-1")
    assert driver.stdout
    assert driver.stdout.readline() == b"driving\n"
    holder = store.holder("run-1")
    assert holder is not None
    assert holder.pid == driver.pid
    with pytest.raises(RunLocked, match=f"run-1 .* process {driver.pid} "):
        store.acquire("run-1")
    with pytest.raises(RunLocked):
        store.delete_run("run-1")
    assert f"process {driver.pid} ".encode() in said(start(ACQUIRE, "run-1"))
    driver.kill()
    driver.wait()
    assert store.holder("run-1") is None
    assert store.acquire("run-1").token == 2


def test_a_stopped_driver_keeps_its_run(store: SQLiteStore, start: Start):
    driver = start(DRIVE_UNTIL_TOLD, "run-1")
    assert driver.stdout
    driver.stdout.readline()
    driver.send_signal(signal.SIGSTOP)
    try:
        assert store.holder("run-1") is not None
        with pytest.raises(RunLocked):
            store.acquire("run-1")
    finally:
        driver.send_signal(signal.SIGCONT)


def test_a_stopped_driver_is_silent_until_it_goes_on(store: SQLiteStore, start: Start):
    driver = start(DRIVE_AND_SLEEP, "run-1")
    assert driver.stdout
    assert driver.stdout.readline() == b"driving\n"
    heard = heard_of(store)
    deadline = time.monotonic() + 60
    while heard_of(store) == heard:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, driver.pid, os.WSTOPPED | os.WNOWAIT)
    heard = heard_of(store)
    for _ in range(12):
        store.post("run-1", "mark")  # which nobody answers
        time.sleep(0.1)
    assert heard_of(store) == heard
    driver.send_signal(signal.SIGCONT)
    while heard_of(store) == heard:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def heard_of(store: SQLiteStore) -> float:
    holder = store.holder("run-1")
    assert holder is not None
    return holder.heard_at


def test_a_run_that_another_process_starts_is_not_to_be_had_until_that_dies(store: SQLiteStore, start: Start):
    driver = start(START_FOR_EVER, "run-1")
    assert driver.stdout
    tried = 0
    while tried < 200:
        for row in store.unfinished():
            if row.id != "run-1":
                tried += 1
                with pytest.raises(RunLocked):
                    store.acquire(row.id)
    driver.kill()
    written = driver.stdout.read().split()
    driver.wait()
    adopted = [store.acquire(row.id).run_id for row in store.unfinished()]
    assert {id.decode() for id in written} <= set(adopted)
    assert len(adopted) - len(written) in (1, 2)  # "run-1", and one that could not tell any more
    for id in adopted[:-1]:
        assert list(store.read(id)) in ([], [(1, [RetryDue(1, 1.0)])])


def test_a_second_store_of_this_process_leaves_the_lease_alone(folder: Path, store: SQLiteStore, start: Start):
    store.acquire("run-1")
    second = SQLiteStore(folder)
    with pytest.raises(RunLocked):
        second.acquire("run-1")
    assert second.holder("run-1") is not None
    second.close()
    assert f"process {os.getpid()} ".encode() in said(start(ACQUIRE, "run-1"))


def test_processes_that_write_at_once_all_get_their_turn(store: SQLiteStore, start: Start):
    ids = [f"many-{number}" for number in range(4)]
    for id in ids:
        store.create_run(new_run(id), b"a plan")
    children = [start(APPEND_UNTIL_TOLD, id) for id in ids]
    # Where one starves, this waits until the test times out.
    for id in ids:
        while sum(1 for _ in store.read(id)) < 1000:
            time.sleep(0.01)
    for child in children:
        assert child.stdin
        child.stdin.close()
    for child in children:
        child.wait()
    for id, child in zip(ids, children, strict=True):
        assert child.returncode == 0
        assert child.stdout
        written = int(child.stdout.read())
        batches = list(store.read(id))
        assert batches == [(number + 1, [RetryDue(number, 1.0)]) for number in range(written)]


def test_processes_that_make_a_store_at_once_make_one(tmp_path: Path):
    script = (
        IMPORTS
        + """
from penstock.testing.store_samples import new_run
store.create_run(new_run(sys.argv[2]), b"a plan")
store.close()
"""
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "new" / "store", f"run-{number}"])
        for number in range(8)
    ]
    assert [child.wait() for child in children] == [0] * 8
    store = SQLiteStore(tmp_path / "new" / "store")
    assert {run.id for run in store.runs()} == {f"run-{number}" for number in range(8)}
    store.close()


def test_the_log_begins_anew_while_processes_write(folder: Path, store: SQLiteStore, start: Start):
    ids = [f"many-{number}" for number in range(3)]
    for id in ids:
        store.create_run(new_run(id), b"a plan")
    children = [start(APPEND_UNTIL_TOLD, id) for id in ids]
    while sum(1 for id in ids for _ in store.read(id)) < 30_000:  # a page of 4 KiB each, or more
        time.sleep(0.1)
    assert (folder / "penstock.db-wal").stat().st_size < 80 << 20
    for child in children:
        assert child.stdin
        child.stdin.close()
    for child in children:
        assert child.wait() == 0


def test_a_message_from_another_process_wakes(store: SQLiteStore, start: Start):
    store.acquire("run-1")
    listener = store.listen("run-1")
    start(POST, "run-1")
    assert listener.wait(None)
    assert [message.kind for message in store.messages("run-1")] == ["cancel"]
    listener.close()


def test_a_message_is_found_where_the_wake_up_was_lost(folder: Path, store: SQLiteStore, start: Start):
    store.acquire("run-1")
    listener = store.listen("run-1")
    [pipe] = (folder / "wake").iterdir()
    pipe.unlink()
    said(start(POST, "run-1"))
    assert listener.wait(None)
    listener.close()


def test_a_driver_whose_lock_was_taken_away_is_fenced_off(folder: Path, store: SQLiteStore):
    old = store.acquire("run-1")
    store.append(old, [RunStarted(1.0)])
    (folder / "lease.lock").unlink()  # as somebody may who tidies up
    other = SQLiteStore(folder)
    new = other.acquire("run-1")
    assert new.token > old.token
    with pytest.raises(LeaseLost, match="run-1"):
        store.append(old, [RetryDue(1, 2.0)], change=RunChange(state="success"))
    holder = other.holder("run-1")
    old.release()
    assert holder is not None
    assert other.holder("run-1") == holder
    other.append(new, [RunResumed(3.0)])
    with pytest.raises(LeaseLost):
        store.append(old, [RetryDue(1, 2.0)])
    assert list(other.read("run-1")) == [(1, [RunStarted(1.0)]), (2, [RunResumed(3.0)])]
    assert other.run("run-1").state == "queued"
    other.close()


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_may_not_use_the_store(folder: Path, store: SQLiteStore):
    lease = store.acquire("run-1")

    def refused() -> bool:
        calls: list[Callable[[], object]] = [
            *(store.sync, store.runs, lambda: store.append(lease, [RunStarted(1.0)])),
            *(lambda: store.acquire("run-1"), lambda: store.post("run-1", "cancel")),
        ]
        for call in calls:
            try:
                call()
            except StoreError as error:
                if "fork" not in str(error):
                    return False
            else:
                return False
        store.close()
        own = SQLiteStore(folder)
        try:
            own.acquire("run-1")
        except RunLocked:
            return own.run("run-1").id == "run-1"
        return False

    assert in_fork(refused)()
    store.append(lease, [RunStarted(1.0)])
    assert store.holder("run-1") is not None
    with pytest.raises(RunLocked):
        store.acquire("run-1")


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_can_drive_what_its_parent_has_given_back(folder: Path, store: SQLiteStore):
    lease = store.acquire("run-1")
    told, tell = os.pipe()

    def drive() -> bool:
        os.read(told, 1)
        own = SQLiteStore(folder)
        own.append(own.acquire("run-1"), [RunStarted(1.0)])
        return True

    succeeded = in_fork(drive)
    lease.release()
    os.write(tell, b"!")
    assert succeeded()
    assert [number for number, _ in store.read("run-1")] == [1]
    os.close(told)
    os.close(tell)


def in_fork(work: Callable[[], bool]) -> Callable[[], bool]:
    """Do it in a forked child: whether it came out true, once that is asked."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return lambda: os.waitpid(child, 0)[1] == 0


FORK_AND_DIE = """
lease = store.acquire(sys.argv[2])
store._writer._locks.queue(0)    # as if in the middle of a commit
if os.fork() == 0:
    os.write(1, b"forked")
    os.close(1)
    sys.stdin.read()
else:
    os.kill(os.getpid(), 9)
"""


def test_a_child_that_outlives_its_parent_keeps_none_of_its_locks(store: SQLiteStore, start: Start):
    parent = start(FORK_AND_DIE, "run-1")
    assert parent.stdout
    assert parent.stdout.read() == b"forked"
    assert parent.wait() == -signal.SIGKILL
    lease = store.acquire("run-1")
    store.append(lease, [RunStarted(1.0)])
    assert parent.stdin
    parent.stdin.close()  # the child ends

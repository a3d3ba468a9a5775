"""Processes that claim slots of a pool at one store, some of them killed, some stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.store.base import Claim, Pool, Store
from penstock.store.postgres import PostgresStore
from penstock.store.sqlite import SQLiteStore
from penstock.store.upkeep import DEAD_CLAIMS, Upkeep, upkeep_of
from penstock.testing.store_samples import new_run
from tests.postgres import Admin, named

pytest_plugins = ("tests.postgres_fixtures",)

PERIOD = 30.0
"""Seconds of a lease of the Postgres store, which pass when the test says so."""

OPEN = {
    SQLiteStore: """
from pathlib import Path
from penstock.store.sqlite import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
""",
    PostgresStore: f"""
from penstock.store.postgres import PostgresStore
store = PostgresStore(sys.argv[1], lease={PERIOD})
""",
}
HOLD = """
lease = store.acquire(sys.argv[2])
print(store.claim(lease, "api", int(sys.argv[3])).granted, flush=True)
sys.stdin.read()
"""
WAIT = """
lease = store.acquire(sys.argv[2])
listener = store.listen(sys.argv[2])
while (granted := store.claim(lease, "api", int(sys.argv[3])).granted) < int(sys.argv[3]):
    print(granted, flush=True)
    assert listener.wait(60)
print(granted, flush=True)
sys.stdin.read()
"""
TAKE_TURNS = """
lease = store.acquire(sys.argv[2])
listener = store.listen(sys.argv[2])
while True:
    if store.claim(lease, "api", 1).granted:
        print("." if take_a_seat() else "!", end="", flush=True)
        leave()
        store.claim(lease, "api", 0)
    else:
        listener.wait(0.05)
"""
SEATS = """
import fcntl, os, sys
seats = os.open(sys.argv[4], os.O_RDWR | os.O_CREAT)  # before the store, since who dies closes in this order
def take_a_seat():
    for seat in range(int(sys.argv[3])):
        try:
            fcntl.lockf(seats, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, seat)
            return True
        except OSError:
            pass
    return False
def leave():
    fcntl.lockf(seats, fcntl.LOCK_UN)
"""

Child = subprocess.Popen[bytes]


@dataclass
class Place:
    """A store, and how others are started at it."""

    store: Store
    where: str
    seats: Path
    """A file whose bytes are locked by those who use a slot."""
    pass_time: Callable[[], None]
    """Until nobody waits for a sign of life of the dead any more."""
    children: list[Child] = field(default_factory=list)

    def start(self, script: str, run_id: str, wanted: int) -> Child:
        script = SEATS + OPEN[type(self.store)] + script
        child = subprocess.Popen(
            [sys.executable, "-c", script, self.where, run_id, str(wanted), self.seats],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.children.append(child)
        return child

    def kill(self, child: Child) -> None:
        child.kill()
        child.wait()
        self.pass_time()

    @property
    def upkeep(self) -> Upkeep:
        found = upkeep_of(self.store)
        assert found is not None
        return found


@pytest.fixture(params=[SQLiteStore, PostgresStore])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    store: Store
    if request.param is SQLiteStore:
        store = SQLiteStore(tmp_path / "store")
        place = Place(store, str(tmp_path / "store"), tmp_path / "seats", lambda: None)
    else:
        url: str = request.getfixturevalue("postgres_url")
        store = PostgresStore(url, lease=PERIOD)
        admin: Admin = request.getfixturevalue("admin")
        sessions = admin.sessions

        def pass_time() -> None:
            while len(sessions("child_")) > sum(2 for child in place.children if child.poll() is None):
                time.sleep(0.01)
            admin.pass_time(2 * PERIOD)

        place = Place(store, named(url, "child_"), tmp_path / "seats", pass_time)
    store.set_pool("api", 3)
    for id in "abcdef":
        store.create_run(new_run(id), b"a plan")
    yield place
    for child in place.children:
        child.kill()
        with child:
            pass  # which closes its pipes and waits
    store.close()


def heard(child: Child) -> int:
    assert child.stdout
    return int(child.stdout.readline())


def test_who_is_killed_gives_back_what_he_held(place: Place):
    store = place.store
    child = place.start(HOLD, "a", 2)
    assert heard(child) == 2
    lease = store.acquire("b")
    assert store.claim(lease, "api", 3) == Claim(1, contested=False)
    assert store.claim(lease, "api", 3) == Claim(1, contested=False)
    place.kill(child)
    assert store.pools() == [Pool("api", 3, 1, 1)]
    assert [use.run_id for use in store.pool_users("api")] == ["b"]
    assert place.upkeep.leftovers()[DEAD_CLAIMS] == 1
    assert store.claim(lease, "api", 3) == Claim(3, contested=False)
    assert DEAD_CLAIMS not in place.upkeep.leftovers()


def test_who_is_killed_in_the_line_keeps_nobody_waiting(place: Place):
    store = place.store
    holder, lease = store.acquire("b"), store.acquire("c")
    store.claim(holder, "api", 2)
    child = place.start(HOLD, "a", 3)
    assert heard(child) == 1
    assert store.claim(lease, "api", 1) == Claim(0, contested=True)
    assert store.claim(holder, "api", 1, used=1) == Claim(1, contested=True)
    assert store.claim(lease, "api", 1) == Claim(0, contested=True)
    place.kill(child)
    assert store.claim(lease, "api", 1) == Claim(1, contested=False)


def test_what_the_dead_leave_is_swept_up(place: Place):
    child = place.start(HOLD, "a", 2)
    heard(child)
    assert DEAD_CLAIMS not in place.upkeep.leftovers(remove=True)
    place.kill(child)
    assert place.upkeep.leftovers(remove=True)[DEAD_CLAIMS] == 1
    assert DEAD_CLAIMS not in place.upkeep.leftovers()
    assert place.store.pools() == [Pool("api", 3, 0, 0)]


def test_what_the_dead_leave_goes_with_the_next_claim(place: Place):
    lease = place.store.acquire("b")
    place.store.claim(lease, "api", 1)
    child = place.start(HOLD, "a", 2)
    heard(child)
    place.kill(child)
    assert place.upkeep.leftovers()[DEAD_CLAIMS] == 1
    assert place.store.claim(lease, "api", 1) == Claim(1, contested=False)
    assert DEAD_CLAIMS not in place.upkeep.leftovers()


def test_the_next_driver_of_a_dead_ones_run_holds_nothing_of_his(place: Place):
    store = place.store
    child = place.start(HOLD, "a", 3)
    heard(child)
    place.kill(child)
    lease = store.acquire("a")
    assert store.pools() == [Pool("api", 3, 0, 0)]
    assert store.claim(lease, "api", 1) == Claim(1, contested=False)
    assert store.pools() == [Pool("api", 3, 1, 0)]


def test_who_is_stopped_keeps_what_he_holds(place: Place):
    store = place.store
    child = place.start(HOLD, "a", 2)
    heard(child)
    child.send_signal(signal.SIGSTOP)
    lease = store.acquire("b")
    assert store.claim(lease, "api", 3) == Claim(1, contested=False)
    child.send_signal(signal.SIGCONT)
    child.communicate()
    place.pass_time()  # it has ended without a word to the store
    assert store.claim(lease, "api", 3) == Claim(3, contested=False)


def test_who_waits_in_another_process_is_poked(place: Place):
    store = place.store
    lease = store.acquire("b")
    store.claim(lease, "api", 3)
    child = place.start(WAIT, "a", 2)
    assert heard(child) == 0
    store.claim(lease, "api", 2, used=2)
    while heard(child) == 0:
        pass  # it was woken before that, for nothing
    lease.release()
    while heard(child) != 2:
        pass


def test_a_driver_is_poked_when_another_process_begins_to_wait(place: Place):
    store = place.store
    lease = store.acquire("b")
    store.claim(lease, "api", 3)
    listener = store.listen("b")
    child = place.start(HOLD, "a", 1)
    assert heard(child) == 0
    assert store.claim(lease, "api", 3, used=3) == Claim(3, contested=True)
    assert listener.wait(60)
    listener.close()


@pytest.mark.parametrize("seed", range(2))
def test_processes_that_are_killed_at_any_point_never_use_more_than_there_is(place: Place, seed: int):
    chance = random.Random(seed)
    slots = chance.choice((1, 2))
    place.store.set_pool("api", slots)
    children = [place.start(TAKE_TURNS, id, slots) for id in "abcdef"]
    while len(children) > 1:
        left = chance.randrange(3, 12)
        for child in children:
            assert child.stdout
            assert child.stdout.read(left) == b"." * left, "more than there is"
        victim = children.pop(chance.randrange(len(children)))
        place.kill(victim)
        assert victim.stdout
        assert b"!" not in victim.stdout.read()
    place.kill(children[0])
    lease = place.store.acquire("a")
    assert place.store.claim(lease, "api", slots) == Claim(slots, contested=False)

"""Whatever drivers claim, give back and die of: no store gives out more slots than there are, nobody overtakes somebody
ahead of him, and who waits gets what comes free."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from penstock.errors import RunLocked
from penstock.store.base import Claim, Lease, Listener, Pool, Store
from penstock.store.memory import MemoryStore
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run
from tests.simulation.database import Database, Kind
from tests.simulation.scheduler import Process, Scheduler, SimClock
from tests.simulation.sim_store import SimStore

RUNS = "abcdef"


class Place(Protocol):
    """Where drivers live and die."""

    tells_at_once: bool
    """Whether a poke is there when the call that pokes returns."""

    @property
    def store(self) -> Store:
        """For whoever only looks."""

    def enter(self) -> Store:
        """The store as a new process sees it."""

    def die(self, store: Store, lease: Lease) -> None:
        """The process is gone without a word; nobody has to wait until that is known."""

    def leave(self) -> None:
        """Clean up."""


class Memory:
    """Where nobody dies alone: who goes gives everything back."""

    tells_at_once = True

    def __init__(self) -> None:
        self.store = MemoryStore()

    def enter(self) -> Store:
        return self.store

    def die(self, store: Store, lease: Lease) -> None:
        lease.release()

    def leave(self) -> None:
        self.store.close()


class Folder:
    """Where a death frees the locks of the operating system, and nothing else."""

    tells_at_once = True

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = SQLiteStore(Path(self.folder.name))
        self.stores: list[Store] = [self.store]

    def enter(self) -> Store:
        self.stores.append(SQLiteStore(Path(self.folder.name)))
        return self.stores[-1]

    def die(self, store: Store, lease: Lease) -> None:
        store.close()

    def leave(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()


class Simulated:
    """Simulated processes at a simulated store."""

    tells_at_once = False

    def __init__(self, kind: Kind) -> None:
        self.time = 1000.0
        self.database = Database(Scheduler(Random(1)), kind, lambda: self.time)
        self.store = self.enter()
        self.processes: dict[int, Process] = {}

    def enter(self) -> SimStore:
        process = Process(self.database.scheduler, "test")
        return SimStore(self.database, process, SimClock(process, lambda: self.time))

    def die(self, store: Store, lease: Lease) -> None:
        assert isinstance(store, SimStore)
        store.process_died()
        self.database.process_died(store._process)
        self.time += 2 * self.database.lease

    def leave(self) -> None:
        pass


@dataclass(eq=False)
class Driver:
    """A driver, and what it should hold and want by the rule."""

    store: Store
    lease: Lease
    listener: Listener
    held: int = 0
    wanted: int = 0
    priority: int = 0
    arrived: int = 0
    """When its present wish came, counted over all wishes."""
    may_take: int = 0
    """How much it could have taken after what happened last."""

    @property
    def missing(self) -> int:
        return self.wanted - self.held

    @property
    def turn(self) -> tuple[int, int]:
        return -self.priority, self.arrived


@dataclass
class Line:
    """All living drivers by their runs, and the size of the pool."""

    slots: int = 3
    drivers: dict[str, Driver] = field(default_factory=dict)

    def free_for(self, driver: Driver) -> int:
        """What is free and not wanted by anybody ahead."""
        ahead = [one for one in self.drivers.values() if one.missing and one.turn < driver.turn]
        return max(0, self.slots - self.held(self.drivers.values()) - sum(one.missing for one in ahead))

    def held(self, drivers: Iterable[Driver]) -> int:
        return sum(driver.held for driver in drivers)


class Claims(RuleBasedStateMachine):
    """Drivers at one pool."""

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self.place = self.make()
        self.line = Line()
        self.wishes = 0
        self.place.store.set_pool("api", self.line.slots)
        for run_id in RUNS:
            self.place.store.create_run(new_run(run_id), b"a plan")

    def make(self) -> Place:
        raise NotImplementedError

    def teardown(self) -> None:
        self.place.leave()

    # --- What happens

    @rule(run_id=st.sampled_from(RUNS))
    def come(self, run_id: str) -> None:
        store = self.place.enter()
        if run_id in self.line.drivers:
            with pytest.raises(RunLocked):
                store.acquire(run_id)
            return
        self.line.drivers[run_id] = Driver(store, store.acquire(run_id), store.listen(run_id))

    @rule(data=st.data(), wanted=st.integers(0, 5), priority=st.integers(0, 1))
    @precondition(lambda self: self.line.drivers)
    def claim(self, data: st.DataObject, wanted: int, priority: int) -> None:
        driver = self.line.drivers[data.draw(st.sampled_from(sorted(self.line.drivers)))]
        self.claim_for(driver, wanted, data.draw(st.integers(0, min(driver.held, wanted))), priority)

    def claim_for(self, driver: Driver, wanted: int, used: int, priority: int) -> None:
        waited = driver.missing > 0
        driver.held, driver.wanted, driver.priority = used, wanted, priority
        if not waited:
            self.wishes += 1
            driver.arrived = self.wishes
        driver.held += min(driver.missing, self.line.free_for(driver))
        others = [one for one in self.line.drivers.values() if one is not driver]
        expected = Claim(driver.held, contested=any(one.missing for one in others))
        assert driver.store.claim(driver.lease, "api", wanted, used=used, priority=priority) == expected
        begins = driver.missing and not waited
        self.told(besides=driver, concerned=[one for one in others if one.held] if begins else [])

    @rule(data=st.data())
    @precondition(lambda self: self.line.drivers)
    def go(self, data: st.DataObject) -> None:
        driver = self.line.drivers.pop(data.draw(st.sampled_from(sorted(self.line.drivers))))
        driver.lease.release()
        self.told()

    @rule(data=st.data())
    @precondition(lambda self: self.line.drivers)
    def die(self, data: st.DataObject) -> None:
        driver = self.line.drivers.pop(data.draw(st.sampled_from(sorted(self.line.drivers))))
        self.place.die(driver.store, driver.lease)
        self.note()  # and nobody is told

    @rule()
    def ask_in_turn(self) -> None:
        """All who wait do, and nothing is left lying idle."""
        for driver in sorted(self.line.drivers.values(), key=lambda driver: driver.turn):
            if driver.missing:
                self.claim_for(driver, driver.wanted, driver.held, driver.priority)
        held = self.line.held(self.line.drivers.values())
        assert held >= self.line.slots or not any(driver.missing for driver in self.line.drivers.values())

    @rule(slots=st.integers(0, 5))
    def resize(self, slots: int) -> None:
        self.line.slots = slots
        self.place.store.set_pool("api", slots)
        self.told()

    # --- What must hold

    def told(self, *, besides: Driver | None = None, concerned: Sequence[Driver] = ()) -> None:
        """Whoever may take more than before hears of it, and who is concerned."""
        for driver in self.line.drivers.values():
            more = driver.missing and min(driver.missing, self.line.free_for(driver)) > driver.may_take
            if self.place.tells_at_once and driver is not besides and (more or driver in concerned):
                assert driver.listener.wait(0), "nobody tells"
        self.note()

    def note(self) -> None:
        for driver in self.line.drivers.values():
            driver.may_take = min(driver.missing, self.line.free_for(driver))

    @invariant()
    def the_store_knows_what_is_held_and_wanted(self) -> None:
        drivers = self.line.drivers
        waiting = sorted((id for id in drivers if drivers[id].missing), key=lambda id: drivers[id].turn)
        content = sorted(id for id in drivers if drivers[id].wanted and not drivers[id].missing)
        expected = [(id, drivers[id].held, drivers[id].wanted, drivers[id].priority) for id in waiting + content]
        found = self.place.store.pool_users("api")
        assert [(use.run_id, use.granted, use.wanted, use.priority) for use in found] == expected
        pool = Pool("api", self.line.slots, self.line.held(drivers.values()), len(waiting))
        assert self.place.store.pools() == [pool]


class MemoryClaims(Claims):
    def make(self) -> Place:
        return Memory()


class SQLiteClaims(Claims):
    def make(self) -> Place:
        return Folder()


class ClaimsWithLocks(Claims):
    def make(self) -> Place:
        return Simulated(Kind.LOCKS)


class ClaimsOnAServer(Claims):
    def make(self) -> Place:
        return Simulated(Kind.SERVER)


@pytest.mark.parametrize(
    ("claims", "many"), [(MemoryClaims, 60), (SQLiteClaims, 12), (ClaimsWithLocks, 30), (ClaimsOnAServer, 30)]
)
def test_claims(claims: type[Claims], many: int):
    run_state_machine_as_test(
        claims,
        settings=settings(
            max_examples=many, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow], deadline=None
        ),
    )

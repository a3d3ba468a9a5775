"""The store as one simulated process sees it: every call is a point where others may run, and where things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from penstock.engine.events import Event
from penstock.errors import LeaseLost, StoreError
from penstock.store.base import Claim, Durations, Holder, Lease, Message, Pool, PoolUse, RunChange, RunRow
from penstock.store.listing import Listing
from penstock.store.records import decode_events, encode_events
from penstock.store.schedules import TICKS_KEPT, ScheduleRow, TickRow
from penstock.store.slots import Stake
from penstock.store.ticks import check_decision
from tests.simulation.database import Database, Kind, Session, SimLease
from tests.simulation.scheduler import Process, Scheduler, SimClock, SimThread

T = TypeVar("T")
NET = 1.0
"""Seconds by which a message may come late."""


@dataclass(slots=True)
class Weather:
    """How a store treats its callers. Chances of each call, and seconds."""

    refuses: float = 0.0
    """Chance that a write fails, and is not made."""
    doubts: float = 0.0
    """Chance that a write is made, and fails all the same."""
    unreadable: float = 0.0
    """Chance that a read fails."""
    latency: float = 0.0
    """How long a write takes, on average."""
    stalls: float = 0.0
    """Chance that a write takes a hundred times as long."""
    losses: float = 0.0
    """Chance that a wake-up is lost, so that only the look into the inbox once a second finds the message."""
    noise: float = 0.0
    """Chance that a wake-up comes twice, or for nothing."""

    def clear_up(self) -> None:
        """Nothing goes wrong any more."""
        self.refuses = self.doubts = self.unreadable = self.stalls = self.losses = self.noise = 0.0


class SimListener:
    """Where a driver sleeps."""

    def __init__(self, scheduler: Scheduler, forget: Callable[[SimListener], None]) -> None:
        self._scheduler = scheduler
        self._forget = forget
        self._rung = False
        self._sleepers: list[SimThread] = []

    def wait(self, timeout: float | None) -> bool:
        """Sleep until poked, woken or `timeout` seconds passed. True if something may have come."""
        self._scheduler.step()
        if not self._rung and (timeout is None or timeout > 0):
            self._scheduler.wait(timeout, self._sleepers)
        rung, self._rung = self._rung, False
        return rung

    def poke(self) -> None:
        """Wake the sleeper; an early poke is not lost."""
        self._rung = True
        for sleeper in self._sleepers:
            self._scheduler.wake(sleeper)

    def close(self) -> None:
        """Stop listening."""
        self._forget(self)


class SimStore(Listing):
    """See penstock.store.base."""

    durable = True

    def __init__(self, database: Database, process: Process, clock: SimClock, weather: Weather | None = None) -> None:
        self.always_safe = database.always_safe
        self.weather = weather or Weather()
        self.reachable = True
        """Whether this process can reach the server."""
        self.leases: dict[str, SimLease] = {}
        """The last of each run that this process was given."""
        self._database = database
        self._process = process
        self._clock = clock
        self._scheduler = database.scheduler
        self._session = Session(process)
        self._closed = False
        self._asked = count()

    # --- Journal

    def append(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        change: RunChange | None = None,
        taken: Sequence[int] = (),
        safe: bool = False,
    ) -> None:
        """Write a batch."""
        assert isinstance(lease, SimLease)
        body = encode_events(events)
        if lease.doubtful is not None and lease.doubtful != body:
            raise AssertionError(f"after a commit of unknown fate, another batch came for run {lease.run_id}")
        made: list[None] = []

        def write() -> None:
            self._database.append(lease, body, change, taken, safe=safe)
            made.append(None)

        try:
            self._write(write)
        except LeaseLost:
            raise
        except StoreError:
            if made:
                lease.doubtful = body
            raise

    def sync(self) -> None:
        """Make everything written so far safe."""
        self._write(self._database.sync)

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The batches of a run, as they are now."""
        after = max(after, 0)
        batches = self._read(lambda: self._database.record(run_id).batches[after:])
        return ((number, decode_events(batch.body)) for number, batch in enumerate(batches, after + 1))

    # --- Leases

    def acquire(self, run_id: str) -> SimLease:
        """Become the driver of a run. RunLocked if somebody has it."""
        return self._kept(lambda: self._database.acquire(run_id, self._session, self._release))

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run now."""
        return self._read(lambda: self._database.holder(run_id))

    def _kept(self, take: Callable[[], SimLease]) -> SimLease:
        """A lease that is taken and kept; whoever does not hear that it was given one has none."""
        given: list[SimLease] = []
        try:
            lease = self._write(lambda: _noted(take(), given))
        except StoreError:
            for lost in given:
                self._database.release(lost)
            raise
        self.leases[lease.run_id] = lease
        if self._database.kind is Kind.SERVER:
            self._clock.start(lambda: self._keep(lease), "keeper")
        return lease

    def _keep(self, lease: SimLease) -> None:
        """Let the server know that the driver lives, until the run is given back or taken."""
        while not lease.released and not self._closed:
            self._clock.sleep(self._database.lease / 3)
            try:
                self._connect()
                if not lease.released:
                    self._database.beat(lease, self._session)
            except LeaseLost:
                lease.lost = True
                record = self._database.records.get(lease.run_id)
                for listener, owner in list(record.listeners.items()) if record else ():
                    if owner is self._process:
                        listener.poke()
                return
            except StoreError:
                pass

    def _release(self, lease: SimLease) -> None:
        self._scheduler.step()
        if self._process.alive and self.reachable and self._database.up:
            self._wake(*self._database.release(lease))
        lease.released = True

    # --- Inbox

    def post(self, run_id: str, kind: str, body: str = "{}") -> None:
        """Put a message into a run's inbox and wake its driver."""
        at = self._clock.time()

        def deliver() -> None:
            self._database.post(run_id, kind, body, at)
            self._wake(run_id)  # also if the sender does not learn of it

        self._write(deliver)

    def _wake(self, *run_ids: str) -> None:
        random = self._scheduler.random
        for listener in [one for run_id in run_ids for one in self._database.record(run_id).listeners]:
            delay = 0.0 if random.random() < 0.5 else random.random() * NET
            if random.random() < self.weather.losses:
                delay = NET
            self._scheduler.after(delay, listener.poke)
            if random.random() < self.weather.noise:
                self._scheduler.after(delay + random.random() * 3 * NET, listener.poke)

    def messages(self, run_id: str) -> list[Message]:
        """What is in the inbox, oldest first."""
        return self._read(lambda: list(self._database.record(run_id).inbox.values()))

    def listen(self, run_id: str) -> SimListener:
        """A place to sleep for the driver of a run."""

        def forget(listener: SimListener) -> None:
            record = self._database.records.get(run_id)
            if record is not None and self._process.alive:
                record.listeners.pop(listener, None)

        listener = SimListener(self._scheduler, forget)
        self._read(lambda: self._database.record(run_id).listeners.__setitem__(listener, self._process))
        return listener

    # --- History

    def create_run(self, run: RunRow, plan: bytes) -> None:
        """Put a new run on record."""
        self._write(lambda: self._database.create(run, plan))

    def start_run(self, run: RunRow, plan: bytes) -> SimLease:
        """Put a new run on record and become its driver."""

        def start() -> SimLease:
            self._database.create(run, plan)
            return self._database.acquire(run.id, self._session, self._release)

        return self._kept(start)

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow."""
        self._write(lambda: self._database.add_plan(run_id, fingerprint, plan))

    def plan(self, fingerprint: str) -> bytes:
        """A plan that was kept."""

        def find() -> bytes:
            if fingerprint not in self._database.plans:
                raise StoreError(f"no plan {fingerprint} is kept")
            return self._database.plans[fingerprint]

        return self._read(find)

    def run(self, run_id: str) -> RunRow:
        """The run with this id, or with the only id that begins so."""
        return self._read(lambda: self._database.find(run_id))

    def _rows(self) -> list[RunRow]:
        return self._read(lambda: [record.row for record in [*self._database.records.values()]])

    def changes(self) -> int:
        """A number that is another one each time: something may have been written."""
        return self._read(lambda: next(self._asked))

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in the newest runs of a workflow. This is advice: nothing that can happen to its reading
        tells anything, so nothing does."""
        if self._closed:
            raise StoreError("the store was closed")
        return [one.durations for one in self._database.with_durations(workflow) if one.durations is not None]

    def delete_run(self, run_id: str) -> None:
        """Forget a run."""
        self._write(lambda: self._database.delete(run_id))

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        self._wake(*self._write(lambda: self._database.pools.set(name, slots)))

    def delete_pool(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        self._wake(*self._write(lambda: self._database.pools.delete(name)))

    def pools(self) -> list[Pool]:
        """The pools on record, by name."""
        return self._read(self._database.pools.all)

    def pool_users(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        return self._read(lambda: self._database.pools.standing(name).uses())

    def claim(
        self,
        lease: Lease,
        pool: str,
        wanted: int,
        *,
        used: int = 0,
        capacity: int | None = None,
        priority: int = 0,
    ) -> Claim:
        """Want so many slots of a pool."""
        assert isinstance(lease, SimLease)
        wish = Stake(lease.run_id, used, wanted, priority, capacity=capacity, since=self._clock.time())
        claim, poke = self._write(lambda: self._database.claim(lease, pool, wish))
        self._wake(*poke)
        return claim

    # --- Schedules

    def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record."""
        self._write(lambda: self._database.schedules.put(rows))

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by the names of their workflows."""
        return self._read(self._database.schedules.all)

    def schedule(self, workflow: str) -> ScheduleRow:
        """The schedule of a workflow."""
        return self._read(lambda: self._database.schedules.one(workflow))

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on."""
        self._write(lambda: self._database.schedules.pause(workflow, paused))

    def forget_schedule(self, workflow: str) -> None:
        """Forget a schedule, and not what was decided."""
        self._write(lambda: self._database.schedules.forget(workflow))

    def decide(
        self,
        workflow: str,
        upto_was: float,
        upto: float,
        runs: Sequence[tuple[RunRow, bytes]] = (),
        missed: Sequence[TickRow] = (),
    ) -> bool:
        """Move a cursor, with all that was decided."""
        check_decision(workflow, upto_was, upto, runs)
        return self._write(lambda: self._database.decide(workflow, upto_was, upto, runs, missed))

    def ticks(
        self, workflow: str, *, limit: int | None = None, before: tuple[float, str] | None = None
    ) -> list[TickRow]:
        """What was decided about a workflow, the latest logical times first."""
        return self._read(lambda: self._database.schedules.ticks(workflow, limit, before))

    def merge_ticks(self, keep: int = TICKS_KEPT) -> int:
        """Merge what is old of what was decided."""
        return self._write(lambda: self._database.schedules.merge(keep))

    def close(self) -> None:
        """Give every lease back, and refuse everything from now on."""
        self._closed = True
        self._session.alive = False
        for record in self._database.records.values():
            if record.lease is not None and record.lease.session.process is self._process:
                self._database.release(record.lease)

    # --- Within

    def cut_session(self) -> None:
        """The connection breaks; the next call makes another."""
        self._session.alive = False

    def vanish(self, seconds: float) -> None:
        """The machine is gone without a word: the server notices after so many seconds."""
        session, self._session = self._session, Session(self._process)
        self._scheduler.after(seconds, lambda: setattr(session, "alive", False))

    def process_died(self) -> None:
        """The process is dead: the operating system closes its connection."""
        self._session.alive = False

    def _connect(self) -> None:
        if not (self.reachable and self._database.up):
            raise StoreError("the database cannot be reached")
        if not self._session.alive:
            self._session = Session(self._process)

    def _enter(self) -> None:
        if self._closed:
            raise StoreError("the store was closed")
        self._scheduler.step()
        if not (self.reachable and self._database.up):
            self._clock.sleep(self._scheduler.random.random())
        self._connect()

    def _read(self, what: Callable[[], T]) -> T:
        self._enter()
        weather = self.weather
        if weather.unreadable and self._scheduler.random.random() < weather.unreadable:
            raise StoreError("simulated: this read fails")
        return what()

    def _write(self, what: Callable[[], T]) -> T:
        self._enter()
        weather, random = self.weather, self._scheduler.random
        if weather.latency:
            slow = 100.0 if weather.stalls and random.random() < weather.stalls else 1.0
            session = self._session
            self._scheduler.wait(2 * random.random() * weather.latency * slow)
            if not session.alive:
                if random.random() < 0.5:
                    what()
                raise StoreError("the connection was lost: the write was made, or not")
        if weather.refuses and random.random() < weather.refuses:
            raise StoreError("simulated: this write fails")
        result = what()
        self._scheduler.step()
        if weather.doubts and random.random() < weather.doubts:
            raise StoreError("simulated: this write was made, and its answer is lost")
        return result


def _noted(lease: SimLease, given: list[SimLease]) -> SimLease:
    given.append(lease)
    return lease

"""What a simulated store keeps, beyond the processes that use it, and what it loses.

A transaction is *written* when it is made: no process that dies takes it along. It is *safe* once something after it
was synced; a power cut keeps the written transactions up to some point and forgets the rest, as a write-ahead log does.

Leases come in two kinds. `LOCKS`: a lock of the operating system, free as soon as its process is dead, whatever the
clocks say. `SERVER`: a lock of the database session and a heartbeat by the server's clock; the run may be taken over
when both are gone. There every commit is safe, sessions may be cut, and the server's clock may jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple, Protocol

from penstock.engine.events import Event
from penstock.errors import LeaseLost, LogicalTimeTaken, RunLocked, RunNotFound, StoreError
from penstock.store.base import DURATIONS_KEPT, Claim, Durations, Holder, Message, RunChange, RunRow
from penstock.store.lookup import only_match
from penstock.store.memory_schedules import MemorySchedules
from penstock.store.records import decode_events
from penstock.store.schedules import TickRow
from penstock.store.slots import Stake
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.sim_pools import SimPools


class Kind(Enum):
    """How a store knows that a driver lives."""

    LOCKS = "locks"
    SERVER = "server"


class Session:
    """A connection to the database: a process has one, and a new one when it was cut."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.alive = True


class SimLease:
    """The right to drive one run of a simulated store."""

    def __init__(self, run_id: str, token: int, session: Session, since: float, give_back: Callable[..., None]) -> None:
        self.run_id = run_id
        self.token = token
        self.lost = False
        self.session = session
        self.since = since
        self.heard_at = since
        """By the database's clock."""
        self.released = False
        self.doubtful: bytes | None = None
        """The batch whose commit failed: it is on record, or not."""
        self._give_back = give_back

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._give_back(self)


class Batch(NamedTuple):
    """Events written in one go."""

    body: bytes
    token: int
    """That of the lease under which it was written."""
    at: float
    """In simulated time."""
    process: Process


@dataclass(slots=True)
class Record:
    """Everything on record of one run."""

    row: RunRow
    followed: set[str]
    batches: list[Batch] = field(default_factory=list)
    inbox: dict[int, Message] = field(default_factory=dict)
    durations: Durations | None = None
    tokens: int = 0
    lease: SimLease | None = None
    """The latest, unless it was given back or, with locks, its process is dead."""
    listeners: dict[Any, Process] = field(default_factory=dict)


class Witness(Protocol):
    """Is told what becomes durable."""

    def created(self, run: RunRow) -> None:
        """A run is put on record."""

    def appended(self, run_id: str, events: Sequence[Event], lease: SimLease, change: RunChange | None) -> None:
        """A batch was written."""

    def given(self, run_id: str, lease: SimLease, before: SimLease | None) -> None:
        """A run has a new driver; `before` is the last lease that was not given back."""

    def forgotten(self, run_id: str, batches: Sequence[Batch]) -> None:
        """A power cut took batches away."""


class Undo(NamedTuple):
    """How to take a transaction back that was not safe."""

    run_id: str
    action: Callable[[], None]
    batch: Batch | None


class Database:
    """The store's files, or its server."""

    def __init__(
        self,
        scheduler: Scheduler,
        kind: Kind,
        wall: Callable[[], float],
        *,
        lease: float = 15.0,
        witness: Witness | None = None,
    ) -> None:
        """`wall` gives the seconds to add to simulated time to get the time of the database's clock. A lease without a
        heartbeat for `lease` seconds has expired."""
        self.lease = lease
        self.scheduler = scheduler
        self.kind = kind
        self.witness = witness
        self.always_safe = kind is Kind.SERVER
        self.records: dict[str, Record] = {}
        self.plans: dict[str, bytes] = {}
        self.pools = SimPools(self._drives)
        self.schedules = MemorySchedules()
        self.messages = 0
        self.unsafe: list[Undo] = []
        self.up = True
        """Whether the server answers."""
        self._wall = wall

    @property
    def now(self) -> float:
        """The time, in seconds since 1970, by the database's own clock."""
        return self.scheduler.now + self._wall()

    # --- Transactions, each made in one step

    def append(
        self,
        lease: SimLease,
        body: bytes,
        change: RunChange | None,
        taken: Sequence[int],
        *,
        safe: bool,
    ) -> None:
        """Write a batch, or see that it is there already."""
        record = self._own(lease)
        if lease.doubtful == body:
            lease.doubtful = None
        else:
            self._write(record, lease, body, change, taken)
        if safe or self.always_safe:
            self.sync()

    def claim(self, lease: SimLease, pool: str, wish: Stake[str]) -> tuple[Claim, tuple[str, ...]]:
        """What comes of a wish, and the runs to poke."""
        self._own(lease)
        return self.pools.claim(pool, wish, lease.token)

    def _own(self, lease: SimLease) -> Record:
        record = self.records.get(lease.run_id)
        if record is None or not self.counts(record, lease):
            raise LeaseLost(f"run {lease.run_id} is not driven under lease {lease.token} any more: nothing is written")
        return record

    def counts(self, record: Record, lease: SimLease) -> bool:
        """Whether a lease is the last that was given out, and was not given back."""
        return not lease.released and lease.token == record.tokens

    def _write(
        self, record: Record, lease: SimLease, body: bytes, change: RunChange | None, taken: Sequence[int]
    ) -> None:
        row, inbox = record.row, dict(record.inbox)
        with_durations = self.with_durations(row.workflow)
        durations = [one.durations for one in (*with_durations, record)]
        batch = Batch(body, lease.token, self.scheduler.now, lease.session.process)

        def undo() -> None:
            record.batches.pop()
            record.row, record.inbox = row, inbox
            for one, kept in zip((*with_durations, record), durations, strict=True):
                one.durations = kept

        for message in taken:
            record.inbox.pop(message, None)
        if change is not None:
            record.row = changed(row, change, has_mail=bool(record.inbox))
            if change.durations is not None:
                for other in [one for one in with_durations if one is not record][DURATIONS_KEPT - 1 :]:
                    other.durations = None
                record.durations = change.durations
        record.batches.append(batch)
        self.unsafe.append(Undo(row.id, undo, batch))
        if self.witness is not None:
            self.witness.appended(row.id, decode_events(body), lease, change)

    def with_durations(self, workflow: str) -> list[Record]:
        """The runs of a workflow that left durations, newest first."""
        records = [record for record in self.records.values() if record.durations and record.row.workflow == workflow]
        return records[::-1]

    def sync(self) -> None:
        """All that is written is safe."""
        self.unsafe.clear()

    def post(self, run_id: str, kind: str, body: str, at: float) -> Record:
        """Put a message into a run's inbox, safely."""
        record = self.record(run_id)
        self.messages += 1
        record.inbox[self.messages] = Message(self.messages, kind, body, at)
        if record.row.state == "waiting":
            record.row = replace(record.row, wake_at=0.0)
        self.sync()
        return record

    def create(self, run: RunRow, plan: bytes) -> Record:
        """Put a run on record, safely."""
        self._refuse_known(run)
        self.schedules.check_free(run)
        self.schedules.note_run(run)
        self.plans.setdefault(run.plan, plan)
        record = self.records[run.id] = Record(run, followed={run.plan})
        self.sync()
        if self.witness is not None:
            self.witness.created(run)
        return record

    def _refuse_known(self, run: RunRow) -> None:
        if run.id in self.records:
            raise StoreError(f"run {run.id} is on record already: give the new run another id")

    def decide(
        self,
        workflow: str,
        upto_was: float,
        upto: float,
        runs: Sequence[tuple[RunRow, bytes]],
        missed: Sequence[TickRow],
    ) -> bool:
        """Move a cursor, with all that was decided, safely."""
        if not self.schedules.may_move(workflow, upto_was):
            return False
        for run, _ in runs:
            self._refuse_known(run)
        self.schedules.move(workflow, upto)
        for tick in missed:
            self.schedules.note(workflow, tick)
        for run, plan in runs:
            with suppress(LogicalTimeTaken):
                self.create(run, plan)
        self.sync()
        return True

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan."""
        followed = self.record(run_id).followed
        new_to_run, new = fingerprint not in followed, fingerprint not in self.plans
        followed.add(fingerprint)
        self.plans.setdefault(fingerprint, plan)

        def undo() -> None:
            if new_to_run:
                followed.discard(fingerprint)
            if new:
                del self.plans[fingerprint]

        self.unsafe.append(Undo(run_id, undo, None))

    def delete(self, run_id: str) -> None:
        """Forget a run."""
        if self.is_held(self.record(run_id)):
            raise RunLocked(f"run {run_id} is being driven: cancel it, or wait for its end")
        gone = self.records.pop(run_id).followed
        for fingerprint in gone.difference(*(record.followed for record in self.records.values())):
            del self.plans[fingerprint]
        self.sync()

    # --- Leases

    def acquire(self, run_id: str, session: Session, give_back: Callable[..., None]) -> SimLease:
        """A new lease. RunLocked if somebody has one."""
        record = self.record(run_id)
        if self.is_held(record):
            raise RunLocked(f"run {run_id} is being driven by {record.lease and record.lease.session.process.name}")
        before = record.lease
        record.tokens += 1
        lease = record.lease = SimLease(run_id, record.tokens, session, self.now, give_back)
        if self.witness is not None:
            self.witness.given(run_id, lease, before)
        return lease

    def release(self, lease: SimLease) -> tuple[str, ...]:
        """Give a lease back, if it still is one: the runs to poke."""
        record = self.records.get(lease.run_id)
        poke = self.pools.let_go(lease.run_id, lease.token)
        if record is not None and record.lease is lease:
            record.lease = None
        lease.released = True
        return poke

    def _drives(self, run_id: str, token: int) -> bool:
        record = self.records.get(run_id)
        return (
            record is not None
            and record.lease is not None
            and record.lease.token == token
            and not record.lease.released
            and self.is_held(record)
        )

    def is_held(self, record: Record) -> bool:
        """Whether the run is not to be taken over."""
        lease = record.lease
        if lease is None:
            return False
        if self.kind is Kind.LOCKS:
            return True
        silent = self.now - lease.heard_at
        return lease.session.alive or -self.lease <= silent < self.lease

    def beat(self, lease: SimLease, session: Session) -> None:
        """A sign of life of a driver, which takes its lock again if its session was cut. LeaseLost if somebody has
        taken the run."""
        record = self.records.get(lease.run_id)
        if record is None or not self.counts(record, lease):
            raise LeaseLost(f"run {lease.run_id} was taken over")
        lease.session = session
        lease.heard_at = self.now

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run."""
        record = self.record(run_id)
        lease = record.lease
        if lease is None or not self.is_held(record):
            return None
        process = lease.session.process
        if self.kind is Kind.LOCKS:  # whoever listens gives a sign of life all the time, unless it is stopped
            lease.heard_at = self.now - (self.scheduler.now - process.paused_at if process.paused else 0.0)
        return Holder(process.pid, process.host, lease.since, lease.heard_at)

    # --- Reading

    def record(self, run_id: str) -> Record:
        """What is on record of a run."""
        try:
            return self.records[run_id]
        except KeyError:
            raise RunNotFound(f"no run has the id '{run_id}'") from None

    def find(self, run_id: str) -> RunRow:
        """The row of a run, by its id or the beginning of it."""
        if run_id in self.records:
            return self.records[run_id].row
        return only_match(run_id, [record.row for id, record in self.records.items() if id.startswith(run_id)])

    # --- What happens to it

    def process_died(self, process: Process) -> None:
        """The operating system closes what the process had open, and frees its locks."""
        for record in self.records.values():
            if self.kind is Kind.LOCKS and record.lease is not None and record.lease.session.process is process:
                record.lease = None
            for listener in [one for one, owner in record.listeners.items() if owner is process]:
                del record.listeners[listener]

    def cut_power(self) -> None:
        """Forget what was written last and not safe: none of it, some, or all. Every process that uses it dies."""
        kept = int(self.scheduler.random.random() * (len(self.unsafe) + 1))
        lost: dict[str, list[Batch]] = {}
        while len(self.unsafe) > kept:
            undo = self.unsafe.pop()
            undo.action()
            batches = lost.setdefault(undo.run_id, [])
            if undo.batch is not None:
                batches.append(undo.batch)
        self.unsafe.clear()
        if self.witness is not None:
            for run_id, batches in lost.items():
                if batches:
                    self.witness.forgotten(run_id, batches[::-1])


def changed(row: RunRow, change: RunChange, *, has_mail: bool) -> RunRow:
    """A row with new values."""
    values: dict[str, Any] = dict.fromkeys(("ended_at", "error")) if change.reopened else {}
    for name in ("state", "tasks", "started_at", "ended_at", "error", "counts", "undelivered"):
        value = getattr(change, name)
        if value is not None:
            values[name] = value
    if change.state is not None:
        wake_at = 0.0 if has_mail else change.wake_at
        values["wake_at"] = wake_at if change.state == "waiting" else None
    return replace(row, **values)

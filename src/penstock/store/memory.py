"""The store that keeps everything in the memory of this process, and nothing beyond it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.engine.events import Event
from penstock.errors import LeaseLost, RunLocked, RunNotFound, StoreError
from penstock.store.base import (
    DURATIONS_KEPT,
    Claim,
    Durations,
    Holder,
    Lease,
    Message,
    Pool,
    PoolUse,
    RunChange,
    RunRow,
)
from penstock.store.bell import Bell
from penstock.store.lookup import only_match
from penstock.store.memory_pools import MemoryPools
from penstock.store.slots import Stake


class MemoryLease:
    """The right to drive one run of a MemoryStore."""

    def __init__(self, run_id: str, token: int, give_back: Callable[[MemoryLease], None]) -> None:
        self.run_id = run_id
        self.token = token
        self.lost = False
        self._holder = os.getpid(), os.uname().nodename, time.time()
        self._give_back = give_back

    @property
    def holder(self) -> Holder:
        """This process, which is heard as long as anybody can ask."""
        return Holder(*self._holder, heard_at=time.time())

    def release(self) -> None:
        """Give the run back. Releasing twice is harmless."""
        self._give_back(self)


class MemoryListener(Bell):
    """Where the driver of a run of a MemoryStore sleeps."""

    def __init__(self, forget: Callable[[MemoryListener], None]) -> None:
        super().__init__()
        self._forget = forget

    def close(self) -> None:
        """Stop listening."""
        self._forget(self)


@dataclass(slots=True)
class _Run:
    row: RunRow
    followed: set[str]
    """The fingerprints of all plans that the run ever followed: each is needed to replay its journal."""
    journal: list[list[Event]] = field(default_factory=list)
    inbox: dict[int, Message] = field(default_factory=dict)
    listeners: set[MemoryListener] = field(default_factory=set)
    durations: Durations | None = None
    lease: MemoryLease | None = None
    leases: int = 0


def _changed(row: RunRow, change: RunChange, *, has_mail: bool) -> RunRow:
    values: dict[str, Any] = dict.fromkeys(("ended_at", "error")) if change.reopened else {}
    for name in ("state", "tasks", "started_at", "ended_at", "error", "counts", "undelivered"):
        value = getattr(change, name)
        if value is not None:
            values[name] = value
    if change.state is not None:
        wake_at = 0.0 if has_mail else change.wake_at
        values["wake_at"] = wake_at if change.state == "waiting" else None
    return replace(row, **values)


def _poke(listeners: Iterable[MemoryListener]) -> None:
    for listener in listeners:
        listener.poke()


class MemoryStore:
    """Keeps runs in dictionaries, with the event objects themselves: an append costs less than a microsecond."""

    durable = False
    always_safe = True  # there is nothing to sync

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._plans: dict[str, bytes] = {}
        self._pools = MemoryPools()
        self._messages = 0
        self._closed = False

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
        """Write a batch; see `Store.append`. Nothing is ever safe here."""
        with self._lock:
            self._check()
            run = self._driven(lease)
            run.journal.append(list(events))
            for message in taken:
                run.inbox.pop(message, None)
            if change is not None:
                run.row = _changed(run.row, change, has_mail=bool(run.inbox))
                self._keep(run, change.durations)

    def _driven(self, lease: Lease) -> _Run:
        run = self._runs.get(lease.run_id)
        if run is None or run.lease is not lease:
            raise LeaseLost(f"run {lease.run_id} is not driven under lease {lease.token} any more: nothing is written")
        return run

    def _keep(self, run: _Run, durations: Durations | None) -> None:
        if durations is None:
            return
        run.durations = None
        for other in self._with_durations(run.row.workflow)[DURATIONS_KEPT - 1 :]:
            other.durations = None
        run.durations = durations

    def _with_durations(self, workflow: str) -> list[_Run]:
        runs = [run for run in self._runs.values() if run.durations is not None and run.row.workflow == workflow]
        return runs[::-1]

    def sync(self) -> None:
        """Nothing to do: what is here dies with the process."""
        with self._lock:
            self._check()

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The batches of a run, as they are now; see `Store.read`."""
        with self._lock:
            batches = self._run(run_id).journal[max(after, 0) :]
        return ((number, list(events)) for number, events in enumerate(batches, max(after, 0) + 1))

    # --- Leases

    def acquire(self, run_id: str) -> MemoryLease:
        """Become the driver of a run. RunLocked if this process drives it already."""
        with self._lock:
            run = self._run(run_id)
            if run.lease is not None:
                raise RunLocked(f"run {run_id} is being driven already, by this process")
            return self._lease(run)

    def _lease(self, run: _Run) -> MemoryLease:
        run.leases += 1
        run.lease = MemoryLease(run.row.id, run.leases, self._release)
        return run.lease

    def _release(self, lease: MemoryLease) -> None:
        with self._lock:
            run = self._runs.get(lease.run_id)
            if run is None or run.lease is not lease:
                return
            run.lease = None
            waiting = self._listeners(self._pools.let_go(lease.run_id))
        _poke(waiting)

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run now."""
        with self._lock:
            lease = self._run(run_id).lease
            return None if lease is None else lease.holder

    # --- Inbox

    def post(self, run_id: str, kind: str, body: str = "{}") -> None:
        """Put a message into a run's inbox and wake its driver."""
        with self._lock:
            run = self._run(run_id)
            self._messages += 1
            run.inbox[self._messages] = Message(self._messages, kind, body, time.time())
            if run.row.state == "waiting":
                run.row = replace(run.row, wake_at=0.0)
            listeners = tuple(run.listeners)
        _poke(listeners)

    def messages(self, run_id: str) -> list[Message]:
        """What is in the inbox, oldest first."""
        with self._lock:
            return list(self._run(run_id).inbox.values())

    def listen(self, run_id: str) -> MemoryListener:
        """A place to sleep for the driver of a run."""
        with self._lock:
            listener = MemoryListener(lambda listener: self._forget(run_id, listener))
            self._run(run_id).listeners.add(listener)
            return listener

    def _forget(self, run_id: str, listener: MemoryListener) -> None:
        with self._lock:
            run = self._runs.get(run_id)
            if run is not None:
                run.listeners.discard(listener)

    # --- History

    def create_run(self, run: RunRow, plan: bytes) -> None:
        """Put a new run on record with its plan."""
        with self._lock:
            self._create(run, plan)

    def start_run(self, run: RunRow, plan: bytes) -> MemoryLease:
        """Put a new run on record and become its driver."""
        with self._lock:
            return self._lease(self._create(run, plan))

    def _create(self, run: RunRow, plan: bytes) -> _Run:
        self._check()
        if run.id in self._runs:
            raise StoreError(f"run {run.id} is on record already: give the new run another id")
        self._plans.setdefault(run.plan, plan)
        created = self._runs[run.id] = _Run(run, followed={run.plan})
        return created

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow, if it is not kept yet."""
        with self._lock:
            self._run(run_id).followed.add(fingerprint)
            self._plans.setdefault(fingerprint, plan)

    def plan(self, fingerprint: str) -> bytes:
        """A plan that was kept. StoreError if it is not there."""
        with self._lock:
            self._check()
            try:
                return self._plans[fingerprint]
            except KeyError:
                raise StoreError(f"no plan {fingerprint} is kept") from None

    def run(self, run_id: str) -> RunRow:
        """The run with this id, or with the only id that begins so."""
        with self._lock:
            self._check()
            if run_id in self._runs:
                return self._runs[run_id].row
            return only_match(run_id, [run.row for id, run in self._runs.items() if id.startswith(run_id)])

    def runs(self, workflow: str | None = None, *, limit: int | None = None) -> list[RunRow]:
        """Runs, newest first."""
        with self._lock:
            self._check()
            rows = [run.row for run in self._runs.values() if workflow is None or run.row.workflow == workflow]
        rows.reverse()
        rows.sort(key=lambda row: -row.created_at)
        return rows[:limit]

    def unfinished(self) -> list[RunRow]:
        """Runs that have not ended or have undelivered notices, oldest first."""
        with self._lock:
            self._check()
            rows = [run.row for run in self._runs.values()]
        return sorted(
            (row for row in rows if row.state in ("queued", "running") or (row.undelivered and row.state != "waiting")),
            key=lambda row: row.created_at,
        )

    def due(self, now: float) -> list[RunRow]:
        """Waiting runs whose time has come, those that have been due longest first."""
        with self._lock:
            self._check()
            rows = [run.row for run in self._runs.values()]
        due = [(at, row) for row in rows if row.state == "waiting" and (at := row.wake_at) is not None and at <= now]
        return [row for _, row in sorted(due, key=lambda pair: pair[0])]

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""
        with self._lock:
            self._check()
            rows = [run.row for run in self._runs.values()]
        return sorted((row for row in rows if row.parent == run_id), key=lambda row: row.created_at)

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in the newest runs of a workflow."""
        with self._lock:
            self._check()
            return [run.durations for run in self._with_durations(workflow) if run.durations is not None]

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its journal, and plans that only this run followed."""
        with self._lock:
            if self._run(run_id).lease is not None:
                raise RunLocked(f"run {run_id} is being driven by this process: cancel it, or wait for its end")
            gone = self._runs.pop(run_id).followed
            for fingerprint in gone.difference(*(run.followed for run in self._runs.values())):
                del self._plans[fingerprint]

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        with self._lock:
            self._check()
            waiting = self._listeners(self._pools.set(name, slots))
        _poke(waiting)

    def delete_pool(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        with self._lock:
            self._check()
            waiting = self._listeners(self._pools.delete(name))
        _poke(waiting)

    def pools(self) -> list[Pool]:
        """The pools on record, by name."""
        with self._lock:
            self._check()
            return self._pools.all()

    def pool_users(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
        with self._lock:
            self._check()
            return self._pools.uses(name)

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
        """Want so many slots of a pool; see `Store.claim`."""
        wish = Stake(lease.run_id, used, wanted, priority, capacity=capacity, since=time.time())
        with self._lock:
            self._check()
            self._driven(lease)
            claim, poke = self._pools.claim(pool, wish)
            listeners = self._listeners(poke)
        _poke(listeners)
        return claim

    def _listeners(self, run_ids: Iterable[str]) -> list[MemoryListener]:
        return [listener for run_id in run_ids for listener in self._runs[run_id].listeners]

    def close(self) -> None:
        """Refuse everything from now on."""
        with self._lock:
            self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store was closed")

    def _run(self, run_id: str) -> _Run:
        self._check()
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound(f"no run has the id '{run_id}'") from None

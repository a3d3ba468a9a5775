"""The store that keeps everything in the memory of this process, and nothing beyond it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from penstock.engine.events import Event
from penstock.errors import LeaseLost, LogicalTimeTaken, RunLocked, RunNotFound, StoreError
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
from penstock.store.listing import Listing
from penstock.store.lookup import given_twice, only_match
from penstock.store.memory_pools import MemoryPools
from penstock.store.memory_runs import MemoryLease, MemoryListener, MemoryRun
from penstock.store.memory_schedules import MemorySchedules
from penstock.store.schedules import TICKS_KEPT, ScheduleRow, TickRow
from penstock.store.slots import Stake
from penstock.store.ticks import check_decision


def _poke(listeners: Iterable[MemoryListener]) -> None:
    for listener in listeners:
        listener.poke()


class MemoryStore(Listing):
    """Keeps runs in dictionaries, with the event objects themselves: an append costs less than a microsecond."""

    durable = False
    always_safe = True  # there is nothing to sync

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, MemoryRun] = {}
        self._plans: dict[str, bytes] = {}
        self._pools = MemoryPools()
        self._schedules = MemorySchedules()
        self._messages = 0
        self._changes = 0
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
                run.change(change)
                self._keep(run, change.durations)
            self._changes += 1

    def _driven(self, lease: Lease) -> MemoryRun:
        run = self._runs.get(lease.run_id)
        if run is None or run.lease is not lease:
            raise LeaseLost(f"run {lease.run_id} is not driven under lease {lease.token} any more: nothing is written")
        return run

    def _keep(self, run: MemoryRun, durations: Durations | None) -> None:
        if durations is None:
            return
        run.durations = None
        for other in self._with_durations(run.row.workflow)[DURATIONS_KEPT - 1 :]:
            other.durations = None
        run.durations = durations

    def _with_durations(self, workflow: str) -> list[MemoryRun]:
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
            self._write()
            run = self._run(run_id)
            if run.lease is not None:
                raise RunLocked(f"run {run_id} is being driven already, by this process")
            return self._lease(run)

    def _lease(self, run: MemoryRun) -> MemoryLease:
        run.leases += 1
        run.lease = MemoryLease(run.row.id, run.leases, self._release)
        return run.lease

    def _release(self, lease: MemoryLease) -> None:
        with self._lock:
            run = self._runs.get(lease.run_id)
            if run is None or run.lease is not lease:
                return
            run.lease = None
            self._changes += 1
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
            self._write()
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
            self._write()
            self._create(run, plan)

    def start_run(self, run: RunRow, plan: bytes) -> MemoryLease:
        """Put a new run on record and become its driver."""
        with self._lock:
            self._write()
            return self._lease(self._create(run, plan))

    def _create(self, run: RunRow, plan: bytes) -> MemoryRun:
        self._refuse_known(run)
        self._schedules.check_free(run)
        self._schedules.note_run(run)
        self._plans.setdefault(run.plan, plan)
        created = self._runs[run.id] = MemoryRun(run, followed={run.plan})
        return created

    def _refuse_known(self, run: RunRow) -> None:
        if run.id in self._runs:
            raise given_twice(run.id)

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow, if it is not kept yet."""
        with self._lock:
            self._write()
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

    def _rows(self) -> list[RunRow]:
        with self._lock:
            self._check()
            return [run.row for run in self._runs.values()]

    def changes(self) -> int:
        """A number that is another one when anything was written."""
        with self._lock:
            self._check()
            return self._changes

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in the newest runs of a workflow."""
        with self._lock:
            self._check()
            return [run.durations for run in self._with_durations(workflow) if run.durations is not None]

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its journal, and plans that only this run followed."""
        with self._lock:
            self._write()
            if self._run(run_id).lease is not None:
                raise RunLocked(f"run {run_id} is being driven by this process: cancel it, or wait for its end")
            gone = self._runs.pop(run_id).followed
            for fingerprint in gone.difference(*(run.followed for run in self._runs.values())):
                del self._plans[fingerprint]

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        with self._lock:
            self._write()
            waiting = self._listeners(self._pools.set(name, slots))
        _poke(waiting)

    def delete_pool(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        with self._lock:
            self._write()
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
            self._write()
            self._driven(lease)
            claim, poke = self._pools.claim(pool, wish)
            listeners = self._listeners(poke)
        _poke(listeners)
        return claim

    def _listeners(self, run_ids: Iterable[str]) -> list[MemoryListener]:
        return [listener for run_id in run_ids for listener in self._runs[run_id].listeners]

    # --- Schedules

    def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record; their cursors and whether they are paused stay."""
        with self._lock:
            self._write()
            self._schedules.put(rows)

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by the names of their workflows."""
        with self._lock:
            self._check()
            return self._schedules.all()

    def schedule(self, workflow: str) -> ScheduleRow:
        """The schedule of a workflow."""
        with self._lock:
            self._check()
            return self._schedules.one(workflow)

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on."""
        with self._lock:
            self._write()
            self._schedules.pause(workflow, paused)

    def forget_schedule(self, workflow: str) -> None:
        """Forget a schedule, and not what was decided."""
        with self._lock:
            self._write()
            self._schedules.forget(workflow)

    def decide(
        self,
        workflow: str,
        upto_was: float,
        upto: float,
        runs: Sequence[tuple[RunRow, bytes]] = (),
        missed: Sequence[TickRow] = (),
    ) -> bool:
        """Move a cursor, with all that was decided; see `Schedules.decide`."""
        check_decision(workflow, upto_was, upto, runs)
        with self._lock:
            self._write()
            if not self._schedules.may_move(workflow, upto_was):
                return False
            for run, _ in runs:
                self._refuse_known(run)
            self._schedules.move(workflow, upto)
            for tick in missed:
                self._schedules.note(workflow, tick)
            for run, plan in runs:
                with suppress(LogicalTimeTaken):
                    self._create(run, plan)
            return True

    def ticks(
        self, workflow: str, *, limit: int | None = None, before: tuple[float, str] | None = None
    ) -> list[TickRow]:
        """What was decided about a workflow, the latest logical times first."""
        with self._lock:
            self._check()
            return self._schedules.ticks(workflow, limit, before)

    def merge_ticks(self, keep: int = TICKS_KEPT) -> int:
        """Merge what is old of what was decided; see `Schedules.merge_ticks`."""
        with self._lock:
            self._write()
            return self._schedules.merge(keep)

    def close(self) -> None:
        """Refuse everything from now on."""
        with self._lock:
            self._closed = True

    def _write(self) -> None:
        self._check()
        self._changes += 1

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store was closed")

    def _run(self, run_id: str) -> MemoryRun:
        self._check()
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound(f"no run has the id '{run_id}'") from None

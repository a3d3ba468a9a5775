"""The store in a folder: a SQLite database, two files of locks, and a pipe for each run that is being driven."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from operator import attrgetter
from pathlib import Path

import apsw

from penstock.engine.events import Event
from penstock.store.base import (
    DURATIONS_KEPT,
    Claim,
    Holder,
    Lease,
    Message,
    Pool,
    PoolUse,
    RunChange,
    RunRow,
)
from penstock.store.records import encode_events
from penstock.store.slots import Stake
from penstock.store.sqlite.connection import Reader, Row, storable, store_error, typed
from penstock.store.sqlite.folder import prepare_folder
from penstock.store.sqlite.journal import chained, read_batches, seed
from penstock.store.sqlite.leases import LEASE_LOCK, Leases, SQLiteLease, lost
from penstock.store.sqlite.locks import open_lock_file
from penstock.store.sqlite.pools import Pools
from penstock.store.sqlite.queries import queries
from penstock.store.sqlite.rows import not_found
from penstock.store.sqlite.schedules import Schedules
from penstock.store.sqlite.upkeep import SQLiteUpkeep
from penstock.store.sqlite.wake import PipeListener, wake
from penstock.store.sqlite.writer import Writer

_changes = attrgetter(
    *("state", "tasks", "started_at", "ended_at", "error", "counts", "undelivered", "reopened", "wake_at"),
)


class SQLiteStore(Schedules):
    """Keeps runs in `folder`/penstock.db, for any number of threads and processes of one machine.

    The folder is made, for its owner alone, if it is not there. StoreError on a network file system, StoreCorrupt for a
    database that is damaged, not ours, or of a newer Penstock. A forked child must open a store of its own.
    """

    durable = True
    always_safe = False

    def __init__(self, folder: Path) -> None:
        folder = Path(os.path.abspath(folder))  # this process may change its directory
        prepare_folder(folder)
        self._sql = queries()
        self._append = self._sql["append"]
        self._wake = folder / "wake"
        self._pid = os.getpid()
        path = folder / "penstock.db"
        with ExitStack() as opened:
            try:
                write_lock = open_lock_file(folder / "write.lock")
                opened.callback(write_lock.close)
                lease_lock = open_lock_file(folder / LEASE_LOCK)
                opened.callback(lease_lock.close)
                self._wake.mkdir(0o700, exist_ok=True)
                _create(path)
            except OSError as error:
                raise store_error(error, folder) from error
            self._writer = Writer(path, write_lock, self._sql["barrier"])
            opened.callback(self._writer.close)
            self._reader = Reader(path)
            opened.callback(self._reader.close)
            common = lease_lock, self._reader, self._writer, self._sql, self._pipe
            self._pools = Pools(*common)
            self._leases = Leases(*common, self._pools)
            opened.callback(self._leases.close)
            self.upkeep = SQLiteUpkeep(
                folder, self._reader, self._writer, lease_lock, self._pools, self._sql, self._wake
            )
            self._opened = opened.pop_all()

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
        """Write a batch; see `Store.append`."""
        self._writer.check()  # before a lock that a fork may have left locked for ever
        own = self._leases.own(lease)
        body = encode_events(events)
        with own.lock:
            last, before = own.tip or self._last_batch(own)
            if own.doubtful is not None and _is_there(own.doubtful, last, before, body):
                self._accept(own, safe)
                own.tip, own.doubtful = (last, before), None
                return
            checksum = chained(before, body)

            def write(db: apsw.Connection) -> None:
                db.execute(self._append, (own.number, last + 1, body, checksum, own.token))
                if not db.changes():
                    own.lost = True
                    raise lost(own)
                for message in taken:
                    db.execute(self._sql["take"], (own.number, message))
                if change is not None:
                    self._change(db, own, change)

            own.tip, own.doubtful = None, (before, last + 1, checksum)
            self._writer.commit(write, safe=safe)
            own.tip, own.doubtful = (last + 1, checksum), None

    def _accept(self, own: SQLiteLease, safe: bool) -> None:
        """Take the batch that ends the journal for the one that failed to be committed, if nobody else can have written
        it."""
        if self._reader.row(self._sql["is_newest"], own.number, own.token) is None:
            own.lost = True
            raise lost(own)
        if safe:
            self.sync()

    def _last_batch(self, lease: SQLiteLease) -> tuple[int, bytes]:
        row = self._reader.row(self._sql["last_batch"], lease.number)
        return (row[0], row[1]) if row else (0, seed(lease.run_id))

    def _change(self, db: apsw.Connection, lease: SQLiteLease, change: RunChange) -> None:
        db.execute(self._sql["change_run"], storable(lease.number, *_changes(change)))
        if change.durations is not None:
            db.execute(self._sql["drop_durations"], (lease.number, DURATIONS_KEPT - 1))
            db.execute(self._sql["keep_durations"], (lease.number, change.durations.plan, change.durations.body))

    def sync(self) -> None:
        """Make everything written so far safe."""
        self._writer.sync()

    def read(self, run_id: str, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The batches of a run after one of them; see `Store.read`."""
        return read_batches(self._reader, self._sql["batches"], run_id, self._number(run_id), after)

    # --- Leases

    def acquire(self, run_id: str) -> SQLiteLease:
        """Become the driver of a run. RunLocked if somebody lives who is."""
        return self._leases.acquire(run_id, self._number(run_id))

    def holder(self, run_id: str) -> Holder | None:
        """Who drives the run now; None if nobody alive does."""
        return self._leases.holder(run_id, self._number(run_id))

    # --- Inbox

    def post(self, run_id: str, kind: str, body: str = "{}") -> None:
        """Put a message into a run's inbox (safe when it returns) and wake its driver."""
        values = storable(run_id, kind, body, time.time())

        def write(db: apsw.Connection) -> int:
            rows: list[Row] = db.execute(self._sql["post"], values).fetchall()
            if not rows:
                raise not_found(run_id)
            db.execute(self._sql["wake"], rows[0])
            number: int = rows[0][0]
            return number

        wake(self._pipe(self._writer.commit(write, safe=True)))

    def messages(self, run_id: str) -> list[Message]:
        """What is in the inbox, oldest first."""
        rows = self._reader.rows(self._sql["messages"], self._number(run_id))
        return [Message(*typed(row, _MESSAGE, "message")) for row in rows]

    def listen(self, run_id: str) -> PipeListener:
        """A place to sleep for the driver of a run."""
        number = self._number(run_id)
        query = self._sql["has_messages"]
        return PipeListener(self._pipe(number), lambda: self._reader.rows(query, number)[0][0] == 1)

    def _pipe(self, number: int) -> Path:
        return self._wake / str(number)

    # --- History

    def start_run(self, run: RunRow, plan: bytes) -> SQLiteLease:
        """Put a new run on record, safely, with its plan, and become its driver."""
        return self._leases.create(run.id, lambda db: self._insert(db, run, plan))

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its journal, and plans that only this run followed. RunLocked while it is driven."""
        number = self._number(run_id)

        def write(db: apsw.Connection) -> None:
            plans = db.execute(self._sql["plans_of"], (number,)).fetchall()
            for name in (
                "delete_journal",
                "delete_messages",
                "delete_lease",
                "delete_durations",
                "delete_slots",
                "unfollow",
                "delete_run",
            ):
                db.execute(self._sql[name], (number,))
            for plan in plans:
                db.execute(self._sql["delete_plan"], plan)

        with self._leases.nobody(run_id, number):
            self._number(run_id)  # RunNotFound, if another process has forgotten it in between
            self._writer.commit(write)
            self._pipe(number).unlink(missing_ok=True)

    # --- Pools

    def set_pool(self, name: str, slots: int) -> None:
        """Put a pool on record, or give it another number of slots."""
        self._pools.set(name, slots)

    def delete_pool(self, name: str) -> None:
        """Forget a pool, and who waits for its slots."""
        self._pools.delete(name)

    def pools(self) -> list[Pool]:
        """The pools on record, by name."""
        return self._pools.all()

    def pool_users(self, name: str) -> list[PoolUse]:
        """Who holds or wants slots of a pool."""
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
        self._writer.check()  # before a lock that a fork may have left locked for ever
        own = self._leases.own(lease)
        with own.lock:  # so that it is not given back meanwhile
            self._leases.own(lease)
            wish = Stake(own.number, used, wanted, priority, capacity=capacity, since=time.time())
            claim = self._pools.claim(pool, wish, own.token)
            if claim is None:
                own.lost = True
                raise lost(own)
            return claim

    def close(self) -> None:
        """Let go of everything. In a forked child, this leaves all to the parent."""
        if os.getpid() == self._pid:
            self._opened.close()


def _is_there(doubtful: tuple[bytes, int, bytes], last: int, checksum: bytes, body: bytes) -> bool:
    """Whether the journal ends with the batch that failed to be committed, and it is this one."""
    before, number, expected = doubtful
    return (last, checksum) == (number, expected) and chained(before, body) == expected


_MESSAGE = ((int,), (str,), (str,), (float,))


def _create(path: Path) -> None:
    """Make an empty file for its owner alone: SQLite gives its other files the permissions of the database."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass  # and must not be opened here: closing it would drop what locks SQLite holds in this process

"""The connections on which a store works: as many as threads need at once, up to a limit, kept for the next time."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from penstock.errors import StoreError
from penstock.store.postgres.address import Address
from penstock.store.postgres.connection import Connection, Row, connect, execute, translated

_MOST = 8


class ConnectionPool:
    """Connections that many threads share, each used by one at a time, and by no forked child."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._pid = os.getpid()
        self._places = threading.BoundedSemaphore(_MOST)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def check(self) -> None:
        """StoreError if the store was closed, or opened by another process."""
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store {self.address.shown} was opened by process {self._pid}, of which this is a fork: open it "
                "again here"
            )
        if self._closed:
            raise StoreError(f"the store {self.address.shown} was closed")

    def is_open(self) -> bool:
        """Whether the store was opened by this process and not closed."""
        return os.getpid() == self._pid and not self._closed

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection, for this thread alone. One that breaks is not used again."""
        self.check()  # before a lock that a fork may have left locked for ever
        with self._places, translated(self.address):
            db = self._take() or connect(self.address)
            try:
                yield db
            finally:
                self._give_back(db)

    def rows(self, name: str, *values: object) -> list[Row]:
        """What a statement that may write gives."""
        with self.connection() as db:
            return execute(db, name, *values)

    def read(self, name: str, *values: object) -> list[Row]:
        """What a statement that only reads gives: asked again where the connection broke under the first question."""
        with self.connection() as db:
            try:
                return execute(db, name, *values)
            except psycopg.Error:
                if not db.closed:
                    raise
        return self.rows(name, *values)

    def close(self) -> None:
        """Let go of every connection; those in use go when they are given back."""
        self._closed = True
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                db = self._idle.pop()
            if not _was_ended(db):
                return db
            db.close()

    def _give_back(self, db: Connection) -> None:
        with self._lock:
            good = (
                not self._closed and not db.closed and db.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            )
            if good:
                self._idle.append(db)
        if not good:
            db.close()


def _was_ended(db: Connection) -> bool:
    """Whether the server has ended an idle connection, told without asking it: it has something to say, or is gone."""
    if db.closed:
        return True
    poll = select.poll()
    poll.register(db.fileno(), select.POLLIN)
    return bool(poll.poll(0))

"""The session in which this process keeps what lasts: the locks of its leases, their heartbeat, and an ear for
notifications.

A thread renews and listens as long as there is something to keep. When the session breaks, a new one is begun, and each
duty takes up again what the old one held.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from time import monotonic
from typing import Protocol

import psycopg

from penstock.errors import PenstockError, StoreError
from penstock.store.postgres.connection import Connection, connect, execute, translated
from penstock.store.postgres.connection_pool import ConnectionPool

_LINGER = 2.0  # seconds that a session with nothing to keep is held for the next lease
_CLOSE_WITHIN = 15.0  # seconds that closing waits for the thread, which may be connecting
_BACKOFF = 0.05, 1.0  # seconds between two tries to reach the server: at first, and at most


class Duty(Protocol):
    """Something that is kept up in the session. All is called by one thread at a time."""

    every: float
    """Seconds between two renewals."""

    def wanted(self) -> bool:
        """Whether there is anything to keep."""

    def begin(self, db: Connection) -> None:
        """Take up everything in a new session."""

    def renew(self, db: Connection) -> None:
        """Say that all is still wanted, and see whether it still is ours."""


class Keeper:
    """The session and its thread. `hear` is told what notifications say."""

    def __init__(self, pool: ConnectionPool, hear: Callable[[str], None]) -> None:
        self._pool = pool
        self._address = pool.address
        self._hear = hear
        self._duties: list[Duty] = []
        self._lock = threading.Lock()
        self._db: Connection | None = None
        self._thread: threading.Thread | None = None
        self._pipe: tuple[int, int] | None = None
        self._due: dict[Duty, float] = {}
        self._again = 0.0
        self._backoff = _BACKOFF[0]
        self._closing = False

    def assume(self, duty: Duty) -> None:
        """Take on a duty, before the first session."""
        self._duties.append(duty)

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The session, for this thread alone. It is given up after any error of the database, since what it then holds
        is in doubt."""
        self._pool.check()  # before a lock that a fork may have left locked for ever
        with self._lock, translated(self._address):
            if self._closing:
                raise StoreError(f"the store {self._address.shown} was closed")
            db = self._open()
            try:
                yield db
            except PenstockError:
                raise
            except BaseException:
                self._drop()
                raise
            finally:
                self._watch()

    def close(self) -> None:
        """End the session and its thread."""
        with self._lock:
            self._closing = True
            thread = self._thread
            self._wake()
            if thread is None:
                self._drop()
        if thread is not None:
            thread.join(_CLOSE_WITHIN)

    # --- The session; the caller holds the lock

    def _open(self) -> Connection:
        if self._db is not None and self._listen(self._db):
            return self._db
        self._drop()
        db = connect(self._address)
        try:
            execute(db, "keepalives", *self._address.keepalives)
            db.add_notify_handler(lambda notify: self._hear(notify.payload))
            for duty in self._duties:
                duty.begin(db)
                self._due[duty] = monotonic() + duty.every
        except BaseException:
            db.close()
            raise
        self._db = db
        self._backoff = _BACKOFF[0]
        return db

    def _listen(self, db: Connection) -> bool:
        """Take in what the server has said unasked; whether the session has not ended."""
        try:
            poll = select.poll()
            poll.register(db.fileno(), select.POLLIN)
            while poll.poll(0):
                db.pgconn.consume_input()
            while notify := db.pgconn.notifies():
                self._hear(notify.extra.decode())
        except psycopg.Error:
            return False
        return not db.closed

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _watch(self) -> None:
        """See that the thread runs and knows of what has changed."""
        if self._thread is None and not self._closing and self._wanted():
            self._pipe = os.pipe()
            self._thread = threading.Thread(target=self._keep, name="penstock-postgres-keeper", daemon=True)
            self._thread.start()
        self._wake()

    def _wake(self) -> None:
        if self._pipe is not None:
            os.write(self._pipe[1], b"!")

    def _wanted(self) -> bool:
        return any(duty.wanted() for duty in self._duties)

    # --- The thread

    def _keep(self) -> None:
        unwanted_since: float | None = None
        while True:
            self._pause(unwanted_since)
            with self._lock:
                now = monotonic()
                if self._wanted():
                    unwanted_since = None
                elif unwanted_since is None:
                    unwanted_since = now
                if self._closing or (unwanted_since is not None and now >= unwanted_since + _LINGER):
                    self._end()
                    return
                self._renew(now)

    def _pause(self, unwanted_since: float | None) -> None:
        """Wait until something is due or comes."""
        db, pipe = self._db, self._pipe
        until = self._again if db is None else min(self._due.values())
        if unwanted_since is not None:
            until = min(until, unwanted_since + _LINGER)
        poll = select.poll()
        assert pipe is not None
        poll.register(pipe[0], select.POLLIN)
        try:
            if db is not None:
                poll.register(db.fileno(), select.POLLIN)
        except psycopg.Error:
            return  # another thread has just found it broken
        for ready, _ in poll.poll(max(0, ceil((until - monotonic()) * 1000))):
            if ready == pipe[0]:
                os.read(ready, 4096)

    def _renew(self, now: float) -> None:
        if self._db is None and now < self._again:
            return
        try:
            db = self._open()
            for duty in self._duties:
                if now >= self._due[duty]:
                    self._due[duty] = now + duty.every
                    duty.renew(db)
        except (psycopg.Error, StoreError):
            if self._db is None or self._db.closed:
                self._drop()
                self._again = monotonic() + self._backoff
                self._backoff = min(self._backoff * 2, _BACKOFF[1])

    def _end(self) -> None:
        self._drop()
        assert self._pipe is not None
        for end in self._pipe:
            os.close(end)
        self._thread = self._pipe = None

"""How the driver of a run is woken: by a notification of the server, which the keeper's thread passes on.

That a notification was lost, with its connection, is caught by a look into the inboxes once a second.
"""

from __future__ import annotations

import threading

from penstock.store.bell import Bell
from penstock.store.postgres.connection import Connection, execute
from penstock.store.postgres.keeper import Keeper


class PostgresListener(Bell):
    """Where the driver of a run of a PostgresStore sleeps."""

    def __init__(self, listeners: Listeners, number: int) -> None:
        super().__init__()
        self.number = number
        self._listeners = listeners

    def close(self) -> None:
        """Stop listening."""
        self._listeners.forget(self)


class Listeners:
    """Everybody in this process who listens. A duty of the keeper."""

    every = 1.0

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._all: set[PostgresListener] = set()

    def listen(self, number: int, keeper: Keeper) -> PostgresListener:
        """A place to sleep for the driver of run `number`."""
        with keeper.session():
            listener = PostgresListener(self, number)
            with self._lock:
                self._all.add(listener)
        return listener

    def forget(self, listener: PostgresListener) -> None:
        """Poke somebody no more."""
        with self._lock:
            self._all.discard(listener)

    def poke(self, number: int) -> None:
        """Wake whoever listens for a run."""
        for listener in self._each():
            if listener.number == number:
                listener.poke()

    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._all)

    def begin(self, db: Connection) -> None:
        """Have this session notified, and wake everybody: what was said since the last session is not said again."""
        db.execute(f"LISTEN {self._channel}".encode())
        for listener in self._each():
            listener.poke()

    def renew(self, db: Connection) -> None:
        """Look into the inboxes."""
        listeners = self._each()
        if not listeners:
            return
        numbers = {listener.number for listener in listeners}
        found = {run for (run,) in execute(db, "have_messages", list(numbers))}
        for listener in listeners:
            if listener.number in found:
                listener.poke()

    def hear(self, payload: str) -> None:
        """A notification: the number of a run."""
        if payload.isdecimal():
            self.poke(int(payload))

    def _each(self) -> list[PostgresListener]:
        with self._lock:
            return list(self._all)

"""How a run's events reach the store: many threads hand them in, one at a time commits for all.

Events are numbered from 1 as they come. A thread that needs event n on record calls `flush(n)`; it commits everything
that has come so far, or finds that another thread has done so meanwhile. A thread that only wants its events to be on
their way calls `offer`: they are written at once, but where BUSY commits follow each other within WRITTEN_WITHIN
seconds each. Then that much after the last, by whoever calls `serve`, or sooner by somebody who needs one of them: one
commit serves as many as came meanwhile.

Two levels (see store.base): *written* is what a commit gives; *safe* is what survives a power cut, and follows within
SAFE_WITHIN seconds or SAFE_EVENTS events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import fields, replace
from math import inf
from typing import Any

from penstock.clock import Clock
from penstock.engine.events import Event
from penstock.errors import LeaseLost, StoreError
from penstock.store.base import RETRY_FOR, Lease, RunChange, Store

WRITTEN_WITHIN = 0.002
BUSY = 4
SAFE_WITHIN = 0.005
SAFE_EVENTS = 1_000
MOST_PENDING = 256
"""How many events may wait for a commit before those who bring more wait too."""


class JournalWriter:
    """The events of one run on their way to the store.

    `guard` is the lock under which events are added: the driver's own, so that their order is the engine's order.
    """

    def __init__(
        self, store: Store, lease: Lease, guard: Any, *, full: bool, wake: Callable[[], None], clock: Clock
    ) -> None:
        self._store = store
        self._lease = lease
        self._guard = guard
        self._wake = wake
        self._clock = clock
        self._must_sync = full and not store.always_safe
        self._pending: list[Event] = []
        self._taken: list[int] = []
        self._change: RunChange | None = None
        self._urgent = 0
        """The last event that must be safe as soon as it is written."""
        self._committing = clock.lock()
        self._due: float | None = None
        """When what is pending is to be written; None if nothing is, or nobody has said so yet."""
        self._commits: deque[float] = deque(maxlen=BUSY)
        """When the last commits were made."""
        self._unsafe_since: float | None = None
        self.added = 0
        self.written = 0
        self.safe = 0
        self.broken: StoreError | None = None
        """Why nothing can be written any more."""

    def add(self, event: Event, taken: int | None = None, *, safe: bool = False) -> None:
        """Hand in an event, with the inbox message that it answers; with `safe`, it is never written without being safe
        at once. The caller holds the guard."""
        self._pending.append(event)
        self.added += 1
        if safe:
            self._urgent = self.added
        if taken is not None:
            self._taken.append(taken)

    def hurry(self) -> None:
        """Let what was added last never be written without being safe at once. The caller has held the guard since."""
        self._urgent = self.added

    def change(self, change: RunChange) -> None:
        """Have the run's row changed by the batch that takes the next events, which will be safe. The caller holds the
        guard."""
        self._change = change if self._change is None else _both(self._change, change)

    def take(self, message: int) -> None:
        """Have an inbox message removed with the next batch. The caller holds the guard."""
        self._taken.append(message)

    def offer(self) -> None:
        """See that what was added is written soon."""
        pending = len(self._pending)
        if pending > MOST_PENDING:
            self.flush(self.added)
        elif pending and self._due is None:
            due = self._commits[-1] + WRITTEN_WITHIN if self._is_busy() else -inf
            if self._clock.monotonic() >= due and self._committing.acquire(blocking=False):
                try:
                    self._commit()
                finally:
                    self._committing.release()
            else:
                self._due = due
                self._wake()

    def _is_busy(self) -> bool:
        """Whether commits follow each other so fast that some should be one."""
        commits = self._commits
        return len(commits) == BUSY and self._clock.monotonic() - commits[0] < BUSY * WRITTEN_WITHIN

    def serve(self) -> None:
        """Write what has waited long enough for that, and make safe what has waited for this."""
        now = self._clock.monotonic()
        if self._due is None and self._pending:
            self._due = self._commits[-1] + WRITTEN_WITHIN if self._is_busy() else now
        if self._due is not None and now >= self._due:
            with self._committing:
                self._commit()
        if self._unsafe_since is not None and now >= self._unsafe_since + SAFE_WITHIN:
            self.sync()

    def write(self) -> None:
        """Return when all that has come so far is written. StoreError if that cannot be."""
        self.flush(self.added)

    def flush(self, until: int, *, safe: bool = False) -> None:
        """Wait until the event numbered `until` is written, or safe. StoreError if that cannot be."""
        while self.written < until:
            with self._committing:
                if self.written < until:
                    self._commit(safe=safe)
        if safe and self.safe < until:
            self.sync()

    def finish(self) -> None:
        """Write what is left, and make all of it safe."""
        with self._committing:
            self._commit(safe=True)
        self.sync()

    def pause(self) -> float | None:
        """Seconds until there is something to serve; None if all is safe."""
        due, since = self._due, self._unsafe_since
        moments = [due] if due is not None else []
        if since is not None:
            moments.append(since + SAFE_WITHIN)
        return max(0.0, min(moments) - self._clock.monotonic()) if moments else None

    def sync(self) -> None:
        """Make everything written safe."""
        with self._committing:
            if self.broken:
                raise self.broken
            if self._unsafe_since is None:
                return
            written = self.written
            try:
                self._store.sync()
            except StoreError as error:
                self._insist(self._store.sync, error)
            self.safe, self._unsafe_since = written, None

    def _commit(self, *, safe: bool = False) -> None:
        """Write one batch of all that is pending. The caller holds the commit lock."""
        if self.broken:
            raise self.broken
        with self._guard:
            events, self._pending, self._due = self._pending, [], None
            taken, self._taken = self._taken, []
            change, self._change = self._change, None
            until = self.added
            urgent = self.written < self._urgent  # asked here, since more may be added as soon as the guard is let go
        if not events and not taken and change is None:
            return
        safe = self._must_sync and (safe or change is not None or urgent or self._is_overdue(until))
        try:
            self._store.append(self._lease, events, change=change, taken=taken, safe=safe)
        except StoreError as error:
            self._insist(lambda: self._store.append(self._lease, events, change=change, taken=taken, safe=safe), error)
        except BaseException as error:  # e.g. no memory: the batch is lost, so nothing may follow it
            self.broken = StoreError(f"the journal cannot be written: {error!r}")
            raise self.broken from error
        self.written = until
        self._commits.append(self._clock.monotonic())
        if safe or not self._must_sync:
            self.safe, self._unsafe_since = until, None
        elif self._unsafe_since is None:
            self._unsafe_since = self._clock.monotonic()
            self._wake()

    def _is_overdue(self, until: int) -> bool:
        since = self._unsafe_since
        return until - self.safe >= SAFE_EVENTS or (since is not None and self._clock.monotonic() - since > SAFE_WITHIN)

    def _insist(self, write: Callable[[], None], error: StoreError) -> None:
        """Try a write that failed again for a while. Everybody who needs the journal waits meanwhile."""
        clock = self._clock
        give_up = clock.monotonic() + RETRY_FOR
        delay = 0.05
        while not isinstance(error, LeaseLost) and clock.monotonic() + delay < give_up:
            clock.sleep(delay)
            delay = min(delay * 2, 1.0)
            try:
                return write()
            except StoreError as again:
                error = again
        self.broken = error
        raise error


def _both(first: RunChange, then: RunChange) -> RunChange:
    """One change that does what the two do one after the other. A run is reopened by the first if at all."""
    values = {field.name: getattr(then, field.name) for field in fields(then)}
    return replace(first, **{name: value for name, value in values.items() if value is not None and name != "reopened"})

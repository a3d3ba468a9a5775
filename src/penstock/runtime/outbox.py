"""Notices on their way to those who want them: callbacks of the workflow, and notifiers of the settings.

A notice is part of the journal before anybody is told of it: it arises from an event, and what has happened to it is an
event too. So it is delivered at least once, also by another driver, and each time with the same id. A receiver that
raises is tried again, by later drivers too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.clock import Clock
from penstock.engine.events import NoticeDelivered, NoticeDropped
from penstock.errors import StoreError
from penstock.plan.compile import Compiled
from penstock.policy import Notice
from penstock.runtime.observer import Notifier

PAUSES = (0.5, 2.0, 5.0)
"""Seconds after each of the first refusals before a notice is tried again."""
LATER = 60.0
"""Seconds between tries after that, while the run goes on. A run that has ended leaves the notice to a later driver."""
PATIENCE = 60.0
"""Seconds for which the end of a run waits for a receiver that does not return."""
PERSISTENCE = 86_400.0
"""Seconds for which a driver that lives so long has a notice refused before it gives it up."""

Deliver = Callable[[Notice], None]
"""Hands a notice to its receiver, and raises what that raises. NoReceiver if there is none."""
Record = Callable[[NoticeDelivered | NoticeDropped], None]


class NoReceiver(Exception):
    """Nobody takes the notice any more: the workflow, or the settings, have changed."""


class Flushing(Protocol):
    """What the outbox needs of a run's journal."""

    @property
    def added(self) -> int:
        """How many events came so far."""

    def flush(self, until: int, *, safe: bool = False) -> None:
        """Wait until an event is written, or safe."""


@dataclass(slots=True)
class _Waiting:
    """A notice that waits to be delivered."""

    notice: Notice
    position: int
    """The journal position that must be safe first."""
    refusals: int = 0
    refused_at: float = 0.0
    """When it was first refused, by the monotonic clock."""
    due: float = 0.0
    """When it may be tried again, by the monotonic clock."""


class Outbox:
    """Delivers the notices of one run, one at a time, on a thread of its own that lives while there are any. `add` is
    called under the driver's lock; `record` takes that lock."""

    def __init__(self, deliver: Deliver, record: Record, journal: Flushing, clock: Clock) -> None:
        self._deliver = deliver
        self._record = record
        self._journal = journal
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._guard = clock.lock()
        self._thread: Any = None
        self._ending = False
        """Whether the run has ended: what was refused too often is left to others."""
        self._stopped = False

    def add(self, notices: Sequence[Notice]) -> None:
        """Have notices delivered that arose from the event which was added to the journal last."""
        position = self._journal.added
        with self._guard:
            known = {entry.notice.id for entry in self._waiting}
            self._waiting += [_Waiting(notice, position) for notice in notices if notice.id not in known]
            if self._thread is None:
                self._thread = self._clock.start(self._work, "penstock-outbox")

    def finish(self, *, patient: bool) -> None:
        """Wait for what can be delivered now, or, if not `patient`, only for what is being delivered."""
        self._ending = True
        self._stopped = self._stopped or not patient
        thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    def close(self) -> None:
        """Deliver and record nothing more."""
        self._stopped = True

    def _work(self) -> None:
        while True:
            with self._guard:
                entry = self._next()
                if entry is None:
                    self._thread = None
                    return
            pause = entry.due - self._clock.monotonic()
            if pause > 0:
                self._clock.sleep(min(pause, _LOOK))
                continue
            try:
                self._journal.flush(entry.position, safe=True)
                self._try(entry)
            except StoreError:  # the driver sees it too; the notices stay on record
                self.close()

    def _next(self) -> _Waiting | None:
        """The notice that is due first. The caller holds the guard."""
        if self._ending:
            self._waiting = [entry for entry in self._waiting if entry.refusals <= len(PAUSES)]
        return None if self._stopped or not self._waiting else min(self._waiting, key=lambda entry: entry.due)

    def _try(self, entry: _Waiting) -> None:
        now = self._clock.monotonic()
        give_up = entry.refusals > 0 and now - entry.refused_at > PERSISTENCE
        event = tell(self._deliver, entry.notice, self._clock.time, give_up=give_up)
        if event is not None:
            with self._guard:
                self._waiting.remove(entry)
            if not self._stopped:
                self._record(event)
            return
        pause = PAUSES[entry.refusals] if entry.refusals < len(PAUSES) else LATER
        with self._guard:
            entry.refused_at = entry.refused_at if entry.refusals else now
            entry.refusals += 1
            entry.due = self._clock.monotonic() + pause


_LOOK = 0.2
"""Seconds after which a thread that waits looks whether it is still wanted."""


def tell(
    deliver: Deliver, notice: Notice, time: Callable[[], float], *, give_up: bool = False
) -> NoticeDelivered | NoticeDropped | None:
    """Try once to deliver a notice; None if it was refused and is to be tried again later, unless it is to be given up
    then. By the monotonic clock or by hand only: a date that jumps must not lose it."""
    try:
        deliver(notice)
    except NoReceiver as error:
        return NoticeDropped(time(), notice.id, str(error))
    except BaseException as error:  # a receiver is user code: even SystemExit must not end a driver's thread
        text = _text(error)
        if give_up:
            return NoticeDropped(time(), notice.id, text)
        if sys.stderr is not None:
            who = f"notifier '{notice.receiver}'" if notice.receiver else "a callback"
            sys.stderr.write(f"Notice {notice.id} was refused by {who}, and is tried again: {text}\n")
        return None
    return NoticeDelivered(time(), notice.id)


def _text(error: BaseException) -> str:
    with suppress(Exception):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


class Receivers:
    """The receivers of a workflow's notices: its callbacks, and notifiers by name."""

    def __init__(self, compiled: Compiled, notifiers: Mapping[str, Notifier]) -> None:
        self._compiled = compiled
        self._notifiers = notifiers

    def deliver(self, notice: Notice) -> None:
        """Hand a notice to its receiver. NoReceiver if there is none any more."""
        if notice.receiver:
            if notice.receiver not in self._notifiers:
                raise NoReceiver(f"the settings name no notifier '{notice.receiver}' any more")
            self._notifiers[notice.receiver].notify(notice)
            return
        task = None if notice.task is None else self._row(notice.task)
        callback = None if task == -1 else self._compiled.callback(task, notice.kind)
        if callback is None:
            raise NoReceiver(f"the workflow has no callback for {notice.kind} any more")
        callback(notice)

    def _row(self, name: str) -> int:
        """The row of a task, or of an instance of one; -1 if there is none any more."""
        numbers = self._compiled.plan.numbers
        return numbers.get(name, numbers.get(name.rpartition("[")[0], -1))

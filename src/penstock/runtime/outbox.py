"""Notices on their way to those who want them: callbacks of the workflow, and notifiers of the settings.

A notice is part of the journal before anybody is told of it: it arises from an event, and what has happened to it is an
event too. So it is delivered at least once, also by another driver, and each time with the same id. A receiver that
raises is tried again, by later drivers too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Any, Protocol

from penstock.clock import Clock
from penstock.engine.events import NoticeDelivered, NoticeDropped, NotifiersSet
from penstock.errors import NoticeRefused, StoreError, TryLater
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
NOBODY: Mapping[str, str] = MappingProxyType({})
"""Notifiers: none."""
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


@dataclass(slots=True)
class _Held:
    """What is to be brought as one, since its receiver has been told of enough for now."""

    due: float
    """When the receiver may be told again, by the monotonic clock."""
    entries: list[_Waiting] = field(default_factory=list)

    def fold(self) -> _Waiting:
        """All of it as one."""
        position = max(entry.position for entry in self.entries)
        return _Waiting(folded([entry.notice for entry in self.entries]), position)


def folded(notices: Sequence[Notice]) -> Notice:
    """The latest of several notices, which stands for all of them."""
    return replace(notices[-1], stands_for=tuple(notice.id for notice in notices))


class Outbox:
    """Delivers the notices of one run, one at a time, on a thread of its own that lives while there are any. `add` is
    called under the driver's lock; `record` takes that lock."""

    def __init__(self, deliver: Deliver, record: Record, journal: Flushing, clock: Clock) -> None:
        self._deliver = deliver
        self._record = record
        self._journal = journal
        self._clock = clock
        self._queue: list[tuple[float, int, _Waiting]] = []
        """A heap: what is due first, and of that what came first."""
        self._count = 0
        self._known: set[str] = set()
        """The ids of all that waits."""
        self._held: dict[str, _Held] = {}
        """What is held back, by its receiver."""
        self._guard = clock.lock()
        self._thread: Any = None
        self._ending = False
        """Whether the run has ended: what was refused too often is left to others."""
        self._is_left = False
        """Whether it was."""
        self._stopped = False

    def add(self, notices: Sequence[Notice]) -> None:
        """Have notices delivered that arose from the event which was added to the journal last."""
        position = self._journal.added
        with self._guard:
            for notice in notices:
                if notice.id not in self._known:
                    self._known.add(notice.id)
                    self._push(_Waiting(notice, position))
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
                entry = self._take()
                if entry is None:
                    self._thread = None
                    return
            if not isinstance(entry, _Waiting):
                self._clock.sleep(min(entry, _LOOK))
                continue
            try:
                self._journal.flush(entry.position, safe=True)
                self._try(entry)
            except StoreError:  # the driver sees it too; the notices stay on record
                self.close()

    def _push(self, entry: _Waiting) -> None:
        """The caller holds the guard."""
        self._count += 1
        heappush(self._queue, (entry.due, self._count, entry))

    def _take(self) -> _Waiting | float | None:
        """The notice that is due first; the seconds until one is due; None if none is to be delivered any more. The
        caller holds the guard."""
        now = self._clock.monotonic()
        if self._ending and not self._is_left:
            self._leave_the_rest(now)
        if self._stopped:
            return None
        due = self._queue[0][0] if self._queue else None
        if self._held:
            receiver = min(self._held, key=lambda name: self._held[name].due)
            held_until = now if self._ending else self._held[receiver].due  # the end of a run does not wait for it
            if due is None or due > held_until:
                return self._held.pop(receiver).fold() if held_until <= now else held_until - now
        if due is None:
            return None
        return heappop(self._queue)[2] if due <= now else due - now

    def _leave_the_rest(self, now: float) -> None:
        """When the run has ended: what was refused too often, or is wanted much later, is left to a later driver."""
        self._is_left = True
        kept = [row for row in self._queue if not _is_for_later(row[2], now)]
        self._queue = sorted(kept, key=lambda row: row[:2])

    def _try(self, entry: _Waiting) -> None:
        notice = entry.notice
        with self._guard:
            if notice.receiver in self._held and not notice.stands_for:
                self._held[notice.receiver].entries.append(entry)
                return
        now = self._clock.monotonic()
        give_up = entry.refusals > 0 and now - entry.refused_at > PERSISTENCE
        event = tell(self._deliver, notice, self._clock.time, give_up=give_up)
        if isinstance(event, TryLater) and event.fold:
            with self._guard:
                self._held[notice.receiver] = _Held(self._clock.monotonic() + event.seconds, [entry])
        elif event is None or isinstance(event, TryLater):
            self._try_later(entry, now, 0.0 if event is None else event.seconds)
        else:
            self._settle(event, notice.stands_for or (notice.id,))

    def _try_later(self, entry: _Waiting, now: float, at_least: float) -> None:
        pause = PAUSES[entry.refusals] if entry.refusals < len(PAUSES) else LATER
        with self._guard:
            entry.refused_at = entry.refused_at if entry.refusals else now
            entry.refusals += 1
            entry.due = self._clock.monotonic() + max(pause, at_least)
            if not (self._is_left and _is_for_later(entry, self._clock.monotonic())):
                self._push(entry)

    def _settle(self, event: NoticeDelivered | NoticeDropped, ids: Sequence[str]) -> None:
        """A notice, and all that it stands for, is delivered or given up."""
        with self._guard:
            self._known.difference_update(ids)
        for id in ids:
            if not self._stopped:
                self._record(replace(event, notice=id))


def _is_for_later(entry: _Waiting, now: float) -> bool:
    """Whether the end of a run does not wait for a notice."""
    return entry.refusals > len(PAUSES) or entry.due - now > PAUSES[-1]


_LOOK = 0.2
"""Seconds after which a thread that waits looks whether it is still wanted."""


def tell(
    deliver: Deliver, notice: Notice, time: Callable[[], float], *, give_up: bool = False
) -> NoticeDelivered | NoticeDropped | TryLater | None:
    """Try once to deliver a notice; None, or what says when, if it was refused and is to be tried again later, unless
    it is to be given up then. By the monotonic clock or by hand only: a date that jumps must not lose it."""
    later: TryLater | None = None
    try:
        deliver(notice)
    except (NoReceiver, NoticeRefused) as error:
        return NoticeDropped(time(), notice.id, str(error))
    except BaseException as error:  # a receiver is user code: even SystemExit must not end a driver's thread
        later, text = (error, str(error)) if isinstance(error, TryLater) else (None, _text(error))
        if later is not None and later.fold:
            return later
        if give_up:
            return NoticeDropped(time(), notice.id, text)
        if sys.stderr is not None:
            who = f"notifier '{notice.receiver}'" if notice.receiver else "a callback"
            sys.stderr.write(f"Notice {notice.id} was refused by {who}, and is tried again: {text}\n")
        return later
    return NoticeDelivered(time(), notice.id)


def _text(error: BaseException) -> str:
    with suppress(Exception):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


def notifiers_set(now: float, notifiers: Mapping[str, str]) -> NotifiersSet:
    """From now on these are told, each of the kinds of notices that it names with spaces between, or of the usual."""
    return NotifiersSet(now, tuple(notifiers), tuple(notifiers.values()) if any(notifiers.values()) else ())


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

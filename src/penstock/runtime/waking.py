"""Waking runs that were parked: one thread for all that a manager has started, or for all that are on record."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from threading import Condition, Event, Thread

from penstock.clock import Clock
from penstock.errors import RunLocked, RunNotFound, StoreError
from penstock.runtime.drive import Drive, Wake
from penstock.runtime.history import ENDED, History
from penstock.runtime.record import Run

LOOK = 1.0
"""Seconds between two looks for runs that are due."""
_PAUSE = 0.05
"""Seconds between two looks whether there is room for another."""
_ROOM = 16
"""How many runs may have something to do, and no worker has come to them, before others are woken."""
_TRIES = 6
"""How often it is tried to wake a run while the store cannot be read or written."""
_PUT_OFF = (60.0, 3600.0)
"""Seconds after which a run that could not be woken is tried again: the first time, and at most, twice as long each
time."""


class Started:
    """A run that was started here."""

    __slots__ = ("deadline", "drive", "error", "is_kept", "is_over", "run", "run_id", "tries", "wake")

    def __init__(self, run_id: str, wake: Wake) -> None:
        self.run_id = run_id
        self.wake = wake
        self.drive: Drive | None = None
        """While it is driven here."""
        self.deadline = inf
        """When to wake it if it is parked, by the monotonic clock, whatever the date is then."""
        self.tries = 0
        """How often it could not be woken."""
        self.is_kept = False
        """Whether somebody else in this process has started it, and tells of it."""
        self.is_over = False
        self.run: Run | None = None
        self.error: BaseException | None = None


class Table:
    """The runs that one manager has started and that are driven or parked. All of it is under one lock."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.runs: dict[str, Started] = {}
        self.driven: dict[str, Started] = {}
        """Those that are driven."""

    def forget(self, one: Started) -> None:
        """A run is looked after no more, unless it is driven."""
        with self.changed:
            if one.drive is None:
                self.runs.pop(one.run_id, None)


class Waker:
    """Wakes the runs of a table. `begin` drives one that was taken over, `end` says that one is over: both are called
    under the table's lock."""

    def __init__(
        self,
        table: Table,
        history: Callable[[], History],
        clock: Clock,
        begin: Callable[[Started, Drive], None],
        end: Callable[[Started, Run | None, BaseException | None], None],
    ) -> None:
        self._table = table
        self._changed = table.changed
        self._runs = table.runs
        self._history = history
        self._clock = clock
        self._begin = begin
        self._end = end
        self._deadlines: list[tuple[float, str]] = []
        """A heap."""
        self._stir = Event()
        self._thread: Thread | None = None
        self._others: Callable[[str], Drive | Run] | None = None
        """How to take runs over that were not started here, if these are to be woken too."""
        self.told: Callable[[Run], None] = lambda run: None
        """Who wants to know what has become of those."""
        self._put_off: dict[str, tuple[float, float]] = {}
        """Runs that could not be woken: when to try again, by the monotonic clock, and the pause before that."""

    @property
    def wakes_others(self) -> bool:
        """Whether what is parked is one among all that are on record."""
        return self._others is not None

    def watch(self, first: Sequence[str], take: Callable[[str], Drive | Run], told: Callable[[Run], None]) -> None:
        """From now on wake whatever is due in the store, beginning with the runs in `first`. `told` is given each run
        when it has ended, was interrupted or is parked again; it is called under a lock."""
        with self._changed:
            self._others, self.told = take, told
            for run_id in first:
                self._runs[run_id] = one = Started(run_id, lambda run_id=run_id: take(run_id))  # type: ignore[misc]
                self.wake_in(one, 0.0)
            self.rouse()

    def stop(self) -> None:
        """Wake nothing any more. Not under the lock."""
        with self._changed:
            self._deadlines.clear()
            self._others = None
            thread = self._thread
        if thread is not None:
            self._stir.set()
            thread.join()

    def wake_in(self, one: Started, seconds: float) -> None:
        """Wake a parked run after so many seconds. The caller holds the lock."""
        one.deadline = self._clock.monotonic() + seconds
        heappush(self._deadlines, (one.deadline, one.run_id))
        if self._deadlines[0][1] == one.run_id:
            self._stir.set()

    def next_deadline(self) -> float:
        """When the next parked run is to be woken. The caller holds the lock."""
        while self._deadlines:
            deadline, run_id = self._deadlines[0]
            one = self._runs.get(run_id)
            if one is not None and one.deadline == deadline:
                return deadline
            heappop(self._deadlines)
        return inf

    def rouse(self) -> None:
        """See that somebody wakes what is parked. The caller holds the lock."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="penstock-waker", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if len(self._runs) == len(self._table.driven) and self._others is None:
                    self._thread = None
                    return
                pause = min(LOOK, self.next_deadline() - self._clock.monotonic())
            self._stir.wait(max(0.0, pause))
            self._stir.clear()
            for run_id in self._find_due():
                self._await_room()
                self._wake(run_id)

    def _find_due(self) -> list[str]:
        """The parked runs that are to be woken now."""
        now = self._clock.monotonic()
        found: dict[str, None] = {}
        with self._changed:
            while self.next_deadline() <= now:
                run_id = heappop(self._deadlines)[1]
                self._runs[run_id].deadline = inf
                found[run_id] = None
        try:
            due = [row.id for row in self._history().store.due(self._clock.time())]
        except StoreError:
            due = []  # it is asked again in a second
        for run_id in due:
            if (run_id in self._runs or self._others is not None) and self._put_off.get(run_id, (0.0, 0.0))[0] <= now:
                found[run_id] = None
        return [*found]

    def _await_room(self) -> None:
        """Wait until workers have come to most of the runs that are awake: more could not go on any sooner."""
        with self._changed:
            while self._count_behind() >= _ROOM and len(self._runs) > 0:
                self._changed.wait(_PAUSE)

    def _count_behind(self) -> int:
        return sum(one.drive.is_behind() for one in self._table.driven.values() if one.drive is not None)

    def _wake(self, run_id: str) -> None:
        with self._changed:
            one = self._runs.get(run_id)
            if one is None and (take := self._others) is not None:
                one = Started(run_id, lambda: take(run_id))
            if one is None or one.drive is not None:
                return
        try:
            self._go_on(one, one.wake())
        except RunLocked:
            return  # somebody else was faster
        except StoreError as error:
            self._try_later(one, error)
        except RunNotFound:
            self._table.forget(one)
        except Exception as error:
            self._leave_parked(one, error)

    def _go_on(self, one: Started, found: Drive | Run) -> None:
        with self._changed:
            self._put_off.pop(one.run_id, None)
            if isinstance(found, Drive):
                self._runs[one.run_id] = one
                self._begin(one, found)
            elif found.state in ENDED:
                self._end(one, found, None)
                self._changed.notify_all()
            elif self._others is not None:
                self._runs.pop(one.run_id, None)

    def _try_later(self, one: Started, error: StoreError) -> None:
        with self._changed:
            one.tries += 1
            if one.tries < _TRIES and one.run_id in self._runs:
                self.wake_in(one, LOOK * one.tries)
                return
        self._leave_parked(one, error)

    def _leave_parked(self, one: Started, error: Exception) -> None:
        """It cannot be woken as things are: that is said once, and tried again later."""
        first, most = _PUT_OFF
        with self._changed:
            pause = min(self._put_off[one.run_id][1] * 2, most) if one.run_id in self._put_off else first
            self._put_off[one.run_id] = self._clock.monotonic() + pause, pause
            if self._others is not None:
                self._runs.pop(one.run_id, None)
        if pause == first and sys.stderr is not None:
            sys.stderr.write(f"Run {one.run_id} cannot be woken, which is tried again later: {error}\n")

"""Runs that go on beside whoever started them, waiting for them, and waking those that were parked.

A run is driven in a thread of its own. While it is parked it has none: one thread wakes all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from threading import Condition, Event, Thread
from typing import NamedTuple

from penstock.clock import Clock
from penstock.errors import RunLocked, RunNotFound, StoreError
from penstock.runtime.history import ENDED, History
from penstock.runtime.record import Run

LOOK = 1.0
"""Seconds between two looks for runs that are due."""
_LOOK_AT_ONE = 0.25
"""Seconds between two looks at a parked run that is waited for: somebody else may have woken it."""
_PAUSE = 0.05
"""Seconds between two looks at a run that another process drives."""
_ROOM = 16
"""How many runs may have something to do, and no worker has come to them, before others are woken."""
_TRIES = 6
"""How often it is tried to wake a run while the store cannot be read or written."""
_PUT_OFF = (60.0, 3600.0)
"""Seconds after which a run that could not be woken is tried again: the first time, and at most, twice as long each
time."""


class Drive(NamedTuple):
    """A run in the hands of this process that is about to be driven."""

    drive: Callable[[], Run]
    """Until it ends, is interrupted or parked."""
    stop: Callable[[str], None]
    """Have it interrupted."""
    is_behind: Callable[[], bool]
    """Whether it has something to do, and no worker has come to it yet."""
    give_up: Callable[[], None]
    """Give it back undriven."""


Wake = Callable[[], Drive | Run]
"""Takes a parked run over. If there is nothing to do in it now, or it is not due any more, what has become of it.
RunLocked if somebody else is at it."""


class _Started:
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


class StartedRuns:
    """The runs that one manager has started. `due` gives the ids of parked runs whose time has come."""

    def __init__(self, history: Callable[[], History], clock: Clock, near: float) -> None:
        """A parked run that goes on within `near` seconds is waited for by `close`."""
        self._history = history
        self._clock = clock
        self._near = near
        self._changed = Condition()
        self._runs: dict[str, _Started] = {}
        """Those that are driven or parked."""
        self._over: dict[str, _Started] = {}
        """Those that are over, till the next is started: after that they are read from the store."""
        self._driven: dict[str, _Started] = {}
        self._deadlines: list[tuple[float, str]] = []
        """A heap."""
        self._stir = Event()
        self._waker: Thread | None = None
        self._others: Callable[[str], Drive | Run] | None = None
        """How to take runs over that were not started here, if these are to be woken too."""
        self._told: Callable[[Run], None] = lambda run: None
        self._put_off: dict[str, tuple[float, float]] = {}
        """Runs that could not be woken: when to try again, by the monotonic clock, and the pause before that."""

    # --- Starting and waiting

    def start(self, run_id: str, drive: Drive, wake: Wake) -> None:
        """Drive a run in a thread of its own, and again when it was parked and is woken."""
        with self._changed:
            self._over.clear()
            one = self._runs[run_id] = _Started(run_id, wake)
            self._begin(one, drive)

    def keep(self, run_id: str, run: Run, wake: Wake) -> None:
        """Wake a run, when it is due, that somebody else in this process has parked."""
        with self._changed:
            one = self._runs[run_id] = _Started(run_id, wake)
            one.is_kept = True
            self._park(one, run)

    def wait(self, run_id: str, timeout: float | None) -> Run | None:
        """The run, when it has ended or was interrupted; None if it was not started here. TimeoutError if it has not
        after `timeout` seconds; whatever made driving it impossible, e.g. StoreError. Ctrl-C stops the run, and is
        raised when it has let go."""
        give_up = inf if timeout is None else self._clock.monotonic() + timeout
        with self._changed:
            one = self._over.get(run_id) or self._runs.get(run_id)
        if one is None:
            return None
        missed = False
        try:
            while not self._wait_once(one, give_up):
                if one.drive is None and not one.is_over:
                    elsewhere = self._look_at(one)
                    if elsewhere.state in ENDED or (missed and elsewhere.state == "interrupted"):
                        return elsewhere
                    missed = elsewhere.state == "interrupted"
                if self._clock.monotonic() >= give_up:
                    raise TimeoutError(f"run {run_id} has not ended after {timeout:g} s")
        except KeyboardInterrupt:
            self._interrupt([one])
            raise
        if one.error is not None:
            raise one.error
        assert one.run is not None
        return one.run

    def _wait_once(self, one: _Started, give_up: float) -> bool:
        """Wait for a moment. Whether the run is over."""
        with self._changed:
            if not one.is_over:
                pause = LOOK if one.drive is not None else _LOOK_AT_ONE
                self._changed.wait(max(0.0, min(pause, give_up - self._clock.monotonic())))
            return one.is_over

    def _look_at(self, one: _Started) -> Run:
        """A parked run as it is on record: somebody else may have woken, cancelled or deleted it."""
        history = self._history()
        try:
            run = history.run(history.store.run(one.run_id))
        except RunNotFound:
            self._forget(one)
            raise
        if run.state in ENDED:
            self._forget(one)
        return run

    def _forget(self, one: _Started) -> None:
        with self._changed:
            if one.drive is None:
                self._runs.pop(one.run_id, None)

    def close(self, *, stop: str | None = None) -> int:
        """Wait for all runs that are driven here, or stop them for a reason, and for parked ones that go on soon. How
        many stay parked."""
        try:
            with self._changed:
                while stop is None and (self._driven or self._goes_on_soon()):
                    self._changed.wait(LOOK)
            if stop is not None:
                self._interrupt(None, stop)
        except KeyboardInterrupt:
            self._interrupt(None)
            raise
        finally:
            left = self._let_go()
        return left

    def _goes_on_soon(self) -> bool:
        deadline = self._next_deadline()
        return deadline < inf and deadline <= self._clock.monotonic() + self._near

    def _let_go(self) -> int:
        with self._changed:
            left = sum(not one.is_kept for one in self._runs.values())
            self._runs.clear()
            self._deadlines.clear()
            self._others = None
            waker = self._waker
        if waker is not None:
            self._stir.set()
            waker.join()
        self._interrupt(None)  # what it had just woken
        return left

    def _interrupt(self, runs: Sequence[_Started] | None, reason: str = "SIGINT") -> None:
        """Have runs stopped, by default all, and wait until they are. One that is only about to be driven is told
        again."""
        with self._changed:
            runs = [*self._driven.values()] if runs is None else runs
            while driven := [one.drive for one in runs if one.drive is not None]:
                for drive in driven:
                    drive.stop(reason)
                self._changed.wait(_PAUSE)

    # --- In a run's own thread

    def _begin(self, one: _Started, drive: Drive) -> None:
        """The caller holds the lock."""
        one.drive, one.deadline = drive, inf
        self._driven[one.run_id] = one
        try:
            # No daemon, even if the waker begins it: the process does not end before the run has, or is parked.
            Thread(target=self._work, args=(one, drive), name=f"penstock-run-{one.run_id}", daemon=False).start()
        except BaseException:
            del self._driven[one.run_id]
            one.drive = None
            drive.give_up()
            raise

    def _work(self, one: _Started, drive: Drive) -> None:
        run, error = None, None
        try:
            run = drive.drive()
        except BaseException as raised:
            error = raised
        del drive
        with self._changed:
            one.drive = None
            del self._driven[one.run_id]
            if run is not None and run.state == "waiting":
                self._park(one, run)
            else:
                self._end(one, run, error)
            self._changed.notify_all()

    def _park(self, one: _Started, run: Run) -> None:
        one.tries = 0
        if self._others is not None:  # from now on it is one among all that are on record
            self._runs.pop(one.run_id, None)
            self._told(run)
            return
        if (pause := run._pause(self._clock.time())) is not None:
            self._wake_in(one, pause)
        self._rouse()

    def _end(self, one: _Started, run: Run | None, error: BaseException | None) -> None:
        one.is_over, one.run, one.error = True, run, error
        self._runs.pop(one.run_id, None)
        if self._others is None:
            self._over[one.run_id] = one
        elif run is not None:
            self._told(run)
        else:
            self._say(f"Run {one.run_id} could not go on: {error}")

    # --- Waking

    def watch(self, first: Sequence[str], take: Callable[[str], Drive | Run], told: Callable[[Run], None]) -> None:
        """From now on wake whatever is due in the store, beginning with the runs in `first`. `told` is given each run
        when it has ended, was interrupted or is parked again; it is called under a lock."""
        with self._changed:
            self._others, self._told = take, told
            for run_id in first:
                self._runs[run_id] = one = _Started(run_id, lambda run_id=run_id: take(run_id))  # type: ignore[misc]
                self._wake_in(one, 0.0)
            self._rouse()

    def _wake_in(self, one: _Started, seconds: float) -> None:
        one.deadline = self._clock.monotonic() + seconds
        heappush(self._deadlines, (one.deadline, one.run_id))
        if self._deadlines[0][1] == one.run_id:
            self._stir.set()

    def _next_deadline(self) -> float:
        """When the next parked run is to be woken. The caller holds the lock."""
        while self._deadlines:
            deadline, run_id = self._deadlines[0]
            one = self._runs.get(run_id)
            if one is not None and one.deadline == deadline:
                return deadline
            heappop(self._deadlines)
        return inf

    def _rouse(self) -> None:
        """See that somebody wakes what is parked. The caller holds the lock."""
        if self._waker is None:
            self._waker = Thread(target=self._serve, name="penstock-waker", daemon=True)
            self._waker.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if len(self._runs) == len(self._driven) and self._others is None:
                    self._waker = None
                    return
                pause = min(LOOK, self._next_deadline() - self._clock.monotonic())
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
            while self._next_deadline() <= now:
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
        return sum(one.drive.is_behind() for one in self._driven.values() if one.drive is not None)

    def _wake(self, run_id: str) -> None:
        with self._changed:
            one = self._runs.get(run_id)
            if one is None and (take := self._others) is not None:
                one = _Started(run_id, lambda: take(run_id))
            if one is None or one.drive is not None:
                return
        try:
            self._go_on(one, one.wake())
        except RunLocked:
            return  # somebody else was faster
        except StoreError as error:
            self._try_later(one, error)
        except RunNotFound:
            self._forget(one)
        except Exception as error:
            self._leave_parked(one, error)

    def _go_on(self, one: _Started, found: Drive | Run) -> None:
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

    def _try_later(self, one: _Started, error: StoreError) -> None:
        with self._changed:
            one.tries += 1
            if one.tries < _TRIES and one.run_id in self._runs:
                self._wake_in(one, LOOK * one.tries)
                return
        self._leave_parked(one, error)

    def _leave_parked(self, one: _Started, error: Exception) -> None:
        """It cannot be woken as things are: that is said once, and tried again later."""
        first, most = _PUT_OFF
        with self._changed:
            pause = min(self._put_off[one.run_id][1] * 2, most) if one.run_id in self._put_off else first
            self._put_off[one.run_id] = self._clock.monotonic() + pause, pause
            if self._others is not None:
                self._runs.pop(one.run_id, None)
        if pause == first:
            self._say(f"Run {one.run_id} cannot be woken, which is tried again later: {error}")

    def _say(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"{text}\n")


def wait_for(history: History, run_id: str, timeout: float | None, clock: Clock) -> Run:
    """A run that another process drives, when it has ended, or when nobody drives it any more. TimeoutError."""
    give_up = None if timeout is None else clock.monotonic() + timeout
    missed = False
    while True:
        run = history.run(history.store.run(run_id))
        if run.state in ENDED or (missed and run.state == "interrupted"):
            return run
        missed = run.state == "interrupted"  # perhaps somebody is just taking it over
        if give_up is not None and clock.monotonic() >= give_up:
            raise TimeoutError(f"run {run.id} has not ended after {timeout:g} s")
        clock.sleep(_LOOK_AT_ONE if run.state == "waiting" else _PAUSE)

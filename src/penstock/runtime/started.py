"""Runs that go on beside whoever started them, and waiting for them.

A run is driven in a thread of its own. While it is parked it has none: one thread wakes all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import inf
from threading import Thread

from penstock.clock import Clock
from penstock.errors import RunNotFound
from penstock.runtime.drive import Drive, Wake
from penstock.runtime.history import ENDED, History
from penstock.runtime.record import Run
from penstock.runtime.waking import LOOK, Started, Table, Waker

_LOOK_AT_ONE = 0.25
"""Seconds between two looks at a parked run that is waited for: somebody else may have woken it."""
_PAUSE = 0.05
"""Seconds between two looks at a run that another process drives."""


class StartedRuns:
    """The runs that one manager has started."""

    def __init__(self, history: Callable[[], History], clock: Clock, near: float) -> None:
        """A parked run that goes on within `near` seconds is waited for by `close`."""
        self._history = history
        self._clock = clock
        self._near = near
        self._table = Table()
        self._changed = self._table.changed
        self._runs = self._table.runs
        self._driven = self._table.driven
        self._over: dict[str, Started] = {}
        """Those that are over, till the next is started: after that they are read from the store."""
        self._waker = Waker(self._table, history, clock, self._begin, self._end)

    # --- Starting and waiting

    def start(self, run_id: str, drive: Drive, wake: Wake) -> None:
        """Drive a run in a thread of its own, and again when it was parked and is woken."""
        with self._changed:
            self._over.clear()
            one = self._runs[run_id] = Started(run_id, wake)
            self._begin(one, drive)

    def keep(self, run_id: str, run: Run, wake: Wake) -> None:
        """Wake a run, when it is due, that somebody else in this process has parked."""
        with self._changed:
            one = self._runs[run_id] = Started(run_id, wake)
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

    def _wait_once(self, one: Started, give_up: float) -> bool:
        """Wait for a moment. Whether the run is over."""
        with self._changed:
            if not one.is_over:
                pause = LOOK if one.drive is not None else _LOOK_AT_ONE
                self._changed.wait(max(0.0, min(pause, give_up - self._clock.monotonic())))
            return one.is_over

    def _look_at(self, one: Started) -> Run:
        """A parked run as it is on record: somebody else may have woken, cancelled or deleted it."""
        history = self._history()
        try:
            run = history.run(history.store.run(one.run_id))
        except RunNotFound:
            self._table.forget(one)
            raise
        if run.state in ENDED:
            self._table.forget(one)
        return run

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
        deadline = self._waker.next_deadline()
        return deadline < inf and deadline <= self._clock.monotonic() + self._near

    def _let_go(self) -> int:
        with self._changed:
            left = sum(not one.is_kept for one in self._runs.values())
            self._runs.clear()
        self._waker.stop()
        self._interrupt(None)  # what it had just woken
        return left

    def _interrupt(self, runs: Sequence[Started] | None, reason: str = "SIGINT") -> None:
        """Have runs stopped, by default all, and wait until they are. One that is only about to be driven is told
        again."""
        with self._changed:
            runs = [*self._driven.values()] if runs is None else runs
            while driven := [one.drive for one in runs if one.drive is not None]:
                for drive in driven:
                    drive.stop(reason)
                self._changed.wait(_PAUSE)

    def watch(self, first: Sequence[str], take: Callable[[str], Drive | Run], told: Callable[[Run], None]) -> None:
        """From now on wake whatever is due in the store: see Waker.watch."""
        self._waker.watch(first, take, told)

    # --- In a run's own thread

    def _begin(self, one: Started, drive: Drive) -> None:
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

    def _work(self, one: Started, drive: Drive) -> None:
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

    def _park(self, one: Started, run: Run) -> None:
        one.tries = 0
        if self._waker.wakes_others:  # from now on it is one among all that are on record
            self._runs.pop(one.run_id, None)
            self._waker.told(run)
            return
        if (pause := run._pause(self._clock.time())) is not None:
            self._waker.wake_in(one, pause)
        self._waker.rouse()

    def _end(self, one: Started, run: Run | None, error: BaseException | None) -> None:
        one.is_over, one.run, one.error = True, run, error
        self._runs.pop(one.run_id, None)
        if not self._waker.wakes_others:
            self._over[one.run_id] = one
        elif run is not None:
            self._waker.told(run)
        elif sys.stderr is not None:
            sys.stderr.write(f"Run {one.run_id} could not go on: {error}\n")


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

"""The runs that are driven in this process with one executor, and its workers, which go from run to run.

A worker that has settled an attempt takes the next one itself, so that no hand-off lies between two tasks: of the same
run, if there is only one; else of the run after that in turn, so that none waits for another's end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.clock import SYSTEM, Clock
from penstock.executor.base import Attempt, Executor, Outcome
from penstock.runtime.signals import LOOK_PAUSE

if TYPE_CHECKING:
    from penstock.executor.context import RunContext
    from penstock.runtime.driver import RunDriver

_TURNS = 3
"""How often a worker tries to take a lock before it sleeps on it."""


class _Found(NamedTuple):
    """An attempt that was started, and whether more of its run is ready."""

    driver: RunDriver
    attempt: Attempt
    more: bool


class Host:
    """Drivers of runs, each in a thread of its own, that share an executor. The executor is open while there are any.

    It is what the executor's workers see: `take`, `settle` and `fill` are called by these."""

    def __init__(self, executor: Executor, clock: Clock = SYSTEM) -> None:
        self.executor = executor
        self._clock = clock
        self._door = clock.lock()
        """Held while the executor is opened or closed."""
        self._lock = clock.lock()
        self._drivers: tuple[RunDriver, ...] = ()
        self._by_run: dict[str, RunDriver] = {}
        self._idle: list[Any] = []
        """One held lock for each worker that waits for work."""

    @property
    def drivers(self) -> tuple[RunDriver, ...]:
        """Those whose runs are being driven, in the order in which they came."""
        return self._drivers

    @property
    def next_context(self) -> RunContext | None:
        """That of the run which came last."""
        drivers = self._drivers
        return drivers[-1].context if drivers else None

    # --- Runs come and go

    def enter(self, driver: RunDriver) -> bool:
        """From now on the workers serve this run too. Whether it is the only one."""
        with self._door:
            is_first = not self._drivers
            with self._lock:
                self._drivers = (*self._drivers, driver)
                self._by_run[driver.context.run_id] = driver
            if is_first:
                self.executor.open(self)
            return is_first

    def leave(self, driver: RunDriver, *, wait: float) -> None:
        """The run needs no workers any more. With the last one the executor is closed, which takes `wait` seconds at
        most."""
        with self._door:
            with self._lock:
                self._drivers = tuple(other for other in self._drivers if other is not driver)
                del self._by_run[driver.context.run_id]
            if not self._drivers:
                self.rouse()
                self.executor.close(wait=wait)

    # --- Work, as the executor's workers ask for it

    def take(self) -> Attempt | None:
        """The next attempt, waiting for one if need be; None when the worker should end."""
        return self._next(None, None, False)

    def settle(self, attempt: Attempt, outcome: Outcome) -> Attempt | None:
        """Step the engine of the attempt's run by an outcome, and take the next attempt."""
        settled = self._settle(attempt, outcome, go_on=len(self._drivers) == 1)
        return None if settled is None else self._next(*settled)

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Step it, and leave what follows to the workers."""
        settled = self._settle(attempt, outcome, go_on=False)
        if settled is None:
            return
        driver, _, more = settled
        try:
            driver.announce(None)
        except BaseException as error:
            driver.broke(error)
        if more:
            self.call()

    def _settle(
        self, attempt: Attempt, outcome: Outcome, *, go_on: bool
    ) -> tuple[RunDriver, Attempt | None, bool] | None:
        """Step the engine; and start an attempt that follows, to `go_on`. Whether more is ready. None if the run, or
        the attempt, was given up."""
        driver = self._by_run.get(attempt.context.run_id)
        if driver is None:
            return None  # its run has given it up, and has gone
        try:
            if not driver.lock.acquire(False):
                self._take_turn(driver)
            try:
                if not attempt.abandoned:
                    driver.close_attempt(attempt, outcome)
                else:
                    driver.note_return(attempt)
                    if not self.executor.on_caller:  # the worker has been replaced, perhaps by one that rests
                        driver.look_around()
                        return None
                following = driver.start_next() if go_on else None
                return driver, following, driver.has_ready
            finally:
                driver.lock.release()
        except BaseException as error:
            driver.broke(error)
            return None

    def _take_turn(self, driver: RunDriver) -> None:
        """Wait for a driver's lock, as a worker.

        Who sleeps on a lock owns it as soon as it is free, and only then waits for the interpreter, which others have:
        all that want the lock meanwhile sleep on it too, and from then on threads are switched at each task. So those
        who are many, and come often, let others go on and try again."""
        for _ in range(_TURNS):
            self._clock.sleep(0)
            if driver.lock.acquire(False):
                return
        driver.lock.acquire()

    def fill(self) -> None:
        """A worker has gone: see that somebody comes for what is ready."""
        if any(driver.has_ready for driver in self._drivers):
            self.call()

    def stop(self, run_id: str, reason: str, *, patient: bool = False) -> None:
        """Have a run interrupted, if it is being driven. See `Stop`."""
        driver = self._by_run.get(run_id)
        if driver is not None:
            driver.stop(reason, patient=patient)

    def hurry(self, run_id: str) -> None:
        """End what runs of a run that was stopped, if it is being driven."""
        driver = self._by_run.get(run_id)
        if driver is not None:
            driver.hurry()

    def is_behind(self, run_id: str) -> bool:
        """Whether a run that is about to be driven here, or is, has something to do, and no worker has come to it."""
        driver = self._by_run.get(run_id)
        return driver is None or (driver.has_ready and not driver.has_begun)

    def call(self) -> None:
        """Something is ready: have a worker come for it that rests, or a new one."""
        rest = None
        if self._idle:
            with self._lock:
                rest = self._idle.pop() if self._idle else None
        if rest is not None:
            rest.release()
        else:
            self.executor.grow()

    def rouse(self) -> None:
        """Have all workers that rest look around: perhaps there is nothing to wait for any more."""
        with self._lock:
            idle, self._idle = self._idle, []
        for rest in idle:
            rest.release()

    def _next(self, driver: RunDriver | None, attempt: Attempt | None, more: bool) -> Attempt | None:
        """Announce an attempt that was started, or wait for one; then send for whoever takes the rest, so that tasks
        are announced in the order in which they were started."""
        while True:
            if driver is not None:
                try:
                    driver.announce(attempt)
                    if attempt is not None:
                        return attempt
                except BaseException as error:
                    driver.broke(error)
                finally:
                    if more:
                        self.call()
            found = self._wait(driver)
            if found is None:
                return None
            driver, attempt, more = found

    def _wait(self, last: RunDriver | None) -> _Found | None:
        """Start an attempt as soon as one is ready; None when there is nothing to wait for."""
        while True:
            found = self._look(last)
            if found is not None:
                return found
            pause = self._clock.lock()
            pause.acquire()
            with self._lock:
                if all(driver.starts_no_more for driver in self._drivers):
                    return None
                self._idle.append(pause)
            found = self._look(last)  # what was ready before this worker could be called
            if found is None:
                self._rest(pause)
                continue
            with self._lock:
                was_called = pause not in self._idle
                if not was_called:
                    self._idle.remove(pause)
            return found._replace(more=True) if was_called else found  # the call was for something else

    def _rest(self, pause: Any) -> None:
        """Sleep until called; in the main thread, perhaps, which has signals to handle."""
        while not pause.acquire(timeout=LOOK_PAUSE if self.executor.on_caller else -1):
            pass

    def _look(self, last: RunDriver | None) -> _Found | None:
        drivers = self._drivers
        turn = drivers.index(last) + 1 if last in drivers else 0
        for driver in (*drivers[turn:], *drivers[:turn]):
            if not driver.has_ready:
                continue
            try:
                if not driver.lock.acquire(False):
                    self._take_turn(driver)
                try:
                    attempt = driver.start_next()
                    more = driver.has_ready
                finally:
                    driver.lock.release()
            except BaseException as error:
                driver.broke(error)
                continue
            if attempt is not None:
                return _Found(driver, attempt, more)
        return None

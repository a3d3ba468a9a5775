"""Runs that go on beside whoever started them, and waiting for them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from penstock.clock import Clock
from penstock.runtime.history import ENDED, History
from penstock.runtime.record import Run

_PAUSE = 0.05
"""Seconds between two looks at a run that another process drives."""


class StartedRun:
    """A run that is driven in a thread of its own. The process does not end before it has."""

    def __init__(self, run_id: str, drive: Callable[[], Run], stop: Callable[[str], None]) -> None:
        self.run_id = run_id
        self._drive = drive
        self._stop = stop
        self._over = Event()
        self._run: Run | None = None
        self._error: BaseException | None = None
        Thread(target=self._work, name=f"penstock-run-{run_id}").start()

    @property
    def is_over(self) -> bool:
        """Whether nobody drives it here any more."""
        return self._over.is_set()

    def wait(self, timeout: float | None) -> Run:
        """The run, when it has ended or was interrupted. TimeoutError if it has not after `timeout` seconds; whatever
        made driving it impossible, e.g. StoreError. Ctrl-C stops the run, and is raised when it has let go."""
        try:
            in_time = self._over.wait(timeout)
        except KeyboardInterrupt:
            self._stop("SIGINT")
            self._over.wait()
            raise
        if not in_time:
            raise TimeoutError(f"run {self.run_id} has not ended after {timeout:g} s")
        if self._error is not None:
            raise self._error
        assert self._run is not None
        return self._run

    def _work(self) -> None:
        try:
            self._run = self._drive()
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()


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
        clock.sleep(_PAUSE)

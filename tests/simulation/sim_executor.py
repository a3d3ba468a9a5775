"""An executor whose workers are simulated threads. It really invokes bodies, and works as those of Penstock do."""

from __future__ import annotations

from enum import Enum

from penstock.engine.events import AttemptLost, ErrorText
from penstock.executor.base import Attempt, AttemptSource, Outcome
from penstock.executor.current import running
from penstock.executor.invoke import AttemptInterrupted, invoke
from tests.simulation.scheduler import Process, SimClock, SimThread


class Style(Enum):
    """Which of Penstock's executors it works like."""

    THREADS = "threads"
    """A body ends against its will only where it lets itself be ended."""
    PROCESSES = "processes"
    """A body ends at once when its worker is killed; workers die by themselves too."""
    INLINE = "inline"
    """The driver's own thread is the only worker."""


class WorkerDied(BaseException):
    """Raised by a body whose worker is to vanish."""


class SimExecutor:
    """Up to `workers` threads, made as they are needed."""

    def __init__(self, process: Process, clock: SimClock, style: Style, workers: int) -> None:
        self.name = f"simulated {style.value}"
        self.on_caller = style is Style.INLINE
        self.workers = 1 if self.on_caller else workers
        self._process = process
        self._clock = clock
        self._style = style
        self._source: AttemptSource | None = None
        self._threads: dict[SimThread, None] = {}
        """At work or at rest; one that was given up is in here no more."""
        self._working: dict[Attempt, SimThread] = {}
        self._doomed: set[Attempt] = set()
        """Those whose bodies are to end."""
        self._dead: set[Attempt] = set()
        """Those whose workers have vanished."""

    def open(self, source: AttemptSource) -> None:
        """Begin to serve a run."""
        self._source = source

    def work(self) -> None:
        """Invoke attempts on the calling thread."""
        source, thread = self._source, self._process.scheduler.thread
        assert source is not None
        assert thread is not None
        attempt = source.take()
        while attempt is not None:
            attempt = source.settle(attempt, self._invoke(attempt, thread))

    def grow(self) -> None:
        """Another worker, unless there are enough."""
        if self.on_caller or self._source is None or len(self._threads) >= self.workers:
            return
        source = self._source
        thread = self._process.start(lambda: self._work(source), "worker")
        self._threads[thread] = None

    def _work(self, source: AttemptSource) -> None:
        thread = self._process.scheduler.thread
        assert thread is not None
        attempt = source.take()
        while attempt is not None:
            attempt = source.settle(attempt, self._invoke(attempt, thread))
        self._threads.pop(thread, None)

    def _invoke(self, attempt: Attempt, thread: SimThread) -> Outcome:
        self._working[attempt] = thread
        outcome = invoke(attempt)
        del self._working[attempt]
        self._doomed.discard(attempt)
        if attempt in self._dead:
            self._dead.discard(attempt)
            story = ErrorText("WorkerLost", "the worker vanished, as its script says")
            return AttemptLost(attempt.task, attempt.number, self._clock.time(), story)
        return outcome

    def ask(self, attempt: Attempt) -> None:
        """The body sees it itself."""

    def end(self, attempt: Attempt) -> bool:
        """Have the body end as soon as it can be ended."""
        thread = self._working.get(attempt)
        if thread is None:
            return False
        self._doomed.add(attempt)
        if thread.waiting and attempt.thread is not None:
            self._process.scheduler.wake(thread)
        return True

    def abandon(self, attempt: Attempt) -> None:
        """Make room for another worker."""
        thread = self._working.get(attempt)
        if thread is not None:
            self._threads.pop(thread, None)

    def close(self, *, wait: float | None) -> bool:
        """No more work."""
        self._source = None
        if self._style is Style.PROCESSES:
            for attempt in list(self._working):
                self.end(attempt)
        deadline = None if wait is None else self._clock.monotonic() + wait
        threads = list(self._threads)
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    # --- For bodies

    def rest(self, attempt: Attempt, seconds: float, *, stubborn: bool) -> None:
        """Let a body take its time. A stubborn one does not let itself be ended, unless its worker is killed."""
        scheduler = self._process.scheduler
        scheduler.step()
        until = scheduler.now + seconds
        while True:
            if attempt in self._doomed and (not stubborn or self._style is Style.PROCESSES):
                raise AttemptInterrupted
            left = until - scheduler.now
            if left <= 0:
                return
            scheduler.wait(left)

    def vanish(self, attempt: Attempt) -> None:
        """The worker dies with the body."""
        self._dead.add(attempt)
        raise WorkerDied

    @staticmethod
    def attempt() -> Attempt:
        """The one whose body calls."""
        attempt = running.get()
        assert attempt is not None
        return attempt

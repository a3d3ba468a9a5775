"""Task bodies in threads of this process."""

from __future__ import annotations

import os
from threading import Lock, Thread, current_thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from penstock.executor.base import Attempt, AttemptSource
from penstock.executor.current import running
from penstock.executor.invoke import finish, interrupt, prepare
from penstock.executor.prepared import Prepared

if TYPE_CHECKING:
    from penstock.executor.coroutines import CoroutineBodies


class ThreadsExecutor:
    """Up to `workers` threads, made as they are needed. By default four more than there are cores, at most 32, since
    tasks of pipelines mostly wait. Async bodies share one thread more, however many there are.

    The threads are daemons: one whose body never ends must not keep the process from ending.
    """

    name = "threads"
    on_caller = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or min(32, (os.cpu_count() or 1) + 4)
        self._lock = Lock()
        self._source: AttemptSource | None = None
        self._coroutines: CoroutineBodies | None = None
        """Made when the first async body comes."""
        self._threads: dict[int | None, Thread] = {}
        """The threads at work or at rest, by identity; one that was given up is in here no more."""
        self._working: dict[Attempt, int] = {}
        """Which thread has an attempt."""

    def open(self, source: AttemptSource) -> None:
        self._source = source

    def work(self) -> None:
        """The threads do the work."""

    def grow(self) -> None:
        if len(self._threads) >= self.workers:
            return
        with self._lock:
            if self._source is None or len(self._threads) >= self.workers:
                return
            thread = Thread(target=self._work, args=(self._source,), name="penstock-worker", daemon=True)
            thread.start()
            self._threads[thread.ident] = thread

    def _work(self, source: AttemptSource) -> None:
        me, working = get_ident(), self._working
        attempt = source.take()
        while attempt is not None:
            working[attempt] = me
            running.set(attempt)
            prepared = prepare(attempt)
            if not isinstance(prepared, Prepared):
                outcome = prepared
            elif not prepared.is_async:
                outcome = finish(attempt, prepared)
            else:
                running.set(None)
                self._coroutines_of(source).start(attempt, prepared)
                del working[attempt]
                attempt = source.take()
                continue
            running.set(None)
            del prepared  # and with it what the body took
            del working[attempt]
            attempt = source.settle(attempt, outcome)
        with self._lock:
            if self._threads.get(current_thread().ident) is current_thread():
                del self._threads[current_thread().ident]

    def _coroutines_of(self, source: AttemptSource) -> CoroutineBodies:
        from penstock.executor.coroutines import CoroutineBodies

        with self._lock:
            if self._coroutines is None:
                self._coroutines = CoroutineBodies(source)
            return self._coroutines

    def ask(self, attempt: Attempt) -> None:
        """The body sees it itself."""

    def end(self, attempt: Attempt) -> bool:
        return interrupt(attempt)

    def abandon(self, attempt: Attempt) -> None:
        if self._coroutines is not None and attempt in self._coroutines:
            self._coroutines.abandon(attempt)
        with self._lock:
            self._threads.pop(self._working.get(attempt), None)

    def close(self, *, wait: float | None) -> bool:
        with self._lock:
            self._source, self._coroutines, coroutines = None, None, self._coroutines
            threads = list(self._threads.values())
        deadline = None if wait is None else monotonic() + wait
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - monotonic()))
        if coroutines is not None:
            coroutines.close()
        return not any(thread.is_alive() for thread in threads)

"""Task bodies in processes of their own.

The pool is ours: a process, a thread that supervises it, and plain pipes between them for each worker. General pools
have no way to ask a body to end before it is ended, and none for what it prints to come back while it runs; and a
hand-over costs them five times as much or more.
"""

from __future__ import annotations

import os
from threading import Lock
from time import monotonic

from penstock.executor.base import Attempt, AttemptSource
from penstock.executor.supervisor import Supervisor

PATIENCE = 2.0
"""Seconds that threads get to see that their processes are gone."""


class ProcessesExecutor:
    """Up to `workers` processes, by default one for each core, each started when there is work for it, and anew where
    one has died. They live as long as the executor is open."""

    name = "processes"
    on_caller = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._lock = Lock()
        self._source: AttemptSource | None = None
        self._supervisors: set[Supervisor] = set()
        """One for each worker; those whose workers were given up are in here no more."""
        self._running: dict[Attempt, Supervisor] = {}

    def open(self, source: AttemptSource) -> None:
        self._source = source

    def work(self) -> None:
        """The processes do the work."""

    def grow(self) -> None:
        with self._lock:
            if self._source is None or len(self._supervisors) >= self.workers:
                return
            supervisor = Supervisor(self._source, self._running, self._remove)
            supervisor.start()
            self._supervisors.add(supervisor)

    def ask(self, attempt: Attempt) -> None:
        supervisor = self._running.get(attempt)
        if supervisor is not None:
            supervisor.ask(attempt)

    def end(self, attempt: Attempt) -> bool:
        """Kill the attempt's process, with all that the body started."""
        supervisor = self._running.get(attempt)
        if supervisor is not None:
            supervisor.kill()
        return supervisor is not None

    def abandon(self, attempt: Attempt) -> None:
        supervisor = self._running.get(attempt)
        if supervisor is not None:
            self._remove(supervisor)

    def close(self, *, wait: float | None) -> bool:
        """What still runs is killed, and so is what does not end in time."""
        with self._lock:
            self._source = None
            supervisors = list(self._supervisors)
        for supervisor in list(self._running.values()):
            supervisor.kill()
        if not _ended(supervisors, wait):
            for supervisor in supervisors:
                supervisor.kill()
        return _ended(supervisors, PATIENCE)

    def _remove(self, supervisor: Supervisor) -> None:
        with self._lock:
            self._supervisors.discard(supervisor)


def _ended(supervisors: list[Supervisor], wait: float | None) -> bool:
    deadline = None if wait is None else monotonic() + wait
    for supervisor in supervisors:
        supervisor.join(None if deadline is None else max(0.0, deadline - monotonic()))
    return not any(supervisor.is_alive() for supervisor in supervisors)

"""What a manager works with, as its options and the settings choose: the store and what belongs to it, workers, and
those who watch and are told. Nothing is opened or made before it is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from penstock.clock import Clock
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.executor.base import Executor
    from penstock.parts import Parts
    from penstock.runtime.history import History
    from penstock.runtime.home import Settings
    from penstock.runtime.host import Host
    from penstock.runtime.lanes import Lanes
    from penstock.runtime.observer import Notifier, Observer
    from penstock.runtime.pruner import Retention


class Equipment:
    """See the module's text. The options are those of WorkflowManager; what is None is as the settings say."""

    def __init__(
        self,
        store: str | None,
        executor: Any,
        workers: int | None,
        results: str | os.PathLike[str] | None,
        durability: str | None,
        grace: float | None,
        park_after: float | None,
        observers: Sequence[Observer] | None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._workers = workers
        self._results = os.fspath(results) if results is not None else None
        self._durability = durability
        self._grace = grace
        self._park_after = park_after
        self._observers = observers
        self._lock = Lock()
        self._parts: Parts | None = None
        self._host: Host | None = None
        self._lanes: Lanes | None = None

    @cached_property
    def settings(self) -> Settings:
        """What the settings file and the environment say."""
        from penstock.runtime.home import read_settings

        return read_settings(os.environ, Path.cwd())

    # --- Where runs are kept

    @property
    def parts(self) -> Parts:
        """Store, results and logs."""
        with self._lock:
            if self._parts is None:
                from penstock.parts import open_parts
                from penstock.runtime.home import find_home

                name, results = self._store or self.settings.store, self._results or self.settings.results
                home = partial(find_home, os.environ, Path.cwd())
                self._parts = open_parts(name, home, results=results, full=self.is_full)
            return self._parts

    def close_store(self) -> None:
        """Let go of a store that keeps what it holds; it is opened again when it is needed."""
        with self._lock:
            if self._parts is not None and self._parts.store.durable:
                self._parts.store.close()
                self._parts = None

    @property
    def is_full(self) -> bool:
        """Whether what is acknowledged outlives a power cut."""
        from penstock.parts import DURABILITIES

        durability = self._durability or self.settings.durability
        if durability not in DURABILITIES:
            raise PenstockError(f"durability={durability!r}: it is {' or '.join(map(repr, DURABILITIES))}")
        return durability == "full"

    def retention(self, days: float | None = None, keep: int | None = None) -> Retention:
        """How long ended runs are kept."""
        from penstock.runtime.pruner import Retention

        settings = self.settings
        by_settings = settings.retention_days or float("inf")  # 0 days: nothing is forgotten for its age
        return Retention(settings.retention_runs if keep is None else keep, by_settings if days is None else days)

    def prune_daily(self, history: History) -> None:
        """Forget what need not be kept, if that was not done today."""
        folder = self.parts.folder
        if folder is not None and self.settings.retention_days:
            from penstock.runtime.pruner import prune_daily

            prune_daily(history, self.retention(), folder)

    # --- Who works

    @property
    def grace(self) -> float:
        """Seconds that a body has to end when it is asked to."""
        return self.settings.grace if self._grace is None else self._grace

    @property
    def park_after(self) -> float:
        """Seconds that a run must have nothing to do to be parked."""
        return self.settings.park_after if self._park_after is None else self._park_after

    def host(self, clock: Clock) -> Host:
        """Where runs are driven. They share their workers, but for a run within a task's body, which holds one of
        these, and one whose worker is the thread that calls."""
        from penstock.executor.current import running
        from penstock.runtime.host import Host

        with self._lock:
            if self._host is not None and running.get(None) is None and not self._host.executor.on_caller:
                return self._host
            host = Host(self._new_executor(), clock)
            self._host = self._host or host
            return host

    def _new_executor(self) -> Executor:
        from penstock.parts import create_executor

        settings = self.settings
        return create_executor(
            self._executor if self._executor is not None else settings.executor,
            self._workers if self._workers is not None else settings.workers,
        )

    def lanes(self, clock: Clock) -> Lanes:
        """Threads for the runs of tasks."""
        from penstock.runtime.lanes import Lanes

        with self._lock:
            self._lanes = self._lanes or Lanes(clock=clock)
            return self._lanes

    # --- Who hears of it

    def new_observers(self) -> list[Observer]:
        """Who watches a run."""
        if self._observers is not None:
            return [*self._observers]
        from penstock.observe.console import Console

        return [Console()]

    def new_notifiers(self) -> dict[str, Notifier]:
        """Who is told of what happens, by the names in the settings."""
        from penstock.parts import create_notifiers

        return create_notifiers(self.settings)

    def wanted_notices(self, workflow: str) -> dict[str, str]:
        """Notifier -> the kinds of notices that it wants of a workflow's runs, with spaces between."""
        from penstock.parts import wanted_notices

        return wanted_notices(self.settings, workflow)

"""The simulated store does what every store must, so that what runs in a simulation runs on a store."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from random import Random

from penstock.store.base import Listener, Store
from penstock.testing.store_conformance import StoreConformance
from tests.simulation.database import Database, Kind
from tests.simulation.scheduler import Process, Scheduler, SimClock
from tests.simulation.sim_store import SimStore

UNTHREADED = None
"""In the place of a test that needs threads or signals of the operating system, which a simulation has none of."""


class SimStoreConformance(StoreConformance):
    kind: Kind
    databases: dict[Path, Database]

    test_only_one_of_many_threads_becomes_the_driver = UNTHREADED  # type: ignore[assignment]
    test_threads_append_to_different_runs = UNTHREADED  # type: ignore[assignment]
    test_threads_append_to_one_run = UNTHREADED  # type: ignore[assignment]
    test_no_message_is_missed_by_a_run_that_comes_to_wait = UNTHREADED  # type: ignore[assignment]
    test_threads_never_get_more_than_there_is = UNTHREADED  # type: ignore[assignment]
    test_of_many_who_decide_one_does = UNTHREADED  # type: ignore[assignment]
    test_of_many_who_start_a_run_for_a_logical_time_one_does = UNTHREADED  # type: ignore[assignment]
    test_a_poke_from_a_thread_wakes = UNTHREADED  # type: ignore[assignment]
    test_a_poke_from_a_signal_handler_wakes = UNTHREADED  # type: ignore[assignment]
    test_a_signal_handler_may_poke_while_its_thread_does = UNTHREADED  # type: ignore[assignment]
    test_nothing_wakes_a_listener = UNTHREADED  # type: ignore[assignment]  # it looks at a clock of this machine

    def setup_method(self) -> None:
        self.databases = {}

    def open(self, folder: Path) -> Store:
        if folder not in self.databases:
            scheduler = Scheduler(Random(1))
            self.databases[folder] = Database(scheduler, self.kind, lambda: time.time() - scheduler.now)
        database = self.databases[folder]
        process = Process(database.scheduler, "test", pid=os.getpid(), host=socket.gethostname())
        return SimStore(database, process, SimClock(process, lambda: time.time() - database.scheduler.now))

    def test_a_wait_takes_its_time_and_no_longer(self, store: Store, listener: Listener) -> None:
        [database] = self.databases.values()
        before = database.scheduler.now
        assert not listener.wait(0)
        assert not listener.wait(-1)
        assert database.scheduler.now == before
        assert not listener.wait(0.05)
        assert 0.05 <= database.scheduler.now - before < 0.051


class TestStoreWithLocks(SimStoreConformance):
    kind = Kind.LOCKS


class TestStoreOnAServer(SimStoreConformance):
    kind = Kind.SERVER

"""The drivers of a service, and which run is in the hands of which."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from penstock.clock import Clock
from penstock.service.processes import Processes
from penstock.service.templates import Templates
from penstock.service.wire import Message, Wire

ROOM = 128
"""How many runs a driver has at once. Others wait for one of them to end or to be parked."""
IDLE = 60.0
"""Seconds after which a driver ends that has nothing to do."""


class Handed(NamedTuple):
    """A run that is to be driven."""

    run_id: str
    workflow: str
    file: str
    is_child: bool = False
    """Whether it is a task of another run, so that its workflow is found with that one's."""
    due_at: float = 0.0
    """From when its deadline counts, in seconds since 1970."""
    how: Message = {"do": "run"}  # noqa: RUF012  (it is never changed)
    """Taken over, or resumed or run again by hand."""


@dataclass(slots=True, eq=False)
class Driver:
    """A process that drives runs of one version of a file."""

    file: str
    wire: Wire | None = None
    pid: int | None = None
    runs: dict[str, Handed] = field(default_factory=dict)
    idle_since: float = inf
    is_leaving: bool = False
    """Whether it is given no more runs."""


class Fleet:
    """See the module's text. `over` is told of each run that a driver has let go of, and what it said of it; `lost` of
    those whose driver has died."""

    def __init__(
        self,
        processes: Processes,
        templates: Templates,
        clock: Clock,
        options: Message,
        over: Callable[[Handed, Message], None],
        lost: Callable[[list[Handed]], None],
    ) -> None:
        self._processes = processes
        self._templates = templates
        self._clock = clock
        self._options = options
        """What a driver is told at its beginning: the folder, and what it drives with."""
        self._over = over
        self._lost = lost
        self.assigned: dict[str, Handed] = {}
        """The runs that are in the hands of a driver, or wait for room in one."""
        self._current: dict[str, Driver] = {}
        """The driver that has the newest version of a file."""
        self.drivers: list[Driver] = []
        self._is_ending = False
        """Whether nothing is driven any more that is not yet."""
        self._waiting: dict[str, deque[Handed]] = {}
        self._listening: dict[str, Callable[[Handed, Message], None]] = {}

    def give(self, run: Handed, hear: Callable[[Handed, Message], None] | None = None) -> None:
        """Have a run driven, unless it is. `hear` is told what its driver says of it first."""
        if run.run_id in self.assigned:
            return
        if self._is_ending:
            if hear is not None:
                hear(run, {"error": "the service is being stopped; the next one takes up what is on record"})
            return
        if hear is not None:
            self._listening[run.run_id] = hear
        self.assigned[run.run_id] = run
        driver = self._current.get(run.file) or self._begin(run.file)
        if len(driver.runs) < ROOM:
            self._hand(driver, run)
        else:
            self._waiting.setdefault(run.file, deque()).append(run)

    def _hand(self, driver: Driver, run: Handed) -> None:
        driver.runs[run.run_id] = run
        driver.idle_since = inf
        self._send(driver, {**run.how, "run": run.run_id, "workflow": run.workflow, "child": run.is_child})

    def _begin(self, file: str) -> Driver:
        driver = self._current[file] = Driver(file)
        self.drivers.append(driver)
        driver.wire = self._processes.begin(
            {"role": "driver", "file": file, **self._options},
            lambda message: self._hear(driver, message),
            lambda: self._lose(driver),
            self._templates.get(file),
        )
        return driver

    def _hear(self, driver: Driver, message: Message) -> None:
        if "pid" in message:
            driver.pid = message["pid"]
            return
        told_of = message.get("driven") or message.get("over") or ""
        if told_of in driver.runs and told_of in self._listening:
            self._listening.pop(told_of)(driver.runs[told_of], message)
        run = driver.runs.pop(message["over"], None) if "over" in message else None
        if run is None:
            return
        self.assigned.pop(run.run_id, None)
        if not driver.runs:
            driver.idle_since = self._clock.monotonic()
        waiting = self._waiting.get(driver.file)
        if waiting and not driver.is_leaving:
            self._hand(driver, waiting.popleft())
        self._over(run, message)

    def _lose(self, driver: Driver) -> None:
        """It has ended."""
        self.drivers.remove(driver)
        lost = [*driver.runs.values()]
        if self._current.get(driver.file) is driver:
            del self._current[driver.file]
            lost += self._waiting.pop(driver.file, ())
        for run in lost:
            self.assigned.pop(run.run_id, None)
            if hear := self._listening.pop(run.run_id, None):
                hear(run, {"error": "the process that was to drive the run has ended"})
        if lost:
            self._lost(lost)

    def tell_late(self, run: Handed, at: float) -> None:
        """Have it told that a run has not ended by its deadline."""
        driver = self._current.get(run.file) or self._begin(run.file)
        self._send(driver, {"do": "late", "run": run.run_id, "workflow": run.workflow, "at": at})

    def retire(self, file: str) -> None:
        """There is another version of a file, or none: what drives the old one goes on with what it has, and ends."""
        driver = self._current.pop(file, None)
        if driver is not None:
            self._let_go(driver, {"do": "finish"})
        waiting = self._waiting.pop(file, ())
        for run in waiting:
            self.assigned.pop(run.run_id, None)
        if waiting:
            self._lost([*waiting])

    def next_at(self) -> float:
        """When `step` has something to do, by the monotonic clock."""
        return min((driver.idle_since for driver in self._current.values()), default=inf) + IDLE

    def step(self) -> None:
        """Let drivers end that have had nothing to do for long."""
        now = self._clock.monotonic()
        for driver in [*self._current.values()]:
            if now >= driver.idle_since + IDLE:
                self.retire(driver.file)

    def drain(self, reason: str) -> None:
        """Have no task started any more; each run is put down when nothing runs of it, and the drivers end."""
        self._end("drain", reason)

    def hand_over(self, reason: str) -> None:
        """Have all runs put down, to be taken up by others, and the drivers end."""
        self._end("hand over", reason)

    def _end(self, how: str, reason: str) -> None:
        self._is_ending = True
        for runs in self._waiting.values():
            for run in runs:
                self.assigned.pop(run.run_id, None)
        self._waiting.clear()
        self._current.clear()
        for driver in self.drivers:
            self._let_go(driver, {"do": how, "reason": reason})

    def kill(self) -> None:
        """End the drivers at once."""
        for driver in self.drivers:
            if driver.pid is not None:
                try:
                    os.kill(driver.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def _let_go(self, driver: Driver, message: Message) -> None:
        driver.is_leaving = True
        self._send(driver, message)

    def _send(self, driver: Driver, message: Message) -> None:
        assert driver.wire is not None
        try:
            driver.wire.send(message)
        except OSError:
            pass  # it has died, which is heard of in a moment

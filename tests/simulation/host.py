"""Simulated processes that start, resume, adopt and cancel runs, by way of Penstock's own WorkflowManager."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from penstock.clock import Clock
from penstock.definition.workflow import Workflow
from penstock.engine.events import ValueRef
from penstock.engine.run import RunEngine
from penstock.equipment import Equipment
from penstock.errors import (
    LeaseLost,
    NotWaiting,
    PenstockError,
    PlanMismatch,
    RunEnded,
    RunLocked,
    RunNotFound,
    StoreError,
)
from penstock.executor.base import Attempt, Executor
from penstock.logs.memory import MemoryLogs
from penstock.manager import WorkflowManager
from penstock.parts import Parts
from penstock.policy import Notice
from penstock.results.memory import MemoryResults
from penstock.runtime import mail
from penstock.runtime.driver import RunDriver
from penstock.runtime.history import ENDED
from penstock.runtime.home import Settings
from penstock.runtime.host import Host as DriverHost
from penstock.runtime.observer import Notifier, Observer
from penstock.runtime.record import Run
from tests.simulation.scheduler import Process, SimClock
from tests.simulation.sim_executor import SimExecutor
from tests.simulation.sim_store import SimStore

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimResults:
    """Large values as one process sees them. What was committed is safe."""

    portable = False

    def __init__(self, shared: MemoryResults, process: Process) -> None:
        self._shared = shared
        self._process = process
        self.failing = 0.0
        """The chance that a value cannot be written or read."""

    def writer(self) -> SimWriter:
        """A new value to write into."""
        return SimWriter(self, self._shared)

    def open(self, digest: str) -> BinaryIO:
        """The value for reading."""
        self.happen("read")
        return self._shared.open(digest)

    def path(self, digest: str) -> Path | None:
        """There are no files."""
        return None

    def happen(self, what: str) -> None:
        """A point where others may run, and where it may go wrong."""
        scheduler = self._process.scheduler
        scheduler.step()
        if self.failing and scheduler.random.random() < self.failing:
            raise StoreError(f"simulated: this value cannot be {what}")

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        """Not done here."""
        raise NotImplementedError

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        """Not done here."""
        raise NotImplementedError

    def sweep(self, *, older_than: float) -> int:
        """Not done here."""
        raise NotImplementedError


class SimWriter:
    """A value being written."""

    def __init__(self, results: SimResults, shared: MemoryResults) -> None:
        self._results = results
        self._writer = shared.writer()
        self.file = self._writer.file

    def commit(self) -> tuple[str, int]:
        """Make the value readable and safe."""
        self._results.happen("written")
        return self._writer.commit()

    def abort(self) -> None:
        """Throw away what was written."""
        self._writer.abort()


class SimEquipment(Equipment):
    """What a manager works with, simulated."""

    def __init__(self, host: Host) -> None:
        scenario = host.world.scenario
        durability = "full" if scenario.full else "process"
        super().__init__(None, None, None, None, durability, scenario.grace, scenario.park_after, None)
        kinds = {name: {"events": [*wanted]} for name, wanted in scenario.telling.notifiers.items()}
        self.settings = Settings(notifiers=tuple(kinds), notifier_options=kinds)
        self._parts = Parts(host.store, host.results, MemoryLogs())
        self._simulated = host

    def host(self, clock: Clock) -> DriverHost:
        """One that tells who drives there. Each run that is not driven beside another has workers of its own."""
        if self._host is None or not self._host.drivers or self._host.executor.on_caller:
            self._host = SimDriverHost(self._simulated, self._new_executor(), clock)
        return self._host

    def _new_executor(self) -> Executor:
        return self._simulated.new_executor()

    def new_observers(self) -> list[Observer]:
        """One that compares what it is told with what is on record."""
        return [self._simulated.world.observer(self._simulated)]

    def new_notifiers(self) -> dict[str, Notifier]:
        """Those of the scenario."""
        return {name: SimNotifier(self._simulated) for name in self._simulated.world.scenario.telling.notifiers}


class SimDriverHost(DriverHost):
    """Where runs are driven in a simulated process."""

    def __init__(self, simulated: Host, executor: Executor, clock: Clock) -> None:
        super().__init__(executor, clock)
        self._simulated = simulated

    def enter(self, driver: RunDriver) -> bool:
        """From now on the workers serve this run too."""
        self._simulated.drivers.append(driver)
        return super().enter(driver)


class SimManager(WorkflowManager):
    """A manager whose parts are simulated."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._clock = host.clock
        self._equipment = SimEquipment(host)
        self.next_id = ""

    def _new_id(self) -> str:
        return self.next_id


class Host:
    """One process of Penstock."""

    def __init__(self, world: World, name: str, pid: int) -> None:
        self.world = world
        self.process = Process(world.scheduler, name, pid=pid, host=f"machine-{pid % 2}")
        self.clock = SimClock(self.process, lambda: world.wall)
        self.store = SimStore(world.database, self.process, self.clock, world.weather)
        self.results = SimResults(world.values, self.process)
        self.results.failing = world.value_failures
        self.executor: SimExecutor | None = None
        """The last that was made."""
        self.drivers: list[RunDriver] = []
        """All that there were, those of the runs of tasks too."""
        self._drives = ""
        """The run that somebody has asked it to drive."""
        self.manager = SimManager(self)
        self.changed = world.changed
        """Whether the workflow had changed when this process loaded it."""

    def start(self, program: Callable[[], None]) -> None:
        """Run a program in this process, which ends with it."""
        self.process.start(lambda: self._run(program), "main")

    def _run(self, program: Callable[[], None]) -> None:
        try:
            try:
                program()
            finally:
                self.manager.close()
        except (StoreError, RunLocked, RunNotFound, RunEnded, PlanMismatch, Refused) as error:
            self.world.note(self, "ends with", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            self.world.note(self, "ends", "")
        self.world.ended(self)

    @property
    def parks(self) -> bool:
        """Whether it parks runs that only wait."""
        return self.world.scenario.park_after is not None

    def token(self, run_id: str) -> int:
        """That of the lease under which it drives a run, or last drove it."""
        return self.store.leases[run_id].token if run_id in self.store.leases else 0

    def engine(self, run_id: str) -> RunEngine | None:
        """That of a run in the hands of its last driver here."""
        drivers = [driver for driver in self.drivers if driver.context.run_id == run_id]
        return drivers[-1]._engine if drivers else None

    def driver_of(self, attempt: Attempt) -> RunDriver:
        """Who has begun an attempt."""
        return next(driver for driver in reversed(self.drivers) if driver.context is attempt.context)

    def token_of(self, attempt: Attempt) -> int:
        """That of the lease under which it was begun."""
        return self.driver_of(attempt)._lease.token

    def executor_of(self, attempt: Attempt) -> SimExecutor:
        """Whose worker makes it."""
        executor = self.driver_of(attempt)._host.executor
        assert isinstance(executor, SimExecutor)
        return executor

    def new_executor(self) -> SimExecutor:
        """Workers for another run."""
        scenario = self.world.scenario
        self.executor = SimExecutor(self.process, self.clock, scenario.style, scenario.workers)
        return self.executor

    def stop(self) -> None:
        """Have the driver stop, as on a signal."""
        drivers = [driver for driver in self.drivers if driver.context.run_id == self._drives]
        if drivers:
            driver = drivers[-1]
            self.process.start(lambda: driver.stop("SIGINT"), "signal")

    # --- Programs

    def begin(self, run_id: str) -> None:
        """Start a run and drive it."""
        self.manager.next_id = run_id
        self._drive(run_id, lambda: self.manager.run(self._flow(), raise_on_failure=False, park=self.parks))

    def resume(self, run_id: str) -> None:
        """Go on with a run, asked for by hand."""
        self.world.referee.resumed.add(run_id)
        self._drive(run_id, lambda: self._resume(run_id))

    def _resume(self, run_id: str) -> Run:
        return self.manager.resume(run_id, self._flow_of(run_id), raise_on_failure=False, park=self.parks)

    def rerun(self, run_id: str) -> None:
        """Run some tasks of a run again that has ended."""
        run = self.manager.get(run_id)
        if run.state not in ENDED:
            raise Refused("it has not ended")
        random = self.process.scheduler.random
        chosen = [task.name for task in run.tasks if random.random() < 0.4]
        again: dict[str, Any] = {"failed": True}
        if chosen:
            again = random.choice(({"only": chosen}, {"from_": chosen}))
        self._drive(run_id, lambda: self._rerun(run_id, again))

    def _rerun(self, run_id: str, again: dict[str, Any]) -> Run:
        try:
            return self.manager.rerun(run_id, self._flow_of(run_id), raise_on_failure=False, **again)
        except (StoreError, RunLocked):
            raise
        except PenstockError as error:
            raise Refused(str(error)) from error

    def adopt_all(self) -> None:
        """Go on with every run that has something left to do and that nobody drives, as `penstock resume --all`."""
        self._adopt_each([*self.manager.unheld(), *self.manager.due()])

    def wake_all(self) -> None:
        """Go on with every run that is parked, due or not: after clocks were set back, somebody wonders where it is."""
        self._adopt_each([run for run in self.manager.runs() if run.state == "waiting"])

    def _adopt_each(self, runs: Sequence[Run]) -> None:
        for run in runs:
            try:
                self._drive(run.id, partial(self._adopt, run.id))
            except (RunLocked, PlanMismatch):
                pass  # somebody was faster, or has a newer workflow

    def _adopt(self, run_id: str) -> Run:
        return self.manager.resume(run_id, self._flow_of(run_id), adopt=True, raise_on_failure=False, park=self.parks)

    def cancel(self, run_id: str) -> None:
        """Ask a run to end."""
        cancelled = self.world.referee.cancelled
        cancelled.setdefault(run_id, inf)
        asked = self.world.referee.asked_to_cancel
        asked[run_id] = asked.get(run_id, 0) + 1
        self.manager.cancel(run_id, by="ann")
        cancelled[run_id] = min(cancelled[run_id], self.process.scheduler.now)

    def approve(self, run_id: str, task: str, letter: str, pause: float) -> None:
        """Approve what a task waits for, after a while."""
        self.clock.sleep(pause)
        try:
            self.manager.approve(run_id, task, by="ann", note=letter)
        except NotWaiting as error:
            raise Refused(str(error)) from error
        self.world.note(self, "approves", f"{run_id} {task} {letter}")
        self.world.referee.sent[letter] = run_id

    def send(self, run_id: str, topic: str, letter: str, pause: float) -> None:
        """Send a run a message, after a while."""
        self.clock.sleep(pause)
        value = ValueRef("json", len(letter) + 2, None, f'"{letter}"')
        mail.send(self.store, run_id, topic, value, "ann")
        self.world.note(self, "sends", f"{run_id} {letter}")
        self.world.referee.sent[letter] = run_id

    # --- Within

    def _flow_of(self, run_id: str) -> Workflow | None:
        """The workflow of a run; None for the run of a task, whose workflow the manager finds in that around it."""
        self.manager.workflow = self._flow()
        record = self.world.database.records.get(run_id)
        return None if record is not None and record.row.parent is not None else self.manager.workflow

    def _flow(self) -> Workflow:
        """The workflow, whose bodies and callbacks live in this process."""
        return self.world.scenario.flow(
            lambda task, taken, items: self.world.perform(self, task, taken, items),
            lambda notice: self.world.hear(self, notice),
            changed=self.changed,
        )

    def _drive(self, run_id: str, drive: Callable[[], Run]) -> None:
        world = self.world
        world.note(self, "drives", run_id)
        self._drives = run_id
        try:
            run = drive()
            world.returned(self, run_id, run.state)
        except KeyboardInterrupt:
            world.returned(self, run_id, "interrupted")
        except LeaseLost:
            world.note(self, "has lost", run_id)
            raise
        except StoreError as error:
            world.broke(self, run_id, error)
            raise


class Refused(Exception):
    """What was asked for cannot be."""


class SimNotifier:
    """One that the settings name."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def notify(self, notice: Notice) -> Any:
        """Take a notice."""
        self._host.world.hear(self._host, notice)

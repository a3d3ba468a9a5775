"""A world of machines, processes and people, in which Penstock's own driver runs; everything in it follows from a seed.

    python -m tests.simulation.world SEED

prints what happens in it, and what breaks the promise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from hashlib import sha256
from io import StringIO
from random import Random
from threading import Lock
from typing import Any

from penstock.engine.events import ErrorText, Event, RunStarted
from penstock.engine.states import TaskState
from penstock.executor.base import Attempt
from penstock.executor.current import current
from penstock.plan.plan import Plan
from penstock.policy import Notice
from penstock.results.memory import MemoryResults
from penstock.store.base import RunChange
from tests.simulation.database import Batch, Database, Kind, SimLease
from tests.simulation.host import Host
from tests.simulation.instrument import every_statement, small_limits
from tests.simulation.model import FATAL, LOST, SUCCESS
from tests.simulation.nature import Nature
from tests.simulation.referee import Referee
from tests.simulation.scenario import HANG, KILL, Scenario, draw
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.sim_executor import SimExecutor
from tests.simulation.sim_store import Weather
from tests.simulation.verdict import Verdict

TROUBLE = 10_000.0
"""Seconds within which things have gone wrong."""
MOST_STEPS = 400_000
LOOK = 0.25
"""Seconds between two looks of a body whether it should end."""


class Fatal(BaseException):
    """A failure that is not to be tried again."""


class Volatile:
    """A value that no codec takes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lock = Lock()


class World:
    """One simulated world."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(f"world {scenario.seed}")
        self.scheduler = Scheduler(self.random, eagerness=scenario.eagerness)
        self.trace: list[tuple[float, str, str, str]] = []
        self.referee = Referee(scenario, lambda: self.scheduler.now)
        self.wall = 1_700_000_000.0
        """What machines' clocks add to simulated time."""
        self.server_wall = 1_700_000_000.0
        """What the database's clock adds."""
        self.database = Database(self.scheduler, scenario.kind, self._database_wall, lease=scenario.lease, witness=self)
        self.referee.database = self.database
        self.weather = Weather(latency=scenario.latency)
        self.values = MemoryResults()
        self.value_failures = 0.0
        self.changed = False
        """Whether the workflow has."""
        self.hosts: list[Host] = []
        self.nature = Nature(self)
        self.over = False
        self.bound = TROUBLE
        """When everything must be over, in simulated time."""
        self._serial = 0
        self._refusals: dict[str, int] = {}

    def _database_wall(self) -> float:
        return self.server_wall if self.scenario.kind is Kind.SERVER else self.wall

    # --- From outside

    def run(self) -> list[str]:
        """Let everything happen. What breaks the promise, a line each."""
        nature = Process(self.scheduler, "nature")
        nature.start(self.nature.main, "main")
        fine = every_statement(self.scheduler.glance) if self.scenario.fine else nullcontext()
        small = small_limits() if self.scenario.small else nullcontext()
        with redirect_stderr(StringIO()), fine, small:
            why = self.scheduler.run(lambda: self.over, until=lambda: self.bound, most_steps=MOST_STEPS)
            if why is not None:
                self.referee.say(f"{why}; {self._standing()}")
            self.scheduler.end([*(host.process for host in self.hosts), nature])
        Verdict(self.referee).give()
        for failure in self.scheduler.failures:
            self.referee.say(failure)
        return self.referee.violations

    def lines(self) -> list[str]:
        """What happened."""
        return [f"{at:12.6f} {who:9} {what:14} {detail}" for at, who, what, detail in self.trace]

    def digest(self) -> str:
        """Another one for every other trace."""
        end = f"{self.scheduler.steps} {self.scheduler.switches} {self.scheduler.now!r} {self.random.random()!r}"
        return sha256("\n".join([*self.lines(), end]).encode()).hexdigest()

    def _standing(self) -> str:
        return ", ".join(
            f"run {id} is {record.row.state}, held by {record.lease and record.lease.session.process.name}, "
            f"{record.row.undelivered} undelivered"
            for id, record in self.database.records.items()
        )

    # --- What happens, as it happens

    def note(self, who: Host | str, what: str, detail: str) -> None:
        """Put something on the trace."""
        name = who if isinstance(who, str) else who.process.name
        self.trace.append((self.scheduler.now, name, what, detail))

    def new_host(self, name: str) -> Host:
        """A new process."""
        host = Host(self, f"{name}-{len(self.hosts)}", len(self.hosts) + 1)
        self.hosts.append(host)
        return host

    def launch(self, name: str, program: Callable[[Host], None]) -> Host:
        """A new process that runs a program."""
        host = self.new_host(name)
        self.note(host, "starts", "")
        host.start(lambda: program(host))
        return host

    def ended(self, host: Host) -> None:
        """A process has come to its end."""
        self.kill(host)

    def kill(self, host: Host) -> None:
        """A process dies."""
        if host.process.alive:
            self.referee.died(host)
            self.database.process_died(host.process)
            host.store.process_died()
            host.process.kill()

    def appended(self, run_id: str, events: Sequence[Event], lease: SimLease, change: RunChange | None) -> None:
        """A batch was written."""
        for event in events:
            self.note(lease.session.process.name, "writes", f"{run_id} {_short(event)}")
        if change is not None:
            self.note(lease.session.process.name, "writes", f"{run_id} state={change.state} told={change.undelivered}")
        self.referee.appended(run_id, events, lease, change)

    def given(self, run_id: str, lease: SimLease, before: SimLease | None) -> None:
        """A run has a new driver."""
        self.note(lease.session.process.name, "takes", f"{run_id} with token {lease.token}")
        self.referee.given(run_id, lease, before)

    def forgotten(self, run_id: str, batches: Sequence[Batch]) -> None:
        """A power cut took batches away."""
        self.note("nature", "forgets", f"{len(batches)} batches of {run_id}")
        self.referee.forgotten(run_id, batches)

    def returned(self, host: Host, run_id: str, state: str) -> None:
        """`run()` or `resume()` comes back, or raises that it was stopped."""
        self.note(host, "is told", f"{run_id} {state}")
        self.referee.told(run_id, state, host)

    def broke(self, host: Host, run_id: str, error: BaseException) -> None:
        """It raises."""
        self.note(host, "is told", f"{run_id} broke: {type(error).__name__}: {str(error).splitlines()[0]}")

    def observer(self, host: Host) -> Observer:
        """Somebody who watches a process."""
        return Observer(self, host)

    def hear(self, host: Host, notice: Notice) -> None:
        """A receiver is handed a notice."""
        self.scheduler.step()
        if "deaf" in self.scenario.faults:
            left = self._refusals.setdefault(notice.id, self.random.randrange(4))
            self._refusals[notice.id] = left - 1
            if left > 0:
                self.note(host, "refuses", notice.id)
                raise OSError("simulated: nobody is there")
        self.note(host, "hears", notice.id)
        self.referee.hears(notice)

    # --- Bodies

    def perform(self, host: Host, task: int, inputs: tuple[Any, ...]) -> Any:
        """The body of a task."""
        attempt = SimExecutor.attempt()
        texts = [value.text if isinstance(value, Volatile) else value and value.strip(".") for value in inputs]
        name = f"{attempt.context.run_id} t{task} {attempt.generation}.{attempt.number}"
        self.note(host, "body begins", f"{name} {texts}")
        self.referee.begins(host, attempt, texts)
        try:
            return self._perform(host, task, attempt, name)
        except Exception as error:
            self.note(host, "body fails", f"{name} {type(error).__name__}")
            raise
        finally:
            if host.process.alive:
                self.referee.ends(host, attempt)

    def _perform(self, host: Host, task: int, attempt: Attempt, name: str) -> Any:
        body = self.scenario.steps[task].body
        run_id = attempt.context.run_id
        word = self.referee.word(run_id, task, attempt.generation)
        if body.asks_key:
            key = current().idempotency_key
            self.referee.asks_key(host, attempt, key)
        seconds = body.seconds * 2 * self.random.random()
        if word == HANG:
            seconds = 60.0 if body.stubborn else 10_000.0
        self._take_time(host, attempt, seconds)
        if word == LOST:
            self.note(host, "worker dies", name)
            host.executor.vanish(attempt)  # type: ignore[union-attr]
        if word == KILL:
            self.note(host, "kills itself", name)
            self.kill(host)
        if word == FATAL:
            raise Fatal("as the script says")
        if word not in (SUCCESS, HANG):
            raise ValueError("as the script says")
        return self._value(host, task, attempt, name)

    def _take_time(self, host: Host, attempt: Attempt, seconds: float) -> None:
        body = self.scenario.steps[attempt.task].body
        assert host.executor is not None
        while seconds > 0:
            if body.heeds and current().cancelled:
                raise RuntimeError("asked to end")
            piece = min(seconds, LOOK) if body.heeds else seconds
            host.executor.rest(attempt, piece, stubborn=body.stubborn)
            seconds -= piece

    def _value(self, host: Host, task: int, attempt: Attempt, name: str) -> Any:
        kind = self.scenario.steps[task].body.value
        self._serial += 1
        text = None if kind == "none" else f"{name} #{self._serial}"
        self.note(host, "body returns", f"{name} {text}")
        self.referee.returns(host, attempt, text)
        if text is None or kind == "small":
            return text
        return Volatile(text) if kind == "volatile" else text + "." * 5000


class Observer:
    """Watches a driver."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        """A driver took the run."""

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        """A body is about to run."""

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        """A body has run."""
        self._world.note(self._host, "is shown", f"t{task} {attempt} {state.label}")

    def map_expanded(self, task: int, width: int) -> None:
        pass

    def tasks_settled(self, tasks: Sequence[int], state: TaskState) -> None:
        """Tasks ended without running."""

    def stopping(self, reason: str, running: int) -> None:
        """The run is asked to stop."""
        self._world.note(self._host, "is shown", f"stopping: {reason}")

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The driver lets go of the run."""
        self._world.note(self._host, "is shown", f"{state}: {error}")


def _short(event: Event) -> str:
    if isinstance(event, RunStarted):
        return f"RunStarted(at={event.at!r})"  # the rest depends on the script in which the world runs
    text = repr(event)
    return text if len(text) < 160 else f"{text[:150]}..."


def simulate(seed: int) -> World:
    """The world of a seed, after everything in it has happened."""
    world = World(draw(seed))
    world.run()
    return world


def main(seed: int) -> int:
    """Print a world."""
    world = simulate(seed)
    sys.stdout.write(f"{world.scenario}\n\n")
    for line in world.lines():
        sys.stdout.write(f"{line}\n")
    for line in world.referee.violations:
        sys.stdout.write(f"\nBROKEN: {line}\n")
    scheduler = world.scheduler
    sys.stdout.write(
        f"\nseed {seed}: {scheduler.now:.1f} simulated seconds, {scheduler.steps} steps, "
        f"{scheduler.switches} switches, {len(world.referee.violations)} violations, trace {world.digest()[:16]}\n"
    )
    return 1 if world.referee.violations else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

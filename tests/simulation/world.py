"""A world of machines, processes and people, in which Penstock's own driver runs; everything in it follows from a seed.

    python -m tests.simulation.world SEED [--rules] [--nested]

prints what happens in it, and what breaks the promise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from hashlib import sha256
from io import StringIO
from random import Random
from typing import Any

from penstock.engine.events import AttemptDeferred, ErrorText, Event, RunStarted
from penstock.engine.states import TaskState
from penstock.errors import Fail, Skip
from penstock.executor.base import Attempt
from penstock.executor.current import current
from penstock.plan.plan import Plan
from penstock.policy import DECISIONS, RUN_ENDS, Done, Notice
from penstock.results.memory import MemoryResults
from penstock.store.base import RunChange, RunRow
from tests.law.description import FATAL, RETURNS, SKIPS, Act
from tests.simulation.database import Batch, Database, Kind, SimLease
from tests.simulation.host import Host
from tests.simulation.instrument import every_statement, small_limits
from tests.simulation.nature import Nature
from tests.simulation.referee import Referee, place_of
from tests.simulation.scenario import Scenario, draw
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.sim_executor import SimExecutor
from tests.simulation.sim_store import Weather
from tests.simulation.sim_threads import simulated_threads
from tests.simulation.slots import POOL
from tests.simulation.values import Volatile, plain
from tests.simulation.verdict import Verdict
from tests.simulation.waits import SENSOR
from tests.simulation.weave import MAIN
from tests.simulation.work import HANG, KILL, LOST, Manner

TROUBLE = 10_000.0
"""Seconds within which things have gone wrong."""
MOST_STEPS = 400_000
LOOK = 0.25
"""Seconds between two looks of a body whether it should end."""


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
        if scenario.work.slots:
            self.database.pools.set(POOL, scenario.work.slots)
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
        with redirect_stderr(StringIO()), simulated_threads(self.scheduler), fine, small:
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

    def happened(self) -> set[str]:
        """What happened at least once, and how the law judged it."""
        found = {what for _, _, what, _ in self.trace if what}
        for reading in self.referee.readings.values():
            found |= reading.course.happened()
        found |= {f"told: {notice.kind}" for notice in self.referee.received.values()}
        if self.referee.slots.was_full:
            found.add("a pool is full")
        return found | self.referee.family.happened()

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
            if isinstance(event, AttemptDeferred) and event.topic and not event.topic.startswith(RUN_ENDS):
                self.send_soon(run_id, event.topic)
        if change is not None:
            self.note(lease.session.process.name, "writes", f"{run_id} state={change.state} told={change.undelivered}")
        self.referee.appended(run_id, events, lease, change)

    def send_soon(self, run_id: str, topic: str) -> None:
        """Somebody sends a run what it waits for, after a while."""
        pause = self.random.expovariate(1.0) * self.scenario.tempo
        self._serial += 1
        letter = f"letter {self._serial}"
        if topic.startswith(DECISIONS):
            task = topic.removeprefix(DECISIONS).partition("#")[0]
            self.launch("boss", lambda host: host.approve(run_id, task, letter, pause))
        else:
            self.launch("sender", lambda host: host.send(run_id, topic, letter, pause))

    def created(self, run: RunRow) -> None:
        """A run is put on record."""
        thread = self.scheduler.thread
        assert thread is not None
        self.note(thread.process.name, "begins", f"{run.id} of {run.workflow}, {run.part} of {run.parent}")
        self.referee.family.created(run, thread.process)

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

    def perform(self, host: Host, task: str, taken: tuple[Any, ...], items: tuple[Any, ...]) -> Any:
        """The body of a task, given the values that it takes and the items of its instance."""
        attempt = SimExecutor.attempt()
        name = f"{attempt.context.run_id} {attempt.name} {attempt.generation}.{attempt.number}"
        assert place_of(attempt)[0] == task
        taken, items = tuple(map(plain, taken)), tuple(map(plain, items))
        self.note(host, "body begins", f"{name} {taken} {items}")
        self.referee.begins(host, attempt, taken, items)
        try:
            return self._perform(host, attempt, name)
        except Exception as error:
            self.note(host, "body fails", f"{name} {type(error).__name__}")
            raise
        finally:
            if host.process.alive:
                self.referee.ends(host, attempt)

    def _perform(self, host: Host, attempt: Attempt, name: str) -> Any:
        manner = self.referee.step(place_of(attempt)).manner
        engine = attempt.context.engine  # type: ignore[attr-defined]
        if engine.deferrals.get(attempt.task, 0) < manner.early.times:
            self.note(host, "looks in vain" if manner.early.how == SENSOR else "waits", name)
            return manner.early.wait(f"go {attempt.name}")
        act = self.referee.act(attempt.context.run_id, place_of(attempt), attempt.generation)
        if manner.asks_key:
            key = current().idempotency_key
            self.referee.asks_key(host, attempt, key)
        seconds = manner.seconds * 2 * self.random.random()
        if act.what == HANG:
            seconds = 60.0 if manner.stubborn else 10_000.0
        self._take_time(host, attempt, manner, seconds)
        if act.what == LOST:
            self.note(host, "worker dies", name)
            host.executor_of(attempt).vanish(attempt)
        if act.what == KILL:
            self.note(host, "kills itself", name)
            self.kill(host)
        if act.what == FATAL:
            raise Fail("as the script says")
        if act.what == SKIPS:
            self.note(host, "body skips", name)
            raise Skip("as the script says")
        if act.what not in (RETURNS, HANG):
            raise ValueError("as the script says")
        return self._value(host, attempt, manner, act, name)

    def _take_time(self, host: Host, attempt: Attempt, manner: Manner, seconds: float) -> None:
        executor = host.executor_of(attempt)
        while seconds > 0:
            if manner.heeds and current().cancelled:
                raise RuntimeError("asked to end")
            piece = min(seconds, LOOK) if manner.heeds else seconds
            executor.rest(attempt, piece, stubborn=manner.stubborn)
            seconds -= piece

    def _value(self, host: Host, attempt: Attempt, manner: Manner, act: Act, name: str) -> Any:
        self._serial += 1
        value = self._said(attempt, manner, act, f"{name} #{self._serial}")
        self.note(host, "body returns", f"{name} {plain(value)}")
        self.referee.returns(host, attempt, plain(value))
        return Done(value) if manner.early.how == SENSOR else value

    def _said(self, attempt: Attempt, manner: Manner, act: Act, text: str) -> Any:
        """What a body returns: names where it is a branch, something true or not where it is a short circuit, a list
        where something is mapped over it."""
        if manner.value == "large":
            text += "." * 5000
        row = place_of(attempt)[0]
        work = self.referee.reading(attempt.context.run_id).course.work
        graph = work.graph(changed=True)
        if graph.tasks[row].decides == "branch":
            return [*(act.chosen if act.chosen is not None else graph.downstreams(row))]
        if graph.tasks[row].decides:
            return text if act.chosen is None else ""
        if work.is_source(row):
            return [f"{number} of {text}" for number in range(act.width)] if act.width >= 0 else 7
        if manner.value == "none":
            return None
        return Volatile(text) if manner.value == "volatile" else text


class Observer:
    """Watches a driver."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host

    def for_child(self, name: str) -> Observer:
        """Who watches the run of a task."""
        return self

    def run_started(self, run_id: str, plan: Plan, done: int) -> None:
        """A driver took the run."""

    def attempt_started(self, task: int, index: int, attempt: int) -> None:
        """A body is about to run."""

    def attempt_ended(
        self, task: int, index: int, attempt: int, state: TaskState, error: ErrorText | None, seconds: float
    ) -> None:
        """A body has run."""
        self._world.note(self._host, "is shown", f"t{task} {index} {attempt} {state.label}")

    def map_expanded(self, task: int, width: int) -> None:
        """A map has instances."""
        self._world.note(self._host, "is shown", f"t{task} expands to {width}")

    def tasks_settled(self, tasks: Sequence[tuple[int, int]], state: TaskState) -> None:
        """Tasks ended without running."""

    def tasks_marked(self, tasks: Sequence[tuple[int, int]], state: str, story: str) -> None:
        """Somebody says what became of tasks."""

    def stopping(self, reason: str, running: int) -> None:
        """The run is asked to stop."""
        self._world.note(self._host, "is shown", f"stopping: {reason}")

    def parked(self, until: float | None) -> None:
        """The driver puts the run aside."""
        self._world.note(self._host, "parks", f"until {until}")

    def run_ended(self, state: str, error: str | None, counts: dict[str, int], seconds: float) -> None:
        """The driver lets go of the run."""
        self._world.note(self._host, "is shown", f"{state}: {error}")


def _short(event: Event) -> str:
    if isinstance(event, RunStarted):
        return f"RunStarted(at={event.at!r})"  # the rest depends on the script in which the world runs
    text = repr(event)
    return text if len(text) < 160 else f"{text[:150]}..."


def simulate(seed: int, *, rules: bool = False, nested: bool = False) -> World:
    """The world of a seed, after everything in it has happened; `rules`: with a workflow that has more than edges;
    `nested`: with tasks that run workflows."""
    world = World(draw(seed, rules=rules, nested=nested))
    world.run()
    return world


def main(seed: int, *, rules: bool, nested: bool) -> int:
    """Print a world."""
    world = simulate(seed, rules=rules, nested=nested)
    sys.stdout.write(f"{world.scenario}\n\n")
    for name, work in world.scenario.works.items():
        lines = [*work.lines(), *(f"  {task} runs {call}" for task, call in work.calls.items())]
        sys.stdout.write("\n".join([f"{name}, giving {work.gives}:" if name != MAIN else f"{name}:", *lines, ""]))
    sys.stdout.write("\n")
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
    sys.exit(main(int(sys.argv[1]), rules="--rules" in sys.argv, nested="--nested" in sys.argv))

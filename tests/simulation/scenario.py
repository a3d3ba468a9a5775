"""What happens in one simulated world, drawn from its seed: a workflow, what its bodies do, who goes wrong and when.

Each kind of fault is on or off for a world as a whole: a world in which everything goes wrong all the time shows less
than many in which a few things do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from tests.simulation.database import Kind
from tests.simulation.model import FAILURE, FATAL, LOST, SUCCESS, Script
from tests.simulation.sim_executor import Style

HANG, KILL = "hang", "kill"
"""A body that does not come back by itself, and one that kills the process in which it runs. Only for tasks with a
timeout does the first come to something: a failure."""

FAULTS = (
    "crash",  # a process is killed
    "power",  # a machine loses its power, and with it what was not safe
    "pause",  # a process is stopped, and goes on later
    "jump",  # a clock that people set is set
    "disk",  # writes fail, with or without having been made
    "blind",  # reads fail
    "stall",  # writes take their time
    "values",  # values cannot be written or read
    "wakes",  # wake-ups are lost, come late, twice or for nothing
    "cut",  # connections to the server break, and it is restarted
    "cancel",  # somebody cancels the run
    "resume",  # somebody resumes it by hand
    "rerun",  # somebody has tasks run again
    "change",  # somebody adds a task to the workflow
    "stop",  # a driver gets a signal
    "adopt",  # several others adopt what nobody drives, all along
    "deaf",  # receivers of notices fail at first
)
DEADLY = ("crash", "power", "pause", "adopt")
"""What the promise is about most of all."""


@dataclass(frozen=True, slots=True)
class Body:
    """What the body of a task does."""

    script: Script
    seconds: float
    """How long it takes, on average."""
    value: str
    """What it returns: "small", "large", "volatile" or "none"."""
    heeds: bool
    """Whether it looks if it should end."""
    stubborn: bool
    """Whether it cannot be ended from outside."""
    asks_key: bool
    """Whether it uses its idempotency key."""


@dataclass(frozen=True, slots=True)
class Step:
    """A task."""

    upstreams: tuple[int, ...]
    inputs: tuple[int, ...]
    body: Body
    options: dict[str, Any]

    @property
    def retries(self) -> int:
        """How many failures are followed by another attempt."""
        return int(self.options.get("retries", 0))

    @property
    def once(self) -> bool:
        """Whether only one attempt may begin."""
        return bool(self.options.get("at_most_once"))

    @property
    def first(self) -> bool:
        """Whether the start must be safe before the body begins."""
        return self.once or bool(self.options.get("commit_first"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """See the module's text. Times are simulated seconds."""

    seed: int
    kind: Kind
    full: bool
    """Durability "full"; else "process"."""
    steps: tuple[Step, ...]
    """The last is in the workflow only once that has changed, where it does."""
    timeout: float | None
    """Of the whole run."""
    told: tuple[str, ...]
    """Which ends of the run are called back."""
    notifiers: tuple[str, ...]
    runs: int
    workers: int
    style: Style
    grace: float
    faults: frozenset[str]
    tempo: float
    """Seconds between two incidents, on average."""
    incidents: int
    """How many there are before it is calm."""
    lease: float
    """Seconds after which a lease that is not renewed has expired, where leases expire."""
    latency: float
    eagerness: float
    """The chance that others run where they may."""
    fine: bool
    """Whether they may between any two statements of the driver."""
    small: bool
    """Whether the driver's limits are so small that it meets them."""

    def flow(self, perform: Callable[..., Any], hear: Callable[..., Any], *, changed: bool) -> Workflow:
        """The workflow, before or after it has changed. Its bodies call `perform` with the task's number and its
        inputs, its callbacks call `hear` with a notice."""
        ends: dict[str, Any] = {f"on_{'failure' if name == 'failed' else name}": hear for name in self.told}
        flow = Workflow("flow", timeout=self.timeout, **ends)
        tasks: list[Task] = []
        steps = self.steps[:-1] if "change" in self.faults and not changed else self.steps
        for number, step in enumerate(steps):
            callbacks = {name: hear for name in step.options if name.startswith("on_")}
            order = [tasks[above] for above in step.upstreams if above not in step.inputs]
            arguments = [tasks[above] for above in step.inputs]
            options = {**step.options, **callbacks}
            tasks.append(flow.add_task(Task(f"t{number}", _body(number, perform), order, args=arguments, **options)))
        return flow


def _body(number: int, perform: Callable[..., Any]) -> Callable[..., Any]:
    def body(*inputs: Any) -> Any:
        return perform(number, inputs)

    return body


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"scenario {seed}")
    kind = random.choice((Kind.LOCKS, Kind.SERVER))
    chance = random.choice((0.15, 0.3, 0.3, 0.5))
    faults = frozenset(name for name in FAULTS if random.random() < chance * (2.0 if name in DEADLY else 1.0))
    if kind is Kind.LOCKS:
        faults -= {"cut"}
    elif random.random() < 0.5:
        faults |= {"cut", "pause"}  # which together take a run from a driver that lives
    tempo = random.choice((0.003, 0.03, 0.3, 2.0))
    pace = tempo * random.choice((0.0, 0.3, 1.0, 3.0))
    return Scenario(
        seed=seed,
        kind=kind,
        full=random.random() < 0.85,
        steps=_steps(random, faults, pace),
        timeout=random.choice((5.0, 20.0, 100.0)) * tempo if random.random() < 0.08 else None,
        told=tuple(name for name in ("success", "failed", "cancel") if random.random() < 0.25),
        notifiers=tuple(name for name in ("mail", "chat") if random.random() < 0.12),
        runs=random.choice((1, 1, 1, 2)),
        workers=random.choice((1, 2, 2, 3, 4)),
        style=random.choice((Style.THREADS, Style.THREADS, Style.PROCESSES, Style.INLINE)),
        grace=random.choice((0.3, 2.0, 5.0)),
        faults=faults,
        tempo=tempo,
        incidents=random.choice((2, 4, 8, 12)) if faults else 0,
        lease=max(0.1, tempo * random.choice((3.0, 10.0))),
        latency=random.choice((0.0, 0.0001, 0.001, 0.01)),
        eagerness=random.choice((0.1, 0.3, 0.6, 1.0)),
        fine=random.random() < 0.3,
        small=random.random() < 0.3,
    )


def _steps(random: Random, faults: frozenset[str], pace: float) -> tuple[Step, ...]:
    size = random.choice((1, 2, 3, 3, 4, 5, 6, 8)) + ("change" in faults)
    density = random.choice((0.15, 0.4, 0.8))
    steps = []
    for number in range(size):
        upstreams = tuple(above for above in range(number) if random.random() < density)
        inputs = tuple(above for above in upstreams if random.random() < 0.7)
        steps.append(_step(random, upstreams, inputs, faults, pace))
    return tuple(steps)


def _step(
    random: Random, upstreams: tuple[int, ...], inputs: tuple[int, ...], faults: frozenset[str], pace: float
) -> Step:
    options: dict[str, Any] = {}
    once = random.random() < 0.12
    value = random.choice(("small", "small", "large" if "values" in faults else "small", "large", "volatile", "none"))
    steadfast = value == "volatile" or bool(faults & {"resume", "rerun", "change"})  # a volatile value is made again
    script, retries = _script(random, steadfast, once, deadly="crash" in faults)
    if once:
        options["at_most_once"] = True
    elif random.random() < 0.12:
        options["commit_first"] = True
    if retries:
        options["retries"] = retries
        options["retry_delay"] = random.choice((0.0, 0.0, 0.2, pace, 3.0))
        options["retry_backoff"] = random.choice((1.0, 2.0))
    if HANG in script:
        options["timeout"] = random.choice((0.5, 2.0))
    for name in ("on_success", "on_failure", "on_retry"):
        if random.random() < 0.12:
            options[name] = True
    body = Body(
        script=script,
        seconds=min(pace * random.random() * 2, options.get("timeout", inf) / 8) if random.random() < 0.7 else 0.0,
        value=value,
        heeds=random.random() < 0.5,
        stubborn=random.random() < 0.1,
        asks_key=random.random() < 0.15,
    )
    return Step(upstreams, inputs, body, options)


def _script(random: Random, steadfast: bool, once: bool, deadly: bool) -> tuple[Script, int]:
    """How the attempts come out, and how many retries there are. What a steadfast body comes to in the end does not
    depend on how often it is asked."""
    chance = random.random()
    if chance < 0.55:
        return (SUCCESS,), 0 if once else random.randrange(2)
    worst = (LOST, KILL) if deadly else (LOST,)
    if once:
        return (random.choice((FAILURE, FATAL, *worst)),), 0
    if steadfast or chance < 0.8:
        failures = random.randrange(1, 3)
        first = tuple(random.choice((FAILURE, FAILURE, HANG)) for _ in range(failures))
        script = random.choice(((*first, SUCCESS), (*first, SUCCESS), (FAILURE,), (FATAL,)))
        return script, failures + random.randrange(2)
    words = tuple(random.choice((SUCCESS, FAILURE, FATAL, HANG, *worst)) for _ in range(random.randrange(1, 5)))
    return (words if words[-1] != HANG else (*words, FAILURE)), random.randrange(4)

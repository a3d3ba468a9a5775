"""What happens in one simulated world, drawn from its seed: a workflow, what its bodies do, who goes wrong and when.

Each kind of fault is on or off for a world as a whole: a world in which everything goes wrong all the time shows less
than many in which a few things do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

from penstock.definition.workflow import Workflow
from tests.law.description import FATAL, RAISES, RETURNS, Act, Flow, Script, Task
from tests.simulation.database import Kind
from tests.simulation.nests import draw_nest
from tests.simulation.sim_executor import Style
from tests.simulation.slots import draw_needs, draw_slots
from tests.simulation.telling import Telling, draw_telling
from tests.simulation.waits import draw_approvals, draw_waits
from tests.simulation.weave import MAIN, Perform, weave
from tests.simulation.work import HANG, KILL, LOST, Manner, Step, Work, draw_work

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
class Scenario:
    """See the module's text. Times are simulated seconds."""

    seed: int
    kind: Kind
    full: bool
    """Durability "full"; else "process"."""
    works: Mapping[str, Work]
    """The workflow, and those that its tasks run, by name."""
    timeout: float | None
    """Of the whole run."""
    telling: Telling
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
    park_after: float | None
    """Seconds that a run must have nothing to do to be parked; None if nobody parks runs."""

    @property
    def work(self) -> Work:
        """The main workflow."""
        return self.works[MAIN]

    @property
    def steps(self) -> dict[str, Step]:
        """The tasks of all workflows; no two have one name."""
        return {name: step for work in self.works.values() for name, step in work.steps.items()}

    def flow(self, perform: Perform, hear: Callable[..., Any], *, changed: bool) -> Workflow:
        """The workflow, before or after it has changed. Its bodies call `perform`, its callbacks `hear`."""
        callbacks: dict[str, Any] = dict.fromkeys(self.telling.callbacks, hear)
        return weave(self.works, perform, hear, changed=changed, timeout=self.timeout, **callbacks)


def draw(seed: int, *, rules: bool = False, nested: bool = False) -> Scenario:
    """The scenario of a seed, with a plain graph; or, `rules`, with rules and all that goes with them; `nested`: with
    tasks that run workflows."""
    random = Random(f"rules {seed}" if rules else f"scenario {seed}")
    kind = random.choice((Kind.LOCKS, Kind.SERVER))
    chance = random.choice((0.15, 0.3, 0.3, 0.5))
    faults = frozenset(name for name in FAULTS if random.random() < chance * (2.0 if name in DEADLY else 1.0))
    if kind is Kind.LOCKS:
        faults -= {"cut"}
    elif random.random() < 0.5:
        faults |= {"cut", "pause"}  # which together take a run from a driver that lives
    tempo = random.choice((0.003, 0.03, 0.3, 2.0))
    pace = tempo * random.choice((0.0, 0.3, 1.0, 3.0))
    full = random.random() < 0.85
    work = draw_work(random, faults, pace) if rules else _plain_work(random, faults, pace)
    work = draw_slots(draw_waits(work, Random(f"waits {seed}"), pace), Random(f"slots {seed}"))
    timeout = random.choice((5.0, 20.0, 100.0)) * tempo if random.random() < 0.08 else None
    callbacks = [name for name in ("on_success", "on_failure", "on_cancel") if random.random() < 0.25]
    notifiers = [name for name in ("mail", "chat") if random.random() < 0.12]
    work = draw_approvals(work, Random(f"approvals {seed}"))
    work, telling = draw_telling(work, callbacks, notifiers, Random(f"telling {seed}"))
    works = _draw_nest(work, Random(f"nest {seed}"), faults, pace) if nested else {MAIN: work}
    return Scenario(
        seed=seed,
        kind=kind,
        full=full,
        works=works,
        timeout=timeout,
        telling=telling,
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
        park_after=_draw_parking(seed, tempo),
    )


def _draw_parking(seed: int, tempo: float) -> float | None:
    """Drawn by itself, so that all else in a world is what it was before there was parking."""
    random = Random(f"parking {seed}")
    return random.choice((0.0, 0.1, tempo)) if random.random() < 0.4 else None


def _draw_nest(work: Work, random: Random, faults: frozenset[str], pace: float) -> dict[str, Work]:
    steadfast = (faults | {"resume"}) - {"crash", "change"}

    def dress(inner: Work) -> Work:
        return draw_needs(draw_waits(inner, random, pace), random, work.slots)

    return draw_nest(work, random, lambda: _plain_step(random, steadfast, pace), dress)


# --- Plain graphs


def _plain_work(random: Random, faults: frozenset[str], pace: float) -> Work:
    size = random.choice((1, 2, 3, 3, 4, 5, 6, 8)) + ("change" in faults)
    density = random.choice((0.15, 0.4, 0.8))
    tasks, steps, scripts = [], {}, {}
    for number in range(size):
        name, upstreams = f"t{number}", [f"t{above}" for above in range(number) if random.random() < density]
        takes = tuple(above for above in upstreams if random.random() < 0.7)
        after = tuple(above for above in upstreams if above not in takes)
        steps[name], scripts[name], retries = _plain_step(random, faults, pace)
        tasks.append(Task(name, after=after, takes=takes, retries=retries))
    added = tasks[-1].name if "change" in faults else ""
    return Work(Flow(tuple(tasks)), steps, lambda body: scripts[body.task], added=added)


def _plain_step(random: Random, faults: frozenset[str], pace: float) -> tuple[Step, Script, int]:
    options: dict[str, Any] = {}
    once = random.random() < 0.12
    value = random.choice(("small", "small", "large" if "values" in faults else "small", "large", "volatile", "none"))
    steadfast = value == "volatile" or bool(faults & {"resume", "rerun", "change"})  # a volatile value is made again
    words, retries = _script(random, steadfast, once, deadly="crash" in faults)
    if once:
        options["at_most_once"] = True
    elif random.random() < 0.12:
        options["commit_first"] = True
    if retries:
        options["retry_delay"] = random.choice((0.0, 0.0, 0.2, pace, 3.0))
        options["retry_backoff"] = random.choice((1.0, 2.0))
    if HANG in words:
        options["timeout"] = random.choice((0.5, 2.0))
    for name in ("on_success", "on_failure", "on_retry"):
        if random.random() < 0.12:
            options[name] = True
    manner = Manner(
        seconds=min(pace * random.random() * 2, options.get("timeout", inf) / 8) if random.random() < 0.7 else 0.0,
        value=value,
        heeds=random.random() < 0.5,
        stubborn=random.random() < 0.1,
        asks_key=random.random() < 0.15,
    )
    return Step(manner, options), tuple(map(Act, words)), retries


def _script(random: Random, steadfast: bool, once: bool, deadly: bool) -> tuple[tuple[str, ...], int]:
    """How the attempts come out, and how many retries there are. What a steadfast body comes to in the end does not
    depend on how often it is asked."""
    chance = random.random()
    if chance < 0.55:
        return (RETURNS,), 0 if once else random.randrange(2)
    worst = (LOST, KILL) if deadly else (LOST,)
    if once:
        return (random.choice((RAISES, FATAL, *worst)),), 0
    if steadfast or chance < 0.8:
        failures = random.randrange(1, 3)
        first = tuple(random.choice((RAISES, RAISES, HANG)) for _ in range(failures))
        script = random.choice(((*first, RETURNS), (*first, RETURNS), (RAISES,), (FATAL,)))
        return script, failures + random.randrange(2)
    words = tuple(random.choice((RETURNS, RAISES, FATAL, HANG, *worst)) for _ in range(random.randrange(1, 5)))
    return (words if words[-1] != HANG else (*words, RAISES)), random.randrange(4)

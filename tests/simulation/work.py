"""What is done in a simulated world: a workflow, described as `tests.law` does, and what its bodies do.

It is either a plain graph, drawn with the rest of the scenario, or one of the law's random workflows, with rules,
branches, setups, maps and groups that are tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from random import Random
from typing import Any, NamedTuple

from tests.law.cells import cells
from tests.law.description import FATAL, RAISES, RETURNS, SKIPS, Act, Body, Flow, Group, Script, Task
from tests.law.generate import generate
from tests.law.graph import Graph
from tests.law.shrink import tell
from tests.simulation.model import LOST_TOO_OFTEN
from tests.simulation.waits import ON_TIME, Early

LOST, HANG, KILL = "lost", "hang", "kill"
"""More that an attempt of a body may do than the law knows: its worker dies; it does not come back by itself, which for
tasks with a timeout comes to a failure; and it kills the process in which it runs."""
ADDED = "added"
"""The task that is in a workflow with rules only once that has changed."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a body does what it does."""

    seconds: float = 0.0
    """How long it takes, on average."""
    value: str = "small"
    """What it returns: "small", "large", "volatile" or "none"."""
    heeds: bool = False
    """Whether it looks if it should end."""
    stubborn: bool = False
    """Whether it cannot be ended from outside."""
    asks_key: bool = False
    """Whether it uses its idempotency key."""
    early: Early = ON_TIME
    """Whether it comes too early at first."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a task is beside what the law knows of it."""

    manner: Manner
    options: dict[str, Any]

    @property
    def once(self) -> bool:
        """Whether only one attempt may begin."""
        return bool(self.options.get("at_most_once"))

    @property
    def first(self) -> bool:
        """Whether the start must be safe before the body begins."""
        return self.once or bool(self.options.get("commit_first"))

    @property
    def at_once(self) -> int | None:
        """How many of its instances may run at once."""
        return self.options.get("max_active_instances")


class Call(NamedTuple):
    """What a task does that runs a workflow."""

    workflow: str
    waits: bool = True
    """Whether it waits for the end of that."""


@dataclass(frozen=True)
class Work:
    """A workflow and what its bodies do."""

    flow: Flow
    steps: dict[str, Step]
    script: Callable[[Body], Script]
    """What the attempts of a body do, always the same."""
    round_pause: float = 0.0
    """Seconds between two rounds of a group that is tried again."""
    added: str = ""
    """The task that is there only once the workflow has changed; "" if it does not."""
    slots: int = 0
    """How many slots there are that its tasks take."""
    calls: Mapping[str, Call] = field(default_factory=dict)
    """The tasks that run other workflows."""
    gives: tuple[str, ...] = ()
    """The tasks whose values it gives where it is run by a task; those of several as a list."""

    def graph(self, *, changed: bool) -> Graph:
        """What follows from the description, before or after the workflow has changed."""
        return _graph(self.flow, "" if changed else self.added)

    def graph_of(self, names: tuple[str, ...]) -> Graph:
        """The same for the plan with these tasks."""
        return self.graph(changed=self.added in names)

    def is_source(self, task: str) -> bool:
        """Whether anything is mapped over what a task returns."""
        things: list[Task | Group] = [*self.flow.tasks, *self.flow.groups]
        return any(task in (thing.over or ()) for thing in things)

    def lines(self) -> list[str]:
        """The workflow, written down."""
        return tell(self.flow, {})

    def comes_to(self, body: Body, retries: int) -> Act:
        """What a body does in the end, if nobody disturbs it."""
        return comes_to(self.script(body), retries, once=self.steps[body.task].once)


@lru_cache(maxsize=64)  # no world has more, and none has those of another
def _graph(flow: Flow, without: str) -> Graph:
    return Graph(replace(flow, tasks=tuple(task for task in flow.tasks if task.name != without)))


def comes_to(script: Script, retries: int, *, once: bool = False) -> Act:
    """The last word of a task whose attempts do so, one after the other, the last for ever; `once`: one begins."""
    failures = lost = attempt = 0
    while True:
        act = script[min(attempt, len(script) - 1)]
        attempt += 1
        if act.what in (RETURNS, SKIPS):
            return act
        if act.what in (FATAL, KILL):  # a body that kills its driver does so again each time, till that is enough
            return Act(FATAL)
        if act.what == LOST:
            lost += 1
            if once or lost == LOST_TOO_OFTEN:
                return Act(FATAL)
        else:
            failures += 1
            if failures > retries:
                return Act(RAISES)


# --- Workflows with rules


def draw_work(random: Random, faults: frozenset[str], pace: float) -> Work:
    """One of the law's random workflows, with all that may go wrong in a world."""
    case = generate(random.getrandbits(32), random.randrange(2 * len(cells())))
    flow, seed = case.flow, random.getrandbits(32)
    if "change" in faults:
        names = [task.name for task in flow.tasks]
        after = tuple(sorted(random.sample(names, min(len(names), random.randrange(3)))))
        rule = random.choice(("all_success", "all_done", "none_failed", "one_success", "one_failed"))
        flow = replace(flow, tasks=(*flow.tasks, Task(ADDED, after=after, rule=rule)))
    graph = Graph(flow)
    steps = {task.name: _step(random, graph, task, faults, pace) for task in flow.tasks}

    @cache
    def script(body: Body) -> Script:
        acts = (Act(),) if body.task == ADDED else case.bodies.script(body)
        return _worsened(acts, steps[body.task], Random(f"{seed} {body}"), deadly="crash" in faults)

    round_pause = random.choice((0.0, 0.2, pace, 3.0))
    return Work(flow, steps, script, round_pause, ADDED if "change" in faults else "")


def _step(random: Random, graph: Graph, task: Task, faults: frozenset[str], pace: float) -> Step:
    options: dict[str, Any] = {}
    is_source = any(task.name in graph.sources(row) for row in graph.rows)  # of which each item must be kept
    kinds = ["small", "small", "large"] if is_source or task.decides else ["small", "large", "volatile", "none", "none"]
    if not task.retries and not graph.retried_around(task.name) and random.random() < 0.2:
        options["at_most_once"] = True
    elif random.random() < 0.12:
        options["commit_first"] = True
    if task.retries:
        options["retry_delay"] = random.choice((0.0, 0.0, 0.2, pace, 3.0))
    if random.random() < 0.15:
        options["timeout"] = random.choice((0.5, 2.0))
    if (task.over is not None or graph.map_around(task.name)) and random.random() < 0.3:
        options["max_active_instances"] = random.choice((1, 1, 2))
    for name in ("on_success", "on_failure", "on_retry"):
        if random.random() < 0.12:
            options[name] = True
    seconds = min(pace * random.random() * 2, options.get("timeout", 1e9) / 8) if random.random() < 0.7 else 0.0
    manner = Manner(
        seconds,
        random.choice(kinds),
        heeds=random.random() < 0.5,
        stubborn=random.random() < 0.1,
        asks_key=random.random() < 0.15,
    )
    return Step(manner, options)


def _worsened(acts: Script, step: Step, random: Random, *, deadly: bool) -> Script:
    """The same with workers that die, bodies that hang and bodies that kill: in the end it comes to the same, but for
    the last."""
    if step.once:
        return (Act(random.choice((LOST, KILL) if deadly else (LOST,))),) if random.random() < 0.1 else acts[-1:]
    if deadly and random.random() < 0.02:
        return (Act(KILL),)
    if "timeout" in step.options:
        acts = tuple(Act(HANG) if act.what == RAISES and random.random() < 0.6 else act for act in acts)
    if random.random() < 0.06:
        acts = (*[Act(LOST)] * random.choice((1, 1, 1, 2, 3)), *acts)
    return acts

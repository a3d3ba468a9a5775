"""Bodies of a simulated world that come too early: they wait for a time, look again and again as sensors do, wait for a
message that somebody sends, or are not called before somebody has approved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from penstock.errors import Defer

if TYPE_CHECKING:
    from tests.simulation.work import Step, Work

PAUSE, SENSOR, MESSAGE = "pause", "sensor", "message"


@dataclass(frozen=True, slots=True)
class Early:
    """How often the body of a task comes too early, before it does what its script says."""

    times: int = 0
    how: str = PAUSE
    pause: float = 0.0

    def wait(self, topic: str) -> bool:
        """What a body does that comes too early. Raises Defer, unless it is a sensor's."""
        if self.how == PAUSE:
            raise Defer(self.pause)
        if self.how == MESSAGE:
            raise Defer(None, topic=topic)
        return False


ON_TIME = Early()


def draw_waits(work: Work, random: Random, pace: float) -> Work:
    """The same work, some of whose bodies come too early."""
    chance = random.choice((0.0, 0.3, 0.6))
    steps = {
        name: step if random.random() >= chance else _late(work, name, step, random, pace)
        for name, step in work.steps.items()
    }
    return replace(work, steps=steps)


def _late(work: Work, name: str, step: Step, random: Random, pace: float) -> Step:
    if step.once:
        return step
    decides = work.graph(changed=True).tasks[name].decides
    how = random.choice((PAUSE, MESSAGE) if decides else (PAUSE, SENSOR, MESSAGE))
    early = Early(1 if how == MESSAGE else random.choice((1, 1, 2, 3)), how, random.choice((0.0, 0.2, pace, 3.0)))
    options: dict[str, Any] = dict(step.options)
    if how == SENSOR:
        options |= {"sensor": True, "poll_interval": early.pause, "poll_timeout": None}
    return replace(step, manner=replace(step.manner, early=early), options=options)


def draw_approvals(work: Work, random: Random) -> Work:
    """The same work, in some worlds with tasks that somebody must approve."""
    if random.random() < 0.7:
        return work
    graph = work.graph(changed=True)
    asks = [
        name
        for name, step in work.steps.items()
        if random.random() < 0.3 and not step.once and not graph.tasks[name].decides and step.manner.early is ON_TIME
    ]
    told = random.random() < 0.5
    steps = {name: replace(work.steps[name], options=work.steps[name].options | _asking(told)) for name in asks}
    return replace(work, steps=work.steps | steps)


def _asking(told: bool) -> dict[str, Any]:
    return {"approval": True, "on_ask": True} if told else {"approval": True}

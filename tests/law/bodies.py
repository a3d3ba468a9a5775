"""Bodies by chance: what each does is drawn from a seed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.law.description import FATAL, RAISES, RETURNS, SKIPS, Act, Body, Flow, Script
from tests.law.graph import Graph

ANY = "any"
"""The temper of a body that may come out in any way; others always succeed, fail or skip."""
GOOD, BAD, IDLE = RETURNS, RAISES, SKIPS


@dataclass(frozen=True, slots=True)
class Temper:
    """How a task's bodies are drawn."""

    ending: str = ANY
    chosen: tuple[str, ...] | str | None = ANY
    """What a decider answers."""
    width: int | None = None
    """The length of the list that it returns; None for any."""


class Inventor:
    """Draws the script of any body; the same for the same body."""

    def __init__(self, seed: int, flow: Flow, tempers: dict[str, Temper]) -> None:
        self.seed = seed
        self.graph = Graph(flow)
        self.tempers = tempers

    def __call__(self, body: Body) -> Script:
        random = Random(f"{self.seed} {body.task} {body.place} {body.rounds}")
        task = self.graph.tasks[body.task]
        temper = self.tempers.get(body.task, Temper())
        ending = temper.ending
        if ending == ANY:
            ending = random.choices((GOOD, BAD, IDLE), (62, 22, 16))[0]
        failures = random.randint(0, task.retries)
        last = Act(
            ending if ending != BAD or (failures == task.retries and random.random() < 0.7) else FATAL,
            self._choice(body.task, random) if temper.chosen == ANY else temper.chosen,  # type: ignore[arg-type]
            random.choices(range(-1, 5), (4, 14, 25, 30, 17, 10))[0] if temper.width is None else temper.width,
        )
        return (*(Act(RAISES) for _ in range(failures)), last)

    def _choice(self, name: str, random: Random) -> tuple[str, ...] | None:
        """What a decider answers, by chance."""
        decides = self.graph.tasks[name].decides
        if decides == "short_circuit":
            return None if random.random() < 0.6 else ()
        if not decides:
            return None
        share = random.choice((0.0, 0.3, 0.5, 0.5, 0.8, 1.0))
        return tuple(option for option in self.options(name) if random.random() < share)

    def options(self, branch: str) -> list[str]:
        """What a branch can name: its children, and the groups that they are in and itself is not."""
        children = [child for child in self.graph.downstreams(branch) if not self.graph.is_teardown(child)]
        groups = {group: None for child in children for group in self.graph.groups_around(child)}
        return [*children, *(group for group in groups if group not in self.graph.groups_around(branch))]

"""Many random workflows, one after the other: what they met and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from penstock.errors import PenstockError
from penstock.plan.plan import Plan
from tests.law.cells import Cell, cells_in
from tests.law.description import Bodies, Flow
from tests.law.direct import definition_order, direct_plan, shuffled_order
from tests.law.generate import generate
from tests.law.graph import Graph
from tests.law.law import Law
from tests.law.scramble import scramble
from tests.law.shrink import shrink, tell
from tests.law.trial import Way, draw_way, play_and_judge

PlanMaker = Callable[[Flow, Graph, Random], Plan]
SHRINKING_PLAYS = 12


def plan_directly(flow: Flow, graph: Graph, random: Random) -> Plan:
    """A plan that no compiler made, with rows in the order of their definition, or in any."""
    order = definition_order(graph) if random.random() < 0.3 else shuffled_order(graph, random)
    return direct_plan(flow, graph, order)


def plan_by_compiler(flow: Flow, graph: Graph, random: Random) -> Plan:
    """The plan of the workflow that the description says, as users would write it."""
    from tests.law.build import compiled_plan

    return compiled_plan(flow, graph, random)


def plan_either_way(flow: Flow, graph: Graph, random: Random) -> Plan:
    return (plan_by_compiler if random.random() < 0.5 else plan_directly)(flow, graph, random)


PLANS: dict[str, PlanMaker] = {"direct": plan_directly, "compiled": plan_by_compiler, "both": plan_either_way}


class Campaign:
    """Examines workflows by number. `without` names what is left out: see `generate`."""

    def __init__(
        self, seed: int, plays: int, plans: str, without: frozenset[str] = frozenset(), *, shrinks: bool = True
    ) -> None:
        self.seed = seed
        self.plays = plays
        self.make_plan = PLANS[plans]
        self.without = without
        self.shrinks = shrinks
        """Whether the smallest workflow is looked for in which the same goes wrong."""
        self.met: Counter[Cell] = Counter()
        self.endings: Counter[str] = Counter()
        self.violations: list[list[str]] = []
        self.done = self.plays_done = 0

    def examine(self, number: int) -> None:
        """Play the workflow of this number a few times."""
        case = generate(self.seed, number, self.without)
        self.done += 1
        random = Random(f"{self.seed} {number} plays")
        flow = scramble(case.flow, random) if random.random() < 0.3 else case.flow
        law = Law(flow, case.bodies)
        self.endings[law.outcome().verdict] += 1
        self.met += cells_in(law)
        for _ in range(self.plays):
            self.plays_done += 1
            way, plan_seed = draw_way(random), random.getrandbits(32)
            found = self._play(flow, case.bodies, way, plan_seed)
            if found:
                self.violations.append([f"--seed {self.seed} --first {number} ({way})", *found])
                if self.shrinks:
                    self.violations[-1] += self._smallest(flow, case.bodies, way, plan_seed)
                return

    def _play(self, flow: Flow, bodies: Bodies, way: Way, plan_seed: int) -> list[str]:
        law = Law(flow, bodies)
        try:
            plan = self.make_plan(flow, law.graph, Random(plan_seed))
        except PenstockError as error:
            return [f"no plan can be made: {type(error).__name__}: {error}"]
        except AssertionError as error:
            return [str(error)]
        return play_and_judge(plan, law, way)

    def _smallest(self, flow: Flow, bodies: Bodies, way: Way, plan_seed: int) -> list[str]:
        """The smallest workflow in which the same goes wrong in some order, and what then does."""
        random = Random(plan_seed)
        ways = [way, *(self._other(way, random) for _ in range(SHRINKING_PLAYS))]
        kind = _kind(self._play(flow, bodies, way, plan_seed)[0])

        def wrong(flow: Flow, bodies: Bodies) -> bool:
            return any((seen := self._play(flow, bodies, one, plan_seed)) and _kind(seen[0]) == kind for one in ways)

        flow, scripts = shrink(flow, dict(bodies.scripts), wrong)
        last = Bodies(dict(scripts))
        for one in ways:
            if seen := self._play(flow, last, one, plan_seed):
                return ["the smallest:", *seen, *tell(flow, scripts), str(one)]
        return ["the smallest, which depends on what its other bodies do:", *tell(flow, scripts)]

    def _other(self, way: Way, random: Random) -> Way:
        return Way(random.getrandbits(32), way.watched, way.thorough, random.choice((0.03, 0.1, 0.3)), way.mishaps)


def _kind(line: str) -> str:
    """What sort of complaint a line is: an error of the same class, a plan that is wrong, or a state that is."""
    first = line.partition(":")[0]
    if "no plan" in first or "the plan's" in first:
        return line[:45]
    return first if "Error" in first or "Trouble" in line else "state"

"""Whether bugs that were planted show in simulated worlds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice

from tests.simulation.scenario import Scenario
from tests.simulation.world import World

UNFIT = "TypeError|AttributeError"
"""What is said where a bug does not fit any more."""

Suits = Callable[[Scenario], bool]


def must_show(found: str, worlds: Iterable[Scenario], most: int, *suits: Suits) -> None:
    """Look at up to `most` worlds in which a bug can show, one after the other, till one is told of in such words.
    AssertionError if none is."""
    suiting = (scenario for scenario in worlds if all(suit(scenario) for suit in suits))
    for scenario in islice(suiting, most):
        violations = World(scenario).run()
        if any(re.search(found, line) for line in violations):
            return
        assert not any(re.search(UNFIT, line) for line in violations), "what it is planted in has changed"
    raise AssertionError(f"nobody noticed in {most} worlds")

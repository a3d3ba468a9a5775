"""The worlds with rules are worth something: each of these bugs, planted in what drives such runs, is found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from penstock.engine.events import AttemptSkipped, AttemptSucceeded
from penstock.engine.run import RunEngine
from penstock.executor.arguments import Arguments
from penstock.plan.plan import Plan
from penstock.runtime import dispatching, limits
from penstock.runtime.driver import RunDriver
from tests.law.graph import Graph
from tests.simulation.planted import must_show
from tests.simulation.scenario import draw

MOST_WORLDS = 600
Plant = Callable[[pytest.MonkeyPatch], None]


def unsafe_decisions(patch: pytest.MonkeyPatch) -> None:
    """What follows from a decision begins when that is written, and not safe."""
    patch.setattr(dispatching, "_decides", lambda policy, outcome: False)


def too_many_instances(patch: pytest.MonkeyPatch) -> None:
    """Nobody counts how many instances of a map run at once."""
    find = limits._needs
    patch.setattr(limits, "_needs", lambda *given: tuple(need for need in find(*given) if need[0].is_shared))


def forgotten_choices(patch: pytest.MonkeyPatch) -> None:
    """A branch is followed everywhere, whatever it has returned."""

    def blind(self: RunDriver, attempt: Any, outcome: Any) -> None:
        if isinstance(outcome, AttemptSucceeded):
            outcome.chosen = None
        CLOSE(self, attempt, outcome)

    patch.setattr(RunDriver, "close_attempt", blind)


CLOSE = RunDriver.close_attempt


def skip_that_counts_as_success(patch: pytest.MonkeyPatch) -> None:
    """A body that says that there is nothing to do has succeeded."""

    def content(self: RunDriver, attempt: Any, outcome: Any) -> None:
        if isinstance(outcome, AttemptSkipped):
            outcome = AttemptSucceeded(outcome.task, outcome.attempt, outcome.at)
        CLOSE(self, attempt, outcome)

    patch.setattr(RunDriver, "close_attempt", content)


def item_of_another(patch: pytest.MonkeyPatch) -> None:
    """An instance of a map is given the item of the one before."""
    of = Arguments.of

    def shifted(self: Arguments, task: int) -> Any:
        return of(self, task - 1 if self._engine.index(task) > 0 else task)

    patch.setattr(Arguments, "of", shifted)


def group_that_never_begins_anew(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next round of a group."""
    patch.setattr(RunDriver, "_set_group_timer", lambda self, command: None)


def one_round_too_many(patch: pytest.MonkeyPatch) -> None:
    """A group is tried again once more than it may be."""
    is_tried_again = RunEngine._is_tried_again

    def generous(self: RunEngine, unit: tuple[int, int]) -> bool:
        rounds = self.rounds.pop(unit, 0)
        self.rounds[unit] = rounds - 1
        again = is_tried_again(self, unit)
        self.rounds[unit] = rounds
        return again

    patch.setattr(RunEngine, "_is_tried_again", generous)


def early_teardown(patch: pytest.MonkeyPatch) -> None:
    """A teardown does not wait for what works with what its setups have made."""
    patch.setattr(Plan, "waits", {}, raising=False)
    frozen = Plan.__init__

    def careless(self: Plan, *args: Any, **fields: Any) -> None:
        frozen(self, *args, **{**fields, "waits": {}})

    patch.setattr(Plan, "__init__", careless)


def other_reading(patch: pytest.MonkeyPatch) -> None:
    """Not the engine but the law is wrong: a setup is no guard. So the law is really asked."""
    guards = Graph.guards
    patch.setattr(Graph, "guards", lambda self, row: [other for other in guards(self, row) if other not in self.tasks])


BUGS: list[tuple[Plant, str]] = [
    (unsafe_decisions, "decided is not safe"),
    (too_many_instances, "of its instances run, where"),
    (forgotten_choices, "by what is written it is skipped"),
    (skip_that_counts_as_success, "its body has not returned"),
    (item_of_another, "reads .*, on record is"),
    (group_that_never_begins_anew, "it is not done after"),
    (one_round_too_many, "began anew"),
    (early_teardown, "has ended is not written"),
    (other_reading, "and should be"),
]
"""Each with what is said of it."""


@pytest.mark.parametrize(("plant", "found"), BUGS, ids=[plant.__name__ for plant, _ in BUGS])
def test_a_planted_bug_is_found(plant: Plant, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    must_show(found, (draw(seed, rules=True) for seed in count()), MOST_WORLDS)

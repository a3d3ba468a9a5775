"""Random workflows through the compiler and the engine, in random orders, against a model that knows nothing of order.

`python -m tests.law --count 100000` plays more of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from tests.law.build import compiled_plan
from tests.law.campaign import Campaign
from tests.law.cells import Cell, cells, cells_in, report
from tests.law.generate import generate
from tests.law.law import RULES, RUN, K, Law

SEED = 20260
PLAYED = 2_000


@pytest.mark.parametrize("part", range(2))
def test_random_workflows_end_as_the_law_says(part: int) -> None:
    campaign = Campaign(SEED, plays=2, plans="both")
    for number in range(part, PLAYED, 2):
        campaign.examine(number)
        assert not campaign.violations, "\n".join(campaign.violations[0])


def test_the_compiler_finds_the_relations_that_follow_from_the_description() -> None:
    for number in range(700):
        flow = generate(SEED, number).flow
        compiled_plan(flow, Law(flow, generate(SEED, number).bodies).graph, Random(number))


def test_every_situation_that_there_can_be_is_met() -> None:
    met: Counter[Cell] = Counter()
    for number in range(1, 2 * len(cells()), 2):
        case = generate(SEED, number)
        met += cells_in(Law(case.flow, case.bodies))
    assert not [cell for cell in cells() if not met[cell]], "\n".join(report(met))


def test_the_same_number_is_the_same_workflow() -> None:
    for number in range(50):
        one, other = generate(SEED, number), generate(SEED, number)
        assert one.flow == other.flow
        assert Law(one.flow, one.bodies).outcome() == Law(other.flow, other.bodies).outcome()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "all_done_setup_success"])
def test_a_rule_that_says_otherwise_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = RULES[rule]
    monkeypatch.setitem(RULES, rule, lambda seen: K if right(seen) == RUN else RUN)
    assert _is_noticed([number for number, cell in enumerate(cells()) if cell.rule == rule][::7])


def _is_noticed(situations: Iterable[int], plans: str = "direct") -> bool:
    """Whether anything goes wrong in workflows around these situations."""
    looked = Campaign(SEED, plays=1, plans=plans, shrinks=False)
    for situation in situations:
        looked.examine(2 * situation + 1)
        if looked.violations:
            return True
    return False

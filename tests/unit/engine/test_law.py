"""The table of trigger rules, against the same table written out cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import pytest

from penstock.engine import law
from penstock.engine.law import OUTCOME, OUTCOME_OF, RULES, WHEN_ENDED, WHILE_OPEN, Outcomes, Verdict
from penstock.engine.states import ENDED, TaskState
from penstock.policy import EARLY_RULES, TriggerRule

CELLS = """
                             -  S  F  SF K  SK FK SFK U SU FU SFU KU SKU FKU SFKU
all_success                  R  R  U  U  K  K  U  U   U  U  U  U   U  U   U   U
all_failed                   R  K  R  K  K  K  K  K   R  K  R  K   K  K   K   K
all_done                     R  R  R  R  R  R  R  R   R  R  R  R   R  R   R   R
all_done_min_one_success     R  R  U  R  K  K  K  K   U  R  U  R   K  K   K   K
all_done_setup_success       R  R  U  R  K  R  U  R   U  R  U  R   U  R   U   R
one_success                  R  R  U  R  K  R  U  R   U  R  U  R   U  R   U   R
one_failed                   R  K  R  R  K  K  R  R   R  R  R  R   R  R   R   R
one_done                     R  R  R  R  K  R  R  R   K  R  R  R   K  R   R   R
none_failed                  R  R  U  U  R  R  U  U   U  U  U  U   U  U   U   U
none_failed_min_one_success  R  R  U  U  K  R  U  U   U  U  U  U   U  U   U   U
none_skipped                 R  R  R  R  K  K  K  K   R  R  R  R   K  K   K   K
all_skipped                  R  K  K  K  R  K  K  K   K  K  K  K   K  K   K   K
always                       R  R  R  R  R  R  R  R   R  R  R  R   R  R   R   R
"""
"""Of each rule, what follows from upstreams that came to these states: the task runs, is skipped or upstream_failed."""

LETTER = {"S": Outcomes.SUCCESS, "F": Outcomes.FAILED, "K": Outcomes.SKIPPED, "U": Outcomes.UPSTREAM_FAILED}
VERDICT = {"R": Verdict.RUN, "K": Verdict.SKIP, "U": Verdict.UPSTREAM_FAILED}
SETS, *ROWS = (line.split() for line in CELLS.strip().splitlines())
TABLE = {
    TriggerRule(rule): {frozenset(some.strip("-")): VERDICT[cell] for some, cell in zip(SETS, cells, strict=True)}
    for rule, *cells in ROWS
}
ALL = [frozenset(some) for some in chain.from_iterable(combinations("SFKU", size) for size in range(5))]
RULE = pytest.mark.parametrize("rule", TriggerRule)


def number(some: frozenset[str], *more: Outcomes) -> int:
    """A set of outcomes as the engine has it."""
    return sum(LETTER[letter] for letter in some) + sum(more)


def completions(rule: TriggerRule, seen: frozenset[str]) -> Iterator[Verdict]:
    """All that a rule may come to if there are others beside those that were seen, which may come to anything."""
    return (TABLE[rule][seen | more] for more in ALL if more)


def certain(rule: TriggerRule, seen: frozenset[str]) -> Verdict | None:
    """What a rule comes to whatever the others do, if that is so."""
    verdicts = {*completions(rule, seen)}
    return verdicts.pop() if len(verdicts) == 1 else None


def while_open(rule: TriggerRule, seen: frozenset[str]) -> Verdict:
    """What follows while some upstreams have not ended."""
    verdict = certain(rule, seen) or Verdict.WAIT
    return verdict if verdict is not Verdict.RUN or rule in EARLY_RULES else Verdict.WAIT


def test_the_table_has_a_row_for_each_rule_and_a_cell_for_each_set() -> None:
    assert set(TABLE) == set(TriggerRule) == set(law.LAW)
    assert all(set(cells) == set(ALL) for cells in TABLE.values())


@RULE
def test_a_rule_comes_to_what_its_cells_say(rule: TriggerRule) -> None:
    for some, expected in TABLE[rule].items():
        assert law.verdict(rule, number(some)) is expected, some
        assert WHEN_ENDED[RULES.index(rule)][number(some)] == expected, some


@RULE
def test_what_is_foreseen_is_what_all_completions_agree_upon(rule: TriggerRule) -> None:
    for seen in ALL:
        assert law.foreseen(rule, number(seen)) is (certain(rule, seen) or Verdict.WAIT), seen


@RULE
def test_a_task_waits_for_all_but_where_its_rule_is_early_or_will_not_let_it_run(rule: TriggerRule) -> None:
    for seen in ALL:
        assert WHILE_OPEN[RULES.index(rule)][number(seen)] == while_open(rule, seen), seen


@RULE
def test_of_what_was_cancelled_nobody_knows_what_it_would_have_come_to(rule: TriggerRule) -> None:
    for seen in ALL:
        outcomes = number(seen, Outcomes.CANCELLED)
        assert WHEN_ENDED[RULES.index(rule)][outcomes] == (certain(rule, seen) or Verdict.CANCEL), seen
        assert WHILE_OPEN[RULES.index(rule)][outcomes] == while_open(rule, seen), seen


@RULE
def test_a_task_may_run_if_some_outcome_of_the_others_lets_it(rule: TriggerRule) -> None:
    for left in ALL:
        assert law.may_run(rule, number(left)) == any(TABLE[rule][left | more] is Verdict.RUN for more in ALL), left


@RULE
def test_below_one_that_stays_cancelled_it_may_if_that_does_not_matter(rule: TriggerRule) -> None:
    for left in ALL:
        outcomes = number(left, Outcomes.CANCELLED)
        assert law.may_run(rule, outcomes) == any(certain(rule, left | more) is Verdict.RUN for more in ALL), left


def test_rules_that_start_early_are_those_that_one_upstream_can_decide() -> None:
    assert {rule for rule in TriggerRule if any(certain(rule, seen) is Verdict.RUN for seen in ALL)} == {
        *EARLY_RULES,
        TriggerRule.ALL_DONE,  # whose very name says that it waits
        TriggerRule.ALL_DONE_SETUP_SUCCESS,  # a teardown waits for its scope as well
    }


def test_an_outcome_is_a_state_in_which_a_task_may_end() -> None:
    assert set(OUTCOME) == ENDED - {TaskState.REMOVED}
    assert [OUTCOME_OF[state] for state in TaskState] == [OUTCOME.get(state, 0) for state in TaskState]
    assert {state.label: OUTCOME[state] for state in OUTCOME} == {
        "success": LETTER["S"],
        "failed": LETTER["F"],
        "skipped": LETTER["K"],
        "upstream_failed": LETTER["U"],
        "cancelled": Outcomes.CANCELLED,
    }
    assert sorted(OUTCOME.values()) == [1, 2, 4, 8, 16]

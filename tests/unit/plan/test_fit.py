"""What is told when a changed plan does not fit a run, and in which order."""

from __future__ import annotations

from dataclasses import replace

from penstock.plan.fingerprint import fingerprint, fit
from tests.simulation.plans import make_plan


def test_the_name_of_a_plan_is_a_format_on_disk() -> None:
    assert fingerprint(b"a plan") == "402cad58affc707d3ce9a03c9a9452a1"


def test_problems_come_in_the_order_of_the_tasks_in_whatever_order_they_were_done() -> None:
    old = make_plan([[], [], []], names=["a", "b", "c"])
    problems = fit(old, make_plan([], names=[]), [2, 0, 1]).problems
    assert [problem.split("'")[1] for problem in problems] == ["a", "b", "c"]


def test_so_do_those_of_numbered_calls() -> None:
    old = make_plan([[], []], functions=("m:f", "m:g"), numbered=frozenset({0, 1}))
    new = replace(old, numbered=frozenset())
    problems = fit(old, new, [1, 0]).problems
    assert ["m:f" in problem for problem in problems] == [True, False]


def test_numbered_calls_of_another_function_may_come() -> None:
    """However many, and wherever their numbers lie."""
    functions = tuple("m:f" if task in (1, 8) else "m:g" for task in range(64))
    old = make_plan([[] for _ in range(9)], functions=functions[:9], numbered=frozenset({1, 8}))
    new = make_plan([[] for _ in range(64)], functions=functions, numbered=frozenset({1, 8, *range(9, 64)}))
    assert fit(old, new, [1]).problems == ()

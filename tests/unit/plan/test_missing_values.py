"""Values that may not be there when a task runs, since its rule lets it run without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock import Task, Workflow, setup, task, teardown
from penstock.errors import ArgumentsError, InvalidWorkflowError
from penstock.plan.arguments import fill_gaps
from tests.unit.plan.compiling import plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work
from tests.unit.plan.test_rules import WRITTEN

RULES = [rule.value for rule in WRITTEN if rule.value != "all_success"]


def take(rows: object, more: object = None) -> None: ...


def take_any(*rows: object, **more: object) -> None: ...


def take_by_name(*, rows: object, more: object = None) -> None: ...


@pytest.mark.parametrize("rule", RULES)
def test_a_parameter_that_may_lack_its_value_needs_a_default(rule: Any) -> None:
    first, wrong = Task("extract", work), Task("load", take, args=[1], trigger_rule=rule)
    wrong.args = [first]
    error = problem(first, wrong)
    assert isinstance(error, ArgumentsError)
    assert error.message == (
        f"task 'load' may run without a value of 'extract', since its trigger rule is '{rule}': "
        "give its parameter 'rows' a default"
    )
    assert error.where == wrong.where


def test_others_in_the_workflow_are_not_asked() -> None:
    first = Task("extract", work)
    plan_of(flow_of(first, Task("report", take, trigger_rule="all_done", args=[1]), Task("load", take, args=[first])))


def test_all_such_parameters_are_told_of() -> None:
    def take_two(one: object, two: object, three: object = None) -> None: ...

    a, b = Task("a", work), Task("b", work)
    error = problem(
        a, b, Task("load", take_two, args=[a.output], kwargs={"two": b, "three": a}, trigger_rule="all_done")
    )
    assert isinstance(error, InvalidWorkflowError)
    assert ["'one'" in str(one) for one in error.problems] == [True, False]
    assert ["'two'" in str(one) for one in error.problems] == [False, True]


FINE: dict[str, tuple[Callable[..., Any], Callable[[Task], dict[str, Any]]]] = {
    "a default": (take, lambda a: {"args": [1, a]}),
    "a default by name": (take, lambda a: {"args": [1], "kwargs": {"more": a}}),
    "in a list": (take, lambda a: {"args": [[a]]}),
    "in a tuple": (take, lambda a: {"args": [(1, a)]}),
    "in a dict": (take, lambda a: {"kwargs": {"rows": {"a": a}}}),
    "one of many": (take_any, lambda a: {"args": [1, a]}),
    "one of many by name": (take_any, lambda a: {"kwargs": {"rows": a}}),
    "a builtin that does not tell": (type, lambda a: {"args": [a]}),
    "order only": (take, lambda a: {"args": [1], "dependencies": [a]}),
}


@pytest.mark.parametrize("kind", FINE)
def test_where_something_stands_in_its_place_it_may_be_missing(kind: str) -> None:
    func, given = FINE[kind]
    first = Task("extract", work)
    plan_of(flow_of(first, Task("load", func, trigger_rule="all_done", **given(first))))


def test_a_parameter_by_name_only_is_asked_for_its_default_too() -> None:
    first = Task("extract", work)
    wrong = Task("load", take_by_name, kwargs={"rows": first}, trigger_rule="none_failed")
    assert "'rows' a default" in str(problem(first, wrong))


def test_a_setup_further_up_is_sure_to_have_succeeded() -> None:
    """Its value is taken, so it is a direct upstream and no guard; what a map takes its width from is one."""
    first = Task("extract", work)
    mapped = Task("load", take, expand={"rows": first}, trigger_rule="all_done")
    plan_of(flow_of(first, mapped))


def test_a_teardown_takes_the_value_of_its_one_setup() -> None:
    make, clean = setup(lambda: 1), teardown(lambda made: None)
    with Workflow("flow") as flow:
        clean(make())
    plan_of(flow)


def test_a_teardown_of_several_setups_may_lack_the_value_of_each() -> None:
    make, clean = setup(lambda: 1), teardown(lambda one, two=None: None)
    with Workflow("flow") as flow:
        clean.named("clean")(make.named("a")(), make.named("b")())
    error = refusal(flow)
    assert "task 'clean' may run without a value of 'a', since" in str(error)
    assert "'one' a default" in str(error)


def test_a_teardown_may_lack_the_value_of_what_is_no_setup() -> None:
    make, clean = setup(lambda: 1), teardown(lambda one, two: None)
    with Workflow("flow") as flow:
        clean.named("clean")(make.named("a")(), task(lambda: 1).named("b")())
    assert "without a value of 'b'" in str(refusal(flow))


# --- Filling gaps

GAP = object()


def filled(func: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return fill_gaps(func, args, kwargs, lambda value: value is GAP)


def test_a_default_stands_in_the_place_of_a_gap() -> None:
    def take(a: int, b: int = 2, *, c: int = 3) -> None: ...

    assert filled(take, 1, GAP, c=GAP) == ((1, 2), {"c": 3})
    assert filled(take, 1, b=GAP) == ((1,), {"b": 2})
    assert filled(take, 1, c=4) == ((1,), {"c": 4})


def test_none_stands_where_there_is_no_default() -> None:
    assert filled(take_any, 1, GAP, x=GAP) == ((1, None), {"x": None})
    assert filled(take, GAP) == ((None,), {})
    assert filled(type, GAP) == ((None,), {})


def test_the_default_of_a_parameter_by_position_only() -> None:
    def take(a: int = 5, /, **b: int) -> None: ...

    assert filled(take, GAP, a=GAP) == ((5,), {"a": None})

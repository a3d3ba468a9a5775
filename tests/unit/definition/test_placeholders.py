"""Placeholders and outputs have no value while the graph is built, and say so to whoever wants one."""

from __future__ import annotations

import copy
import math
import operator
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Task, Workflow, WorkflowManager, task, task_group, workflow
from penstock.errors import PenstockError, PlaceholderError
from tests.unit.definition.places import line_at


@task
def produce() -> int:
    return 1


@task
def consume(x: object) -> object:
    return x


USES: dict[str, Callable[[Any], object]] = {
    "truth": bool,
    "if": lambda p: 1 if p else 2,
    "not": lambda p: not p,
    "and": lambda p: p and 1,
    "iteration": lambda p: list(p),  # noqa: PLW0108
    "unpacking": lambda p: [*p],
    "star arguments": lambda p: print(*p),
    "length": len,
    "membership": lambda p: 1 in p,
    "item": lambda p: p[0],
    "key": lambda p: p["key"],
    "slice": lambda p: p[1:2],
    "call": lambda p: p(),
    "attribute": lambda p: p.year,
    "method": lambda p: p.isoformat(),
    "name, which dates lack but paths have": lambda p: p.name,
    "task": lambda p: p.task,
    "equality": lambda p: p == 1,
    "equality from the right": lambda p: 1 == p,  # noqa: SIM300
    "inequality": lambda p: p != 1,
    "less": lambda p: p < 1,
    "less or equal": lambda p: p <= 1,
    "greater": lambda p: p > 1,
    "greater or equal": lambda p: p >= 1,
    "equality with itself": lambda p: operator.eq(p, p),
    "in a list": lambda p: p in [1, 2],
    "sum": lambda p: p + 1,
    "sum from the right": lambda p: 1 + p,
    "sum of text": lambda p: "day " + p,
    "built-in sum": lambda p: sum([p]),
    "difference": lambda p: p - 1,
    "product": lambda p: 2 * p,
    "quotient": lambda p: p / 2,
    "floor": lambda p: p // 2,
    "remainder": lambda p: p % 2,
    "power": lambda p: p**2,
    "matrix product": lambda p: p @ p,
    "minus": lambda p: -p,
    "absolute": abs,
    "bits": lambda p: p | 1,
    "divmod": lambda p: divmod(p, 2),
    "rounding": round,
    "floor of it": math.floor,
    "whole number": int,
    "fraction": float,
    "index": lambda p: [1, 2][p],
    "range": lambda p: range(p),  # noqa: PLW0108
    "text": str,
    "f-string": lambda p: f"{p}",
    "f-string with a format": lambda p: f"{p:%Y-%m-%d}",
    "percent formatting": lambda p: "%s" % p,  # noqa: UP031
    "str.format": lambda p: "{}".format(p),  # noqa: UP032, PLW0108
    "joining": lambda p: ",".join(p),  # noqa: PLW0108
    "sorting": lambda p: sorted([p, p]),
    "largest": lambda p: max(p, 1),
}


@pytest.mark.parametrize("use", USES)
def test_an_output_refuses(use: str) -> None:
    with Workflow("flow"):
        output = produce()
        with pytest.raises(PlaceholderError) as caught:
            USES[use](output)
    check(caught.value, "produce", "pass it to a task")


@pytest.mark.parametrize(
    "condition",
    [bool, lambda value: value > 3, lambda value: value == 3, lambda value: 3 in value],
    ids=["truth", "order", "equality", "membership"],
)
def test_what_is_meant_as_a_condition_is_told_who_can_decide(condition: Callable[[Any], object]) -> None:
    with Workflow("flow"), pytest.raises(PlaceholderError, match=r"or let a @task\.branch or @task\.run_if decide"):
        condition(produce())


@pytest.mark.parametrize("use", USES)
def test_a_parameter_refuses(use: str) -> None:
    seen: list[PlaceholderError] = []

    @workflow
    def flow(day: int = 1) -> None:
        with pytest.raises(PlaceholderError) as caught:
            USES[use](day)
        seen.append(caught.value)
        consume(day)

    WorkflowManager("memory").compile(flow)
    check(seen[0], "day", "build=[")


@pytest.mark.parametrize("use", USES)
def test_what_can_only_be_mapped_over_refuses(use: str) -> None:
    with Workflow("flow"):
        output: Any = produce()
        for items in (output.map(str), output.zip([1]), output.concat([1])):
            with pytest.raises(PlaceholderError) as caught:
                USES[use](items)
            check(caught.value, "produce.", "pass it to a task", exactly=False)


@pytest.mark.parametrize("use", USES)
def test_an_argument_of_a_mapped_group_refuses(use: str) -> None:
    seen: list[PlaceholderError] = []

    @task_group
    def group(day: int) -> None:
        with pytest.raises(PlaceholderError) as caught:
            USES[use](day)
        seen.append(caught.value)

    with Workflow("flow"):
        group.expand(day=[1])
    check(seen[0], "day", "pass it to a task")


def test_what_would_be_gone_through_can_be_mapped_over() -> None:
    with Workflow("flow"):
        for use in ("iteration", "length"):
            with pytest.raises(PlaceholderError, match=r"or map a task over it with .expand\(...\)"):
                USES[use](produce())


def check(error: PlaceholderError, name: str, advice: str, *, exactly: bool = True) -> None:
    """The error teaches: what, why, what to do, and where."""
    assert error.message.startswith(f"'{name}' has no value while the graph is built" if exactly else f"'{name}")
    assert advice in error.message
    assert error.where is not None
    assert error.where.startswith(f"{__file__}:")
    assert "lambda p" in line_at(error.where) or "USES[use](" in line_at(error.where)


def test_the_error_ends_the_building_and_reaches_who_wanted_to_run() -> None:
    @workflow
    def flow(day: int = 1) -> None:
        if day > 3:
            consume(day)

    with pytest.raises(PlaceholderError, match=r"'day'.*compared.*build"):
        WorkflowManager("memory").run(flow)
    assert consume(5) == 5  # no workflow is left open


def test_a_placeholder_can_be_told_by_whether_it_is_one() -> None:
    with Workflow("flow"):
        output = produce()
    assert output is not None
    assert not isinstance(output, str)
    assert {output: 1}[output] == 1
    assert callable(getattr(output, "__copy__", print))
    assert not hasattr(output, "__array__")


def test_a_placeholder_can_be_shown() -> None:
    with Workflow("flow"):
        assert repr(produce()) == "<output of 'produce'>"


def test_arguments_that_hold_placeholders_can_be_copied() -> None:
    with Workflow("flow"):
        output = produce()
        assert copy.copy([output])[0] is output


# --- Passed on


def test_values_come_in_the_place_of_placeholders_in_lists_tuples_and_dictionaries() -> None:
    @workflow
    def flow(day: int = 7) -> None:
        a = produce()
        consume([a, (day, {"deep": [a], "day": day}), "text"])

    run = WorkflowManager("memory", observers=[]).run(flow)
    assert run.task("consume").result == [1, (7, {"deep": [1], "day": 7}), "text"]


def test_a_parameter_of_another_workflow_is_refused() -> None:
    strangers: list[Any] = []

    @workflow
    def one(day: int = 1) -> None:
        strangers.append(day)
        consume(day)

    WorkflowManager("memory").compile(one)
    with Workflow("other") as other:
        consume(strangers[0])
    with pytest.raises(PenstockError, match="'day'"):
        WorkflowManager("memory").compile(other)


def test_an_output_of_another_workflow_is_refused() -> None:
    with Workflow("one"):
        output = produce()
    with Workflow("other") as other:
        consume(output)
    with pytest.raises(PenstockError, match=r"'produce'.*was not added to workflow 'other'"):
        WorkflowManager("memory").compile(other)


class Pair(tuple[Any, Any]):
    """A tuple of one's own, as a named tuple is."""


@pytest.mark.parametrize(
    "wrap",
    [
        lambda p: {p},
        lambda p: frozenset([p]),
        lambda p: {p: 1},
        lambda p: Pair((p, 1)),
        lambda p: OrderedDict(k=p),
        lambda p: defaultdict(list, k=p),
        lambda p: deque([p]),
    ],
    ids=["set", "frozenset", "key", "named tuple", "OrderedDict", "defaultdict", "deque"],
)
def test_a_placeholder_reaches_no_body(wrap: Callable[[Any], object]) -> None:
    """In whatever it is passed: its value arrives, or the workflow is refused. Never the placeholder itself."""
    received: list[object] = []
    with Workflow("flow") as flow:
        output = produce()
        flow.add_task(Task("take", received.append, args=[wrap(output)]))
    try:
        WorkflowManager("memory", observers=[]).run(flow, raise_on_failure=False)
    except PenstockError:
        return
    assert "output of" not in repr(received)

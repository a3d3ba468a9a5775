"""The arguments of a task as text: equal for equal calls, whatever the process; other for others."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from penstock import Task, Workflow, WorkflowManager, task, workflow
from penstock.plan.plan import Plan


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    """Says nothing of what it holds."""


@task
def call(*args: object, **kwargs: object) -> None: ...


def wiring(*args: Any, **kwargs: Any) -> str:
    """The wiring of a call with these arguments."""
    with Workflow("flow") as flow:
        call(*args, **kwargs)
    return compiled(flow).wiring[0]


def compiled(flow: Any) -> Plan:
    return WorkflowManager("memory").compile(flow)


VALUES: list[Any] = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    "",
    float("nan"),
    1j,
    [1],
    (1,),
    {1},
    frozenset([1]),
    {"a": 1},
    {"a": 2},
    {"b": 1},
    [],
    (),
    {},
    [[1]],
    [1, 1],
    date(2013, 1, 1),
    datetime(2013, 1, 1),
    time(1),
    timedelta(1),
    Path("a"),
    Decimal(1),
    UUID(int=1),
    Colour.RED,
    Colour.BLUE,
    "x" * 500,
    "x" * 501,
    len,
    print,
    Plain,
]


def test_calls_with_other_values_have_other_texts() -> None:
    texts = [wiring(value) for value in VALUES]
    assert len(set(texts)) == len(VALUES)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_calls_with_equal_values_have_one_text(value: Any) -> None:
    assert wiring(value) == wiring(value)


def test_a_set_has_one_text_in_whatever_order_it_is_kept() -> None:
    assert wiring({"a", "b", "c"}) == wiring({"c", "a", "b"})


def test_a_value_that_says_nothing_of_itself_stands_by_its_type() -> None:
    assert wiring(Plain()) == wiring(Plain())
    assert wiring(Plain()) != wiring(Fraction(1, 2))
    assert "0x" not in wiring(Plain()), "an address is another one in the next process"


def test_the_place_of_an_argument_counts() -> None:
    assert len({wiring(1, 2), wiring(2, 1), wiring(1, a=2), wiring(1, b=2), wiring([1, 2])}) == 5


def test_long_constants_do_not_swell_the_plan() -> None:
    assert len(wiring("x" * 1_000_000)) < 500


def test_outputs_and_parameters_stand_by_name() -> None:
    @workflow
    def flow(day: int = 1) -> None:
        a = call.named("a")()
        call.named("b")(a, [a, day])
        call.named("c")("a", ["a", "day"])

    plan = compiled(flow)
    assert plan.wiring[1] != plan.wiring[2]
    assert plan.wiring[1] == "(#a, list(#a, $day))"


def test_a_task_and_its_output_are_wired_alike() -> None:
    a = Task("a", print)
    flow = Workflow("flow")
    for one in (a, Task("b", print, args=[a]), Task("c", print, args=[a.output])):
        flow.add_task(one)
    _, b, c = compiled(flow).wiring
    assert b == c


def test_a_text_that_looks_like_a_reference_is_none() -> None:
    with Workflow("flow") as flow:
        a = call.named("a")()
        call.named("b")(a)
        call.named("c")("#a")
    _, b, c = compiled(flow).wiring
    assert b != c


def test_order_without_data_is_no_wiring() -> None:
    with Workflow("flow") as flow:
        a = call.named("a")()
        call.named("b")(1)
        call.options(name="c", after=a)(1)
    _, b, c = compiled(flow).wiring
    assert b == c

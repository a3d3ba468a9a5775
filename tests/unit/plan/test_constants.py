"""How constants among the arguments of a task are told apart, and how values are found among them."""

from __future__ import annotations

import enum
from collections import deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from penstock import Task, Workflow, WorkflowManager
from penstock.definition.placeholder import ParameterPlaceholder
from penstock.plan.wiring import as_text, fill_in, needs_values


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


PAIRS: dict[str, tuple[Any, Any]] = {
    "bool": (True, False),
    "int": (1, 2),
    "float": (0.5, 1.5),
    "complex": (1j, 2j),
    "str": ("a", "b"),
    "bytes": (b"a", b"b"),
    "date": (date(2013, 1, 1), date(2013, 1, 2)),
    "datetime": (datetime(2013, 1, 1, 1), datetime(2013, 1, 1, 2)),
    "time": (time(1), time(2)),
    "timedelta": (timedelta(1), timedelta(2)),
    "Decimal": (Decimal("0.1"), Decimal("0.10")),
    "path": (PurePosixPath("a"), PurePosixPath("b")),
    "UUID": (UUID(int=1), UUID(int=2)),
    "enum": (Size.SMALL, Size.LARGE),
    "function": (len, print),
    "class": (Size, PurePosixPath),
    "deque": (deque([1]), deque([2])),
    "set": ({1}, {2}),
    "dict": ({"a": 1}, {"a": 2}),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_two_values_of_a_kind_have_two_texts(kind: str) -> None:
    one, other = PAIRS[kind]
    assert as_text(one) != as_text(other)
    assert as_text([one]) != as_text([other])


def test_nothing_stands_for_itself() -> None:
    assert as_text(None) == "None"


def test_a_constant_is_shown_whole_up_to_two_hundred_characters() -> None:
    longest, longer = "x" * 198, "x" * 199  # with their quotes
    assert as_text(longest) == repr(longest)
    assert as_text(longer) != repr(longer)
    assert as_text(longer).startswith("<str ")


STAND_INS: list[Any] = [Task("a", print), Task("a", print).output, ParameterPlaceholder("day")]


@pytest.mark.parametrize("stand_in", STAND_INS, ids=["task", "output", "parameter"])
def test_a_stand_in_is_found_among_constants_and_filled_in_there(stand_in: Any) -> None:
    for among in ([1, stand_in], (stand_in, 1), {"a": 1, "b": stand_in}, [{"a": ([stand_in], 1)}]):
        assert needs_values(among)
        filled = fill_in(among, lambda task: "value", lambda name: "value")
        assert "value" in str(filled)
        assert type(filled) is type(among)
        assert not needs_values(filled)


@pytest.mark.parametrize("constant", [1, "a", [], [1, 2], (), (1,), {}, {"a": 1, "b": [2]}], ids=repr)
def test_where_there_is_none_nothing_is_found(constant: Any) -> None:
    assert needs_values(constant) is False
    assert fill_in(constant, lambda task: "value", lambda name: "value") == constant


def test_a_stand_in_where_none_is_filled_in_is_told_whatever_it_lies_beside_and_in() -> None:
    one = Task("one", print)
    for stray in ({1: "a", (one, 1): "b"}, {1, (1, one)}, deque([[1, one]])):
        flow = Workflow("flow")
        flow.add_task(one)
        flow.add_task(Task("two", print, args=[stray]))
        with pytest.raises(Exception, match="takes a value from within"):
            WorkflowManager("memory").compile(flow)

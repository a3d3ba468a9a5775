"""Notes about values, made when they are written."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.definition.secret import Secret
from penstock.engine.events import ValueRef
from penstock.results.memory import MemoryResults
from penstock.results.note import MOST_BYTES, Note, note_in
from penstock.results.values import load_value, store_value


def noted(value: Any) -> Note:
    """The note of a value that is stored, and comes back as it was."""
    results = MemoryResults()
    ref = store_value(value, results)
    assert ref is not None
    assert type(load_value(ref, results)) is type(value)
    note = note_in(ref)
    assert note is not None
    return note


@pytest.mark.parametrize("value", [1, "a", [1, 2], {"a": (1, 2)}, date(2026, 1, 2), "\n", ["a\nb"], b"a\nb"])
def test_a_small_plain_value_has_none(value: Any):
    results = MemoryResults()
    ref = store_value(value, results)
    assert ref is not None
    assert (ref.codec, note_in(ref)) == ("json", None)
    assert load_value(ref, results) == value


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        pa.table,
        lambda data: pa.table(data).to_batches()[0],
        lambda data: [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
    ],
    ids=["pandas", "polars", "arrow", "batch", "records"],
)
def test_a_table_shows_its_size_its_columns_and_its_first_rows(make: Any):
    note = noted(make({"n": [*range(1_000)], "day": [date(2026, 1, 2)] * 1_000}))
    assert note.shape == (1_000, 2)
    assert [name for name, _ in note.columns] == ["n", "day"]
    assert all(kind for _, kind in note.columns)
    assert note.rows[:2] == (("0", "2026-01-02"), ("1", "2026-01-02"))
    assert 2 < len(note.rows) < 10
    assert note.headline == f"{note.type} 1,000 x 2"


@pytest.mark.parametrize(
    ("value", "shape", "first"),
    [
        (pd.Series([1, 2], name="n"), (2,), ("1",)),
        (pl.Series("n", [1, 2]), (2,), ("1",)),
        (np.arange(6.0), (6,), ("0.0",)),
        (np.zeros((2, 3), int), (2, 3), ("0", "0", "0")),
        (np.zeros((2, 3, 4)), (2, 3, 4), ("0.0",)),
        (np.array([(1, "a")], [("n", int), ("s", "U3")]), (1,), ("1", "a")),
    ],
)
def test_series_and_arrays(value: Any, shape: tuple[int, ...], first: tuple[str, ...]):
    note = noted(value)
    assert (note.shape, note.rows[0]) == (shape, first)


@dataclass
class Order:
    id: int
    lines: list[int]
    key: str = field(default="hidden", repr=False)


class Plain:
    def __init__(self) -> None:
        self.a, self.b = 1, [2, 3]


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self) -> None:
        self.x = 1


class Said:
    def __repr__(self) -> str:
        return "Said(accuracy=0.93)"


Point = namedtuple("Point", "x y")  # it is the plain one that is meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Order(1, [2]), "Order(id=1, lines=[2])"),
        (Plain(), "Plain(a=1, b=[2, 3])"),
        (Slotted(), "Slotted(x=1)"),
        (Said(), "Said(accuracy=0.93)"),
        (Point(1, "a"), "Point(x=1, y='a')"),
        ({"o": Order(1, [])}, "{'o': Order(id=1, lines=[])}"),
        ([Plain()], "[Plain(a=1, b=[2, 3])]"),
        ((Said(), {3}), "(Said(accuracy=0.93), {3})"),
    ],
)
def test_an_object_is_told_by_what_it_says_or_by_what_is_in_it(value: Any, text: str):
    assert noted(value).text == text


class Endless:
    def __repr__(self) -> str:
        while True:
            pass


class Failing:
    def __repr__(self) -> str:
        raise SystemExit(3)


class Huge:
    def __repr__(self) -> str:
        return "a" * 100_000


class Deep:
    def __init__(self) -> None:
        self.inner: Any = self


@pytest.mark.parametrize("kind", [Endless, Failing, Huge, Deep])
def test_no_object_fails_its_task_or_keeps_it(kind: type):
    note = noted(kind())
    assert note.type.endswith(kind.__name__)
    assert note.text.startswith(kind.__name__) or set(note.text) == {"a", "…"}
    assert len(note.text) < MOST_BYTES


class Asked:
    def __init__(self, content: str) -> None:
        self.content = content

    def __repr__(self) -> str:
        raise AssertionError("this ran")


def test_of_a_large_value_nothing_is_asked():
    assert noted(Asked("a" * 2_000_000)).text.startswith("Asked(content='aaa")


def test_a_list_in_itself_comes_to_an_end():
    value: list[Any] = []
    value.append(value)
    assert noted(value).text.startswith("[[")


@given(
    st.lists(st.text(max_size=60), min_size=1, max_size=60),
    st.lists(st.text(st.characters(), max_size=200), min_size=1, max_size=20),
)
def test_a_note_is_small_and_comes_back(names: list[str], cells: list[str]):
    note = Note(
        names[0],
        (7, 8),
        tuple((name, "text") for name in names),
        tuple(tuple((cells * 60)[: len(names)]) for _ in range(5)),
        "".join(cells),
    )
    text = note.encode()
    assert len(text.encode()) <= MOST_BYTES
    assert "\n" not in text
    found = note_in(ValueRef("pickle", 1, None, f"AAAA\n{text}"))
    assert found is not None
    assert found.shape == (7, 8)
    assert all(len(row) == len(found.columns) for row in found.rows)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1,2,3]", '["a",["b"]]', '["a",[],["b"]]', "null", "5", '["a",[1],[[]]]']
)
def test_what_is_no_note_is_not_taken_for_one(text: str):
    note = note_in(ValueRef("pickle", 1, None, f"AAAA\n{text}"))
    assert note is None or isinstance(note.type, str)


class Keeper:
    """Something that says more than it holds in so many words."""

    def __init__(self, text: str) -> None:
        self.text = text[::-1]

    def __repr__(self) -> str:
        return f"{'-' * 900}{self.text[::-1]}"


@pytest.mark.parametrize("length", range(80, 110, 3))
def test_no_part_of_a_secret_is_noted(length: int):
    secret = Secret("correct-horse-battery-staple")
    note = note_in(
        store_value(Keeper("." * length + secret.get_secret_value()), MemoryResults()) or ValueRef("json", 0)
    )
    assert note is None or "corr" not in note.text
    frame = pd.DataFrame({"a": ["." * (length - 75) + "correct-horse-battery-staple"[::-1]] * 2})
    kept = note_in(store_value(frame, MemoryResults()) or ValueRef("json", 0))
    assert kept is not None

"""What several tasks may have at once cannot be changed by one of them."""

from __future__ import annotations

import dataclasses
import decimal
import threading
import uuid
from collections import namedtuple
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path, PureWindowsPath
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from penstock.results.values import share, shareable

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = 1


class Row(NamedTuple):
    a: Any


class LooseTuple(tuple[int, ...]):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    registry: ClassVar[list[int]] = []


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: Any


@dataclasses.dataclass
class Thawed:
    a: Any


class Loose(Frozen):
    """Its own attributes can be set, since it is no frozen dataclass itself."""


@dataclasses.dataclass(frozen=True)
class FrozenList(list[int]):
    a: int


IMMUTABLE = [
    None,
    True,
    1,
    1.5,
    1j,
    "a",
    b"a",
    range(3),
    (),
    (1, "a", (2, frozenset({3}))),
    frozenset({1, (2,)}),
    date(2020, 1, 1),
    datetime(2020, 1, 1, tzinfo=ZoneInfo("UTC")),
    timedelta(1),
    UTC,
    ZoneInfo("UTC"),
    decimal.Decimal(1),
    uuid.UUID(int=1),
    Path("a"),
    PureWindowsPath("a"),
    Colour.RED,
    Point(1, 2),
    Row("a"),
    Frozen(1),
    Frozen((1, Frozen("a"))),
    Slotted(1),
    pa.table({"a": [1]}),
    pa.table({"a": [1]}).to_batches()[0],
    pl.LazyFrame({"a": [1]}),
    (1, pa.table({"a": [1]})),
]
MUTABLE = [
    [],
    {},
    set(),
    bytearray(),
    ([],),
    (1, (2, [3])),
    Point(1, []),
    Row({}),
    LooseTuple((1,)),
    Frozen([]),
    Slotted({}),
    Thawed(1),
    Loose(1),
    FrozenList(1),
    np.zeros(3),
    pd.DataFrame({"a": [1]}),
    pd.Series([1]),
    object(),
    threading.Lock(),
    (pl.DataFrame({"a": [1]}),),
    pl.DataFrame({"a": pl.Series([[]], dtype=pl.Object)}),
    pl.Series([[]], dtype=pl.Object),
    ValueError("a"),
]


@pytest.mark.parametrize("value", IMMUTABLE, ids=range(len(IMMUTABLE)))
def test_immutable_values_are_shared_as_they_are(value):
    assert shareable(value)
    assert share(value) is value


@pytest.mark.parametrize("value", MUTABLE, ids=range(len(MUTABLE)))
def test_mutable_values_are_not_shared(value):
    assert not shareable(value)


def test_deep_tuples_are_not_followed_to_the_end():
    value: Any = 1
    for _ in range(100_000):
        value = (value,)
    assert not shareable(value)
    while value != 1:
        (value,) = value


CHANGES: dict[str, Any] = {
    "set an element": lambda frame: frame.__setitem__((0, "a"), 9),
    "insert a column": lambda frame: frame.insert_column(0, pl.Series("z", [0, 0])),
    "replace a column": lambda frame: frame.replace_column(0, pl.Series("a", [7, 7])),
    "drop a column": lambda frame: frame.drop_in_place("a"),
    "rename columns": lambda frame: setattr(frame, "columns", ["x", "y"]),
    "extend": lambda frame: frame.extend(frame.clone()),
    "extend a column": lambda frame: frame.get_column("a").extend(pl.Series([5, 5])),
    "set in a column": lambda frame: frame.get_column("a").__setitem__(0, 9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_polars_frame_can_be_changed_by_one_task_alone(change):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert shareable(frame)
    first, second = share(frame), share(frame)
    CHANGES[change](first)
    for other in (frame, second):
        assert other.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}


def test_a_polars_series_can_be_changed_by_one_task_alone():
    series = pl.Series("a", [1, 2])
    assert shareable(series)
    first, second = share(series), share(series)
    first[0] = 9
    first.extend(pl.Series([5]))
    first.rename("b")
    assert series.to_list() == second.to_list() == [1, 2]
    assert second.name == "a"

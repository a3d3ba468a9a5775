"""What pickle does for the values that no other codec gives back exactly."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Any, NamedTuple

import pandas as pd
import pytest

from penstock.errors import ValueUnavailable
from penstock.results.codecs import NotTaken
from penstock.results.memory import MemoryResults
from penstock.results.pickling import PickleCodec, dump, read_header
from penstock.results.values import load_value, store_value


class Colour(Enum):
    RED = 1


class Access(IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    id: int
    lines: list[Any]


class Text(str):
    origin: str


def function(number: int) -> int:
    return number + 1


@pytest.mark.parametrize(
    "value",
    [
        Access.READ | Access.WRITE,
        Point(1, 2),
        [Point(1, 2)],
        Order(1, [Order(2, [])]),
        OrderedDict(a=1),
        defaultdict(list, a=[1]),
        deque([1], maxlen=3),
        bytearray(b"ab"),
        range(3),
        {"a": (Colour.RED,)},
    ],
    ids=range(10),
)
def test_objects_come_back_as_what_they_were(value):
    loaded = load_value(store_value(value, MemoryResults()), MemoryResults())
    assert loaded == value
    assert type(loaded) is type(value)


def test_enum_members_classes_and_functions_come_back_as_themselves():
    for value in (Colour.RED, Order, function, len):
        assert load_value(store_value(value, MemoryResults()), MemoryResults()) is value


def test_attributes_of_a_subclass_come_back():
    text = Text("a")
    text.origin = "here"
    loaded = load_value(store_value(text, MemoryResults()), MemoryResults())
    assert (type(loaded), loaded, loaded.origin) == (Text, "a", "here")


def test_what_has_no_name_comes_back_by_value():
    @dataclass
    class Local:
        number: int

    factor = 3
    local, triple = load_value(store_value([Local(5), lambda x: factor * x], MemoryResults()), MemoryResults())
    assert local == Local(5)
    assert triple(2) == 6


def written(value: Any) -> io.BytesIO:
    file = io.BytesIO()
    PickleCodec().write(value, file)
    file.seek(0)
    return file


def test_the_header_says_what_is_pickled_by_what():
    python = "{}.{}.{}".format(*sys.version_info[:3])
    assert read_header(written(Order(1, []))) == {"python": python, "type": f"{__name__}.Order"}
    assert read_header(written(pd.Series([1]))) == {
        "python": python,
        "type": f"{pd.Series.__module__}.Series",
        "library": f"pandas {pd.__version__}",
    }


def test_a_type_with_an_endless_name_has_a_header_all_the_same():
    file = written(type("Ü" * 5_000, (dict,), {})())
    assert len(file.readline()) <= 1_024
    file.seek(0)
    assert PickleCodec().read(file, None) == {}


class Shrinks:
    """Large when it is pickled for the first time, small after that."""

    def __init__(self) -> None:
        self.sizes = [200_000, 1]

    def __reduce__(self) -> Any:
        return bytes, (bytes(self.sizes.pop(0)),)


def test_only_the_last_attempt_is_kept():
    """Plain pickle gives up in the middle of this value; cloudpickle begins again at the same place."""
    file = io.BytesIO()
    file.write(b"before")
    dump([Shrinks(), lambda: 5], file)
    file.seek(6)
    small, five = pickle.load(file)
    assert (small, five(), file.read()) == (b"\x00", 5, b"")


@pytest.mark.parametrize("value", [memoryview(b"a"), sys.__stdout__, sys._getframe()], ids=range(3))
def test_what_cloudpickle_would_change_is_not_taken(value):
    with pytest.raises(NotTaken):
        dump([value], io.BytesIO())


GONE = """
import io, sys
from penstock.results.pickling import PickleCodec
sys.modules["shop"] = shop = type(sys)("shop")
shop.__version__ = "4.2"
exec("class Order: pass", shop.__dict__)
file = io.BytesIO()
PickleCodec().write(shop.Order(), file)
sys.stdout.buffer.write(file.getvalue())
"""


def test_a_value_of_a_type_that_is_gone_says_what_to_do():
    done = subprocess.run([sys.executable, "-c", GONE], capture_output=True, check=True)
    with pytest.raises(ValueUnavailable, match=r"shop\.Order.*shop 4\.2.*No module named 'shop'.*importable"):
        PickleCodec().read(io.BytesIO(done.stdout), None)

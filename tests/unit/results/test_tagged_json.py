"""Plain values come back from JSON as they were, and text from anywhere is read without harm."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from collections import OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import PenstockError, ValueUnavailable
from penstock.results.tagged_json import NotPlain, dumps, loads
from tests.unit.results.exact import exact

ZONES = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")]
any_text = st.text(st.characters(exclude_categories=()), max_size=8)
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.sampled_from(ZONES),
    offsets.map(timezone),
    st.builds(timezone, offsets, any_text),
)
folds = st.sampled_from([0, 1])
datetimes = st.builds(lambda at, zone, fold: at.replace(tzinfo=zone, fold=fold), st.datetimes(), zones, folds)
times = st.builds(lambda at, zone, fold: at.replace(tzinfo=zone, fold=fold), st.times(), zones, folds)
hashables = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.builds(int.__lshift__, st.integers(), st.integers(0, 20_000)),
    st.floats(),
    st.complex_numbers(),
    any_text,
    st.sampled_from(["$", "$tuple", "$dict", "$int", "\ud83d\ude00", "\udcff", "\U0001f600", "\x00", "NaN", "null"]),
    st.binary(max_size=8),
    st.dates(),
    datetimes,
    times,
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    any_text.map(Path),
    any_text.map(PurePosixPath),
    any_text.map(PureWindowsPath),
    st.sampled_from(ZONES),
    offsets.map(timezone),
)
keys = st.recursive(hashables, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
plain = st.recursive(
    hashables | st.decimals(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(any_text, inner, max_size=4),
    ),
    max_leaves=20,
)

Point = namedtuple("Point", "x y")


NAMELESS_ZONE = ZoneInfo.from_file(
    io.BytesIO(b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"ODD\0")
)


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Name(StrEnum):
    A = "a"


class MyStr(str):
    __slots__ = ()


class MyInt(int):
    pass


class MyDict(dict[Any, Any]):
    pass


@given(plain)
def test_plain_values_come_back_exactly(value):
    text = dumps(value)
    assert exact(loads(text)) == exact(value)
    text.encode()  # a journal is UTF-8
    assert "\n" not in text


@pytest.mark.parametrize(
    "value",
    [
        [1, True, 1.0, "1"],
        {1: "int", "1": "str", 1.5: "float", None: "none", (1, 2): "tuple"},
        {True: 1},
        {"$tuple": [1]},
        {"$unknown": 1},
        {"$tuple": [1], "x": 2},
        {"$dict": [["a", 1]]},
        [float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 5e-324, 0.1 + 0.2],
        complex(float("nan"), -0.0),
        ["\ud83d\ude00", "\U0001f600"],
        {"\ud800": 1},
        [10**5000, -(10**5000), 2**2048, 2**2047],
        ((), [], {}, set(), frozenset(), b"", ""),
        [(1, 2)] * 3,
        [None] * 3,
        datetime(2013, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=1, microseconds=1), "odd")),
        time(1, 2, 3, 4, tzinfo=UTC),
        [time(1, tzinfo=timezone(timedelta(microseconds=1))), time(1, tzinfo=timezone(timedelta(seconds=-1)))],
        timedelta(-1, 5, 7),
        [Decimal("1.10"), Decimal("-0"), Decimal("NaN123"), Decimal("sNaN"), Decimal("1E+999999")],
        UUID(int=5),
        [Path("a/b"), Path("/x/\udcff"), PurePosixPath("a"), PureWindowsPath("c:\\a")],
    ],
)
def test_values_that_json_would_change_come_back_exactly(value):
    assert exact(loads(dumps(value))) == exact(value)


def test_utc_comes_back_as_the_one_utc():
    assert loads(dumps(datetime(2013, 1, 1, tzinfo=UTC))).tzinfo is UTC


def test_clean_json_is_written_as_json():
    value = {"a": [1, 2.5, None, True], "b": {"c": "ü"}}
    assert dumps(value) == '{"a":[1,2.5,null,true],"b":{"c":"ü"}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, "a"), '{"$tuple":[1,"a"]}'),
        (date(2013, 1, 2), '{"$date":"2013-01-02"}'),
        (datetime(2013, 1, 2, tzinfo=UTC), '{"$datetime":"2013-01-02T00:00:00+00:00"}'),
        (
            datetime(2013, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
            '{"$datetime":["2013-01-02T00:00:00",0,{"$zoneinfo":"Europe/Berlin"}]}',
        ),
        (b"abc", '{"$bytes":"YWJj"}'),
        (float("nan"), '{"$float":"nan"}'),
        ({1: 2}, '{"$dict":[[1,2]]}'),
        (Decimal("1.10"), '{"$decimal":"1.10"}'),
    ],
)
def test_the_format_stays_as_it_is(value, text):
    """What old journals hold must be readable for ever: this test may gain lines, but never lose or change one."""
    assert dumps(value) == text
    assert exact(loads(text)) == exact(value)


@pytest.mark.parametrize(
    "value",
    [
        Point(1, 2),
        Colour.RED,
        Level.LOW,
        Name.A,
        MyStr("a"),
        MyInt(1),
        MyDict(a=1),
        OrderedDict(a=1),
        defaultdict(list),
        bytearray(b"a"),
        object(),
        int,
        len,
        bytes(100_000),
        NAMELESS_ZONE,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_come_back_as_something_else_is_not_plain(value):
    for holder in (value, [value], {"a": value}, (1, value)):
        with pytest.raises(NotPlain):
            dumps(holder)
    assert issubclass(NotPlain, PenstockError)


def test_a_list_that_occurs_twice_is_not_plain():
    shared = [1]
    for value in ([shared, shared], {"a": shared, "b": (shared,)}, [[], {"a": shared}, shared]):
        with pytest.raises(NotPlain, match="twice"):
            dumps(value)


def test_a_value_that_contains_itself_is_not_plain():
    value: list[Any] = []
    value.append(value)
    wide: dict[str, Any] = {}
    wide.update(a=wide, b=wide)
    for circle in (value, wide):
        with pytest.raises(NotPlain):
            dumps(circle)


def test_a_value_that_would_explode_is_not_plain():
    value: Any = (1, 2)
    for _ in range(60):
        value = (value, value)
    with pytest.raises(NotPlain):
        dumps(value)


@pytest.mark.parametrize("depth", [65, 5_000, 200_000])
def test_deep_nesting_is_not_plain(depth):
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    with pytest.raises(NotPlain):
        dumps(value)
    while value:  # so that the interpreter need not do it recursively
        value = value.pop()


def test_nesting_as_deep_as_is_allowed_comes_back():
    value: Any = "end"
    for depth in range(60):
        value = [{depth: value}, (value,) if depth == 59 else depth][0]
    assert exact(loads(dumps(value))) == exact(value)


HOSTILE = [
    "",
    "{",
    "nul",
    "NaN",
    "[Infinity]",
    "[" * 100_000,
    '{"$tuple":' * 50_000,
    "1" * 5_000,
    '{"$nothing":1}',
    '{"$tuple":"ab"}',
    '{"$tuple":{"$tuple":[]}}',
    '{"$set":[[]]}',
    '{"$dict":["ab"]}',
    '{"$dict":[[1]]}',
    '{"$dict":[[[],1]]}',
    '{"$bytes":"%%%"}',
    '{"$bytes":"YQ"}',
    '{"$bytes":"é"}',
    '{"$str":"gA=="}',
    '{"$int":"__import__"}',
    '{"$float":"0"}',
    '{"$complex":["a","b"]}',
    '{"$date":"2013-02-30"}',
    '{"$datetime":[1,2,3]}',
    '{"$datetime":["2013-01-01",0,"UTC"]}',
    '{"$datetime":["2013-01-01",7,null]}',
    '{"$time":["25:00",0,null]}',
    '{"$timedelta":[1e300]}',
    '{"$timedelta":[1,2,3,4,5,6,7,8]}',
    '{"$timezone":[5]}',
    '{"$timezone":[{"$timedelta":[2,0,0]}]}',
    '{"$zoneinfo":"../../etc/passwd"}',
    '{"$zoneinfo":"/etc/passwd"}',
    '{"$zoneinfo":"Nowhere/Land"}',
    '{"$zoneinfo":"Europe"}',
    '{"$zoneinfo":"a\\u0000b"}',
    '{"$zoneinfo":"' + "a" * 10_000 + '"}',
    '{"$decimal":"one"}',
    '{"$uuid":"x"}',
    '{"$path":1}',
    "1 2",
    "\ufeff1",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:40]))
def test_malformed_text_is_refused(text):
    with pytest.raises(ValueUnavailable):
        loads(text)


TAGS = """str int float complex bytes tuple set frozenset dict date datetime time timedelta timezone zoneinfo decimal
    uuid path pureposixpath purewindowspath other"""
tags = st.sampled_from([f"${name}" for name in TAGS.split()])
payloads = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["2013-01-01", "UTC", "0x1"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(tags, inner, min_size=1, max_size=1),
        st.dictionaries(tags | st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=10,
)


@given(st.dictionaries(tags, payloads, min_size=1, max_size=1))
def test_hostile_text_gives_a_value_or_a_refusal(document):
    try:
        value = loads(json.dumps(document))
    except ValueUnavailable:
        return
    assert exact(loads(dumps(value))) == exact(value)


@given(st.text())
def test_any_text_gives_a_value_or_a_refusal(text):
    try:
        loads(text)
    except ValueUnavailable:
        pass


def test_text_in_an_unknown_time_zone_says_what_to_do():
    with pytest.raises(ValueUnavailable, match=r"Nowhere/Land.*tzdata"):
        loads('{"$zoneinfo":"Nowhere/Land"}')


def test_integers_can_be_read_where_python_was_told_to_write_longer_ones():
    """A task may lift the limit on decimal digits for its process; others still read what it stored."""
    program = (
        "import sys; sys.set_int_max_str_digits(0)\n"
        "from penstock.results.tagged_json import dumps\n"
        "print(dumps([10**9000, {'a': 10**9000}]))"
    )
    text = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loads(text) == [10**9000, {"a": 10**9000}]


def test_reading_and_writing_import_nothing_heavy():
    program = (
        "import sys\n"
        "from penstock.results.values import store_value, load_value\n"
        "from penstock.results.memory import MemoryResults\n"
        "results = MemoryResults()\n"
        "for value in (1, 'a', [1, (2,)], {1: b'x'}):\n"
        "    assert load_value(store_value(value, results), results) == value\n"
        "heavy = 'polars pandas pyarrow numpy cloudpickle asyncio importlib.metadata decimal uuid'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"

"""Values find the codec that gives them back exactly, and lie in the journal or in the result store by their size."""

from __future__ import annotations

import base64
import socket
import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.events import ValueRef
from penstock.errors import StoreError, TaskTimeout, ValueUnavailable
from penstock.results.codecs import INLINE_LIMIT, codec_named, codecs_for
from penstock.results.files import FileResults
from penstock.results.memory import MemoryResults
from penstock.results.note import content_in
from penstock.results.values import VOLATILE, load_value, store_value
from tests.unit.results.exact import exact


@pytest.fixture
def results() -> MemoryResults:
    return MemoryResults()


def round_trip(value: Any, results: Any) -> tuple[ValueRef, Any]:
    ref = store_value(value, results)
    assert ref is not None
    return ref, load_value(ref, results)


def test_none_needs_no_reference(results):
    assert store_value(None, results) is None
    assert load_value(None, results) is None


@pytest.mark.parametrize(
    "value", [0, True, 1.5, "a", "ü", float("nan"), (1, 2), {"a": [1]}, date(2013, 1, 2), b"abc", {1}]
)
def test_small_plain_values_lie_in_the_journal_as_json(results, value):
    ref, loaded = round_trip(value, results)
    assert (ref.codec, ref.digest) == ("json", None)
    assert ref.inline is not None
    assert ref.size == len(ref.inline.encode())
    assert exact(loaded) == exact(value)
    assert results.digests() == []


@given(st.integers(0, 3 * INLINE_LIMIT), st.sampled_from(["a", "é", "\ud800", "\x00"]))
def test_strings_come_back_whatever_their_length(length, letter):
    results = MemoryResults()
    ref, loaded = round_trip(letter * length, results)
    assert loaded == letter * length
    assert (content_in(ref) is None) == (ref.size > INLINE_LIMIT)


@given(st.integers(0, 3 * INLINE_LIMIT))
def test_bytes_come_back_whatever_their_length(length):
    results = MemoryResults()
    ref, loaded = round_trip(b"\xff" * length, results)
    assert loaded == b"\xff" * length
    assert (content_in(ref) is None) == (ref.size > INLINE_LIMIT)


@given(st.integers(INLINE_LIMIT - 20, INLINE_LIMIT + 20), st.booleans())
def test_the_limit_of_what_the_journal_keeps_is_exact(length, as_list):
    results = MemoryResults()
    value: Any = ["a" * (length - 4)] if as_list else "a" * (length - 2)
    ref, loaded = round_trip(value, results)
    assert ref.size == length or (ref.codec, ref.size) == ("text", length - 2)
    assert (content_in(ref) is not None) == (ref.size <= INLINE_LIMIT)
    assert loaded == value


@pytest.mark.parametrize(
    ("value", "codec"),
    [
        ("ab\ud83d\ude00é" * 1_000_000, "text"),
        (b"\x00\xff" * 1_000_000, "bytes"),
        (list(range(10_000)), "json"),
        ({"a" * 5_000: "é\ud800"}, "json"),
        ([bytes(100_000)], "pickle"),
        (10**20_000, "json"),
    ],
    ids=["text", "bytes", "list", "dict", "large bytes within", "large integer"],
)
def test_large_values_lie_in_the_store(results, value, codec):
    ref, loaded = round_trip(value, results)
    assert (ref.codec, content_in(ref)) == (codec, None)
    assert [ref.digest] == results.digests()
    assert ref.size > INLINE_LIMIT
    assert loaded == value
    assert type(loaded) is type(value)


def test_every_load_decodes_anew(results):
    ref = store_value([[1]], results)
    first = load_value(ref, results)
    first[0].append(2)
    assert load_value(ref, results) == [[1]]


def generator() -> Any:
    yield 1


def test_what_no_codec_takes_is_volatile(results, tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    with (
        path.open() as text,
        path.open("rb") as binary,
        path.open("a") as appended,
        socket.socket() as connection,
        closing(sqlite3.connect(tmp_path / "database")) as database,
    ):
        values = [text, binary, connection, database, (1, appended), threading.Lock(), generator(), memoryview(b"abc")]
        check_volatile([*values, threading.current_thread(), {"inside": [threading.Lock()]}], results)


def check_volatile(values: list[Any], results: MemoryResults) -> None:
    for value in values:
        ref = store_value(value, results)
        assert ref == VOLATILE == ValueRef("volatile", 0), value
        with pytest.raises(ValueUnavailable, match=r"not kept.*run its task again"):
            load_value(ref, results)


def test_what_is_given_up_leaves_nothing_in_the_store(tmp_path):
    results = FileResults(tmp_path)
    value = [bytes(200_000), threading.Lock()]
    assert store_value(value, results) == VOLATILE
    assert results.digests() == []
    assert results.sweep(older_than=0) == 0


def test_nesting_that_no_codec_takes_is_volatile(results):
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert store_value(value, results) == VOLATILE
    while value:
        value = value.pop()


def test_a_value_that_contains_itself_comes_back_as_one(results):
    value: list[Any] = [1]
    value.append(value)
    _, loaded = round_trip(value, results)
    assert loaded[1] is loaded


def test_a_list_shared_within_a_value_comes_back_shared(results):
    shared = [1]
    _, loaded = round_trip({"a": shared, "b": shared}, results)
    assert loaded["a"] is loaded["b"]


def test_a_service_refuses_to_unpickle(results):
    for value in ({1, complex}, Path, [bytes(100_000)]):
        ref = store_value(value, results)
        assert ref is not None
        assert ref.codec == "pickle"
        with pytest.raises(ValueUnavailable, match="pickle"):
            load_value(ref, results, unpickle=False)
    for plain in ([1], "a" * 10_000, b"a" * 10_000):
        assert load_value(store_value(plain, results), results, unpickle=False) == plain


class Explodes:
    def __reduce__(self) -> Any:
        return exploding, ()


def exploding() -> None:
    raise AssertionError("this was unpickled")


def test_a_reference_that_lies_about_its_codec_runs_nothing(results):
    ref = store_value(Explodes(), results)
    assert ref is not None
    for codec in (
        "json",
        "text",
        "bytes",
        "arrow",
        "arrow-batch",
        "polars",
        "polars-series",
        "numpy",
        "numpy-scalar",
        "volatile",
        "nothing",
    ):
        lie = ref._replace(codec=codec)
        try:
            load_value(lie, results, unpickle=False)
        except ValueUnavailable:
            continue
        assert codec in {"text", "bytes"}


HOSTILE_REFS = [
    ValueRef("json", 1),
    ValueRef("json", 1, None, "{"),
    ValueRef("json", 1, "../../etc/passwd"),
    ValueRef("json", 1, "0" * 64),
    ValueRef("json", 1, "\x00"),
    ValueRef("pickle", 4, None, "AAAA"),
    ValueRef("pickle", 3, None, "AAAA"),
    ValueRef("pickle", 3, None, "é"),
    ValueRef("pickle", 3, None, "not base64"),
    ValueRef("pickle", 0, None, ""),
    ValueRef("pickle", 16, None, base64.b64encode(b"penstock-pickle ").decode()),
    ValueRef("pickle", 19, None, base64.b64encode(b"penstock-pickle {}\n").decode()),
    ValueRef("pickle", 21, None, base64.b64encode(b"penstock-pickle [1]\n.").decode()),
    ValueRef("bytes", -1, None, "AAAA"),
    ValueRef("text", 1, None, base64.b64encode(b"\xff").decode()),
    ValueRef("arrow", 3, None, "AAAA"),
    ValueRef("arrow-batch", 3, None, "AAAA"),
    ValueRef("polars", 3, None, "AAAA"),
    ValueRef("polars-series", 3, None, "AAAA"),
    ValueRef("numpy", 3, None, "AAAA"),
    ValueRef("numpy-scalar", 3, None, "AAAA"),
    ValueRef("nothing", 3, None, "AAAA"),
    ValueRef("", 3, None, "AAAA"),
    ValueRef("volatile", 3, None, "AAAA"),
]


@pytest.mark.parametrize("ref", HOSTILE_REFS, ids=range(len(HOSTILE_REFS)))
def test_a_reference_that_cannot_be_is_refused(tmp_path, ref):
    for results in (MemoryResults(), FileResults(tmp_path)):
        with pytest.raises(ValueUnavailable):
            load_value(ref, results)


@given(
    st.sampled_from(
        ["json", "text", "bytes", "arrow", "arrow-batch", "polars", "polars-series", "numpy", "numpy-scalar"]
    ),
    st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"\x93NUMPY\x01\x00" + data),
)
def test_bytes_that_no_codec_wrote_are_refused(codec, data):
    ref = ValueRef(codec, len(data), None, base64.b64encode(data).decode())
    try:
        load_value(ref, MemoryResults(), unpickle=False)
    except ValueUnavailable:
        pass


def test_a_size_that_does_not_fit_is_refused(results):
    ref = store_value("a" * 10_000, results)
    assert ref is not None
    with pytest.raises(ValueUnavailable, match="10,001"):
        load_value(ref._replace(size=10_001), results)


def test_a_deleted_value_is_unavailable(results):
    ref = store_value("a" * 10_000, results)
    assert ref is not None
    results.delete(str(ref.digest))
    with pytest.raises(ValueUnavailable, match="run its task again"):
        load_value(ref, results)


class TimesOut:
    """Its attempt is asked to end while it is pickled: once, as happens at any moment."""

    def __init__(self) -> None:
        self.told = False

    def __reduce__(self) -> Any:
        if not self.told:
            self.told = True
            raise TaskTimeout("too long")
        return TimesOut, ()


def test_a_time_out_while_a_value_is_written_is_no_fault_of_the_value(tmp_path):
    results = FileResults(tmp_path)
    for value in (TimesOut(), [bytes(200_000), TimesOut()]):
        with pytest.raises(TaskTimeout):
            store_value(value, results)
    assert results.sweep(older_than=0) == 0


def test_a_store_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError):
        store_value("a" * 10_000, FileResults(tmp_path / "file" / "results"))


def test_codecs_are_found_by_the_name_they_write():
    for value in (1, "a" * 10_000, b"a" * 10_000, object()):
        for codec in codecs_for(value):
            assert codec_named(codec.name).name == codec.name
    with pytest.raises(ValueUnavailable, match=r"'nothing'.*install"):
        codec_named("nothing")

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    Event,
    MapExpanded,
    RunStarted,
    TasksMarked,
    ValueRef,
)
from penstock.errors import StoreCorrupt
from penstock.store import records
from penstock.store.records import decode_events, encode_events
from penstock.testing.store_samples import EVERY_EVENT

any_text = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too
texts = st.one_of(any_text, st.sampled_from(["\ud83d\ude00", "\udcff", "\x00", "\u2028", '"\\', "NaN"]))
fields = {
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "str": texts,
    "bool": st.booleans(),
    "str | None": st.none() | texts,
    "int | None": st.none() | st.integers(),
    "float | None": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "ErrorText": st.builds(ErrorText, texts, texts, texts, texts),
    "ValueRef | None": st.none() | st.builds(ValueRef, texts, st.integers(0), st.none() | texts, st.none() | texts),
    "tuple[int, ...]": st.lists(st.integers(0)).map(tuple),
    "tuple[int, ...] | None": st.none() | st.lists(st.integers(0)).map(tuple),
    "tuple[str, ...]": st.lists(texts).map(tuple),
}
events = st.one_of(
    *(
        st.builds(event, **{field.name: fields[str(field.type)] for field in dataclasses.fields(event)})
        for event in get_args(Event)
    )
)
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@given(st.lists(events))
def test_events_come_back_as_they_were(batch: list[Event]):
    back = decode_events(encode_events(batch))
    assert back == batch
    assert list(map(repr, back)) == list(map(repr, batch))  # == would take 1 for 1.0 and for True


def test_the_examples_hold_every_kind_of_event():
    assert {type(event) for event in EVERY_EVENT} == set(get_args(Event))


def test_the_format_on_disk():
    """Changing this breaks every journal that was ever written."""
    body = zlib.decompress(encode_events(EVERY_EVENT))
    lines = [json.dumps(row) for row in json.loads(body.decode("utf-8", "surrogatepass"))]
    assert lines == [
        '["run", 1.5, ""]',
        f'["run", 1.5, "{"ab" * 16}"]',
        '["go", 0, 1, 2.5]',
        '["ok", 0, 1, 3.25, null]',
        '["ok", 1, 1, 3.25, ["json", 4, null, "null"]]',
        f'["ok", 2, 7, 3.25, ["pickle", 1099511627776, "{"ab" * 32}", null]]',
        '["ok", 6, 1, 3.25, null, [7, 8]]',
        '["ok", 6, 2, 3.25, null, null, 1500000]',
        '["ok", 6, 3, 3.25, ["json", 4, null, "null"], [7], 1500000, 1073741824]',
        '["skip", 6, 1, 3.25, "nothing to do"]',
        '["skip", 6, 4, 3.25, "nothing to do", 12000, 1073741824]',
        '["fail", 3, 1, 4.0, ["builtins.ValueError", "no \\ud800 \\u0000 \'quotes\' \\u2028", '
        '"Traceback\\n  ..."], true]',
        '["fail", 3, 2, 4.0, ["E", "", ""], false]',
        '["fail", 3, 3, 4.0, ["E", "", ""], true, 2.5]',
        '["fail", 3, 5, 4.0, ["E", "", ""], true, null, 1, 2]',
        '["fail", 3, 4, 4.0, ["E", "", "", "cGlja2xlZA=="], false]',
        '["lost", 4, 1, 5.0, ["WorkerLost", "signal 9", ""]]',
        '["end", 5, 1, 6.0]',
        '["due", 3, 7.0]',
        '["wait", 5, 1, 6.0, null]',
        '["wait", 5, 2, 6.0, 86400.5]',
        '["wait", 5, 3, 6.0, null, "go ahead"]',
        '["wake", 5, 7.0]',
        '["message", 7.5, "go ahead", null, "ann"]',
        '["message", 7.5, "go ahead", ["json", 4, null, "true"], "ann"]',
        '["map", 4, 7.0, 3, []]',
        '["map", 4, 7.0, 2, ["north", "south"]]',
        '["nomap", 4, 7.0, ["TypeError", "no list", ""]]',
        '["round", 0, -1, 7.0]',
        '["cancel", 8.0, "somebody"]',
        '["late", 9.0]',
        '["stop", 10.0, "SIGTERM"]',
        '["resume", 11.0, true]',
        '["rerun", 12.0, [1, 2, 3]]',
        '["mark", 12.0, [1, 2], "skipped", "ann", "why"]',
        f'["plan", 13.0, "{"f" * 64}"]',
        '["notifiers", 14.0, ["slack", ""]]',
        '["notifiers", 14.5, ["slack", "mail"], ["task_failed run_started", ""]]',
        '["told", 15.0, "run/task/0/1/failed"]',
        '["untold", 16.0, "run/task/0/1/failed", "OSError: no network"]',
    ]


def test_a_field_that_came_later_takes_its_default():
    for later in (b"", b",null", b",null,null"):
        assert decode_events(b'[["ok",1,2,3.5%s]]' % later) == [AttemptSucceeded(1, 2, 3.5, None, None)]
    for later in (b"", b",true", b",true,null"):
        failed = AttemptFailed(1, 1, 4.5, ErrorText("E", ""), True, None)
        assert decode_events(b'[["fail",1,1,4.5,["E","",""]%s]]' % later) == [failed]
    assert decode_events(b'[["map",1,3.5,2]]') == [MapExpanded(1, 3.5, 2, ())]
    assert decode_events(b'[["mark",3.5,[2],"failed","ann"]]') == [TasksMarked(3.5, (2,), "failed", "ann", "")]


def many(count: int) -> list[Event]:
    return [AttemptStarted(1_000_000 + number, 1, 1763829000.25 + number / 7) for number in range(count)]


def test_a_large_batch_is_compressed():
    small, large = encode_events(many(25)), encode_events(many(1_000))
    assert small.startswith(b'[["go",1000000,1,1763829000.25],')
    assert len(large) < 16 * 1_000
    assert decode_events(large) == many(1_000)
    plain = zlib.decompress(large)
    assert plain.startswith(small[:-1])
    assert decode_events(plain) == many(1_000), "as versions before wrote it"


@pytest.mark.parametrize(
    "change",
    [lambda body: body[:-1], lambda body: body[:2], lambda body: body + b"x"],
    ids=["cut off", "all but empty", "something behind it"],
)
def test_one_that_was_changed_is_refused(change: Callable[[bytes], bytes]):
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        decode_events(change(encode_events(many(1_000))))


def test_nobody_is_made_to_unpack_more_than_is_ever_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "MOST", 1_000)
    with pytest.raises(StoreCorrupt, match="too long"):
        decode_events(zlib.compress(b"[" + b" " * 1_000_000 + b"]"))


def test_an_empty_batch():
    assert encode_events([]) == b"[]"
    assert decode_events(b"[]") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b'""',
        b"{}",
        b'"go"',
        b'["run"]',
        b"[[]]",
        b'[["go"]]',
        b'[["unknown", 1]]',
        b"[[1, 1]]",
        b"[[[], 1]]",
        b'[["run", "now"]]',
        b'[["run", true]]',
        b'[["run", NaN]]',
        b'[["run", 1.0, 2.0]]',
        b'[["go", 1.5, 1, 1.0]]',
        b'[["go", "1", 1, 1.0]]',
        b'[["ok", 1, 1, 1.0, ["json", 4, null]]]',
        b'[["ok", 1, 1, 1.0, {"codec": "json"}]]',
        b'[["ok", 1, 1, 1.0, ["json", "4", null, null]]]',
        b'[["fail", 1, 1, 1.0, null, true]]',
        b'[["fail", 1, 1, 1.0, ["E", "", null], true]]',
        b'[["fail", 1, 1, 1.0, ["E", "", ""], 1]]',
        b'[["rerun", 1.0, [1, "2"]]]',
        b'[["ok", 1, 1, 1.0, null, 2]]',
        b'[["ok", 1, 1, 1.0, null, ["2"]]]',
        b'[["ok", 1, 1, 1.0, null, null, null, null, null]]',
        b'[["fail", 1, 1, 1.0, ["E", "", ""], true, "soon"]]',
        b'[["map", 1, 1.0, 2.5]]',
        b'[["map", 1, 1.0, 2, null]]',
        b'[["map", 1, 1.0, 2, [3]]]',
        b'[["nomap", 1, 1.0, null]]',
        b'[["round", 1, null, 1.0]]',
        b'[["mark", 1.0, [1], null, "ann"]]',
        b'[["run", 1.0]',
        b'[["run", 1.0]] []',
        b"[" * 100_000,
    ],
)
def test_what_is_no_batch_is_refused(body: bytes):
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        decode_events(body)


@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "go", "ok", "fail", "map", "rerun", "mark", "x"])).flatmap(
            lambda code: st.lists(json_values).map(lambda rest: [*code, *rest])
        )
    )
)
def test_any_json_is_read_or_refused(rows: list[list[object]]):
    body = json.dumps(rows).encode()
    try:
        batch = decode_events(body)
    except StoreCorrupt:
        return
    assert decode_events(encode_events(batch)) == batch


def test_a_time_that_is_no_number_is_not_written():
    with pytest.raises(ValueError, match="float"):
        encode_events([RunStarted(float("nan"))])


def test_a_batch_is_compact():
    batch: list[Event] = [
        AttemptStarted(5, 1, 1763829000.25),
        AttemptSucceeded(5, 1, 1763829000.5),
        AttemptFailed(5, 1, 1.0, ErrorText("E", "größer")),
    ]
    assert encode_events(batch) == (
        '[["go",5,1,1763829000.25],["ok",5,1,1763829000.5,null],["fail",5,1,1.0,["E","größer",""],true]]'.encode()
    )

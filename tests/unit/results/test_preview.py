"""A line about a stored value, without running code of the value's own."""

from __future__ import annotations

import base64
from typing import Any

import polars as pl
import pytest

from penstock.engine.events import ValueRef
from penstock.results.memory import MemoryResults
from penstock.results.note import content_in
from penstock.results.preview import preview
from penstock.results.values import store_value


class Order:
    def __repr__(self) -> str:
        raise AssertionError("this ran")

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("this ran")


def preview_of(value: Any, **options: Any) -> str:
    return preview(store_value(value, MemoryResults()), **options)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (5, "5"),
        ("a\nb", r"'a\nb'"),
        ((1, {2: float("nan")}), "(1, {2: nan})"),
        ("\x1b[31m", r"'\x1b[31m'"),
        ("a" * 5_000, "str of 5,000, 5.0 kB"),
        (b"a" * 2_500_000, "bytes of 2,500,000, 2.5 MB"),
        (list(range(2_000)), "list of 2,000, 8.9 kB"),
        (pl.DataFrame({"a": range(10_000)}), "polars.DataFrame 10,000 x 1, 80.4 kB"),
        ((i for i in "ab"), "not kept"),
    ],
    ids=range(10),
)
def test_previews(value, text):
    assert preview_of(value) == text


def test_long_values_are_shortened():
    assert preview_of(list(range(100)), limit=12) == "[0, 1, 2, 3…"


def test_a_pickled_value_is_named_but_not_read():
    order = Order()
    order.__dict__["a"] = 1
    assert preview_of(order).startswith("Order(a=1), ")
    ref = store_value(order, MemoryResults())
    assert ref is not None
    without = ref._replace(inline=content_in(ref))
    assert preview(without).startswith(f"pickle of {Order.__module__}.Order, ")


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (ValueRef("json", 1, None, "{"), "not readable"),
        (ValueRef("json", 1, None, "[" * 4_000), "not readable"),
        (ValueRef("json", 1, None, "[" * 900 + "]" * 900), None),
        (ValueRef("json", 1, None, '{"$int":"' + "f" * 4_000 + '"}'), "not readable"),
        (ValueRef("\x1b[31m", 5, "ab"), "?[31m, 5 B"),
        (ValueRef("pickle", 999_950, None, "%"), "pickle, 1.0 MB"),
        (ValueRef("pickle", 3_000_000_000_000, "ab"), "pickle, 3.0 TB"),
        (
            ValueRef("pickle", 1, None, base64.b64encode(b'penstock-pickle {"type": "\\u001b[2J"}\n').decode()),
            "pickle of ?[2J, 1 B",
        ),
    ],
    ids=range(8),
)
def test_damaged_references_have_previews_too(ref, text):
    shown = preview(ref)
    assert text is None or shown == text
    assert shown.isprintable()

"""What an approval asks of a person, and answers to it."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Secret
from penstock.definition.answers import answer_from_texts, answer_from_values, read_answer
from penstock.definition.asking import NotAskable, asked, inputs_of, question, schema_text
from penstock.definition.params import Parameter
from penstock.errors import ParameterError


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Terms:
    rate: float
    until: date | None = None
    notes: list[str] = field(default_factory=list)


class Size(TypedDict):
    width: int
    height: NotRequired[int]


@dataclass
class Tree:
    name: str
    below: list[Tree] = field(default_factory=list)


TEXT = st.text(st.characters(codec="utf-8"))
NUMBER = st.integers(-(10**30), 10**30)
SENSIBLE = st.floats(allow_nan=False, allow_infinity=False)
DAYS = st.dates()
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: NUMBER,
    float: SENSIBLE,
    date: DAYS,
    datetime: st.datetimes(),
    time: st.times(),
    timedelta: st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    Path: TEXT.filter(lambda text: "\0" not in text).map(Path),
    Literal["a", 1, True]: st.sampled_from(["a", 1, True]),
    Colour: st.sampled_from(Colour),
    int | None: st.none() | NUMBER,
    date | int: DAYS | NUMBER,
    list[int]: st.lists(NUMBER),
    tuple[int, str]: st.tuples(NUMBER, TEXT),
    set[int]: st.sets(NUMBER),
    dict[str, date]: st.dictionaries(TEXT, DAYS),
    Terms: st.builds(Terms, SENSIBLE, st.none() | DAYS, st.lists(TEXT)),
    Size: st.fixed_dictionaries({"width": NUMBER}, optional={"height": NUMBER}),
    Tree: st.builds(Tree, TEXT, st.lists(st.builds(Tree, TEXT))),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def inputs(annotation: Any) -> tuple[dict[str, Parameter], dict[str, Any]]:
    """What a function with one parameter asks for, as its body has it, and as JSON Schema."""

    def func(x): ...

    func.__annotations__ = {"x": annotation}
    own = asked(func, 0, ())
    return own, json.loads(schema_text("func", own, func))


@given(st.sampled_from([*VALUES]).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_a_value_comes_back_as_it_was_by_way_of_the_schema_alone(drawn: tuple[Any, Any]) -> None:
    annotation, value = drawn
    own, schema = inputs(annotation)
    answer = json.loads(json.dumps(answer_from_values("task 'x'", inputs_of(schema), {"x": value})))
    back = read_answer(own, answer)["x"]
    assert (back, type(back)) == (value, type(value))
    jsonschema.validate(answer, schema)


@given(st.sampled_from([*VALUES]), JSON)
def test_what_is_sent_is_taken_where_it_is_read_or_refused_by_name(annotation: Any, value: Any) -> None:
    own, schema = inputs(annotation)
    try:
        answer = answer_from_values("task 'x'", inputs_of(schema), {"x": value})
    except ParameterError as error:
        assert str(error).startswith("task 'x', input 'x': ")  # noqa: PT017
    else:
        read_answer(own, json.loads(json.dumps(answer, allow_nan=False)))


@given(st.sampled_from([*VALUES]), st.text())
def test_so_it_is_with_texts(annotation: Any, text: str) -> None:
    own, schema = inputs(annotation)
    try:
        answer = answer_from_texts("task 'x'", inputs_of(schema), {"x": text})
    except ParameterError as error:
        assert str(error).startswith("task 'x', input 'x': ")  # noqa: PT017
    else:
        read_answer(own, json.loads(json.dumps(answer, allow_nan=False)))


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "yes", True),
        (int, "7", 7),
        (date, "2013-01-02", date(2013, 1, 2)),
        (date | None, "none", None),
        (Literal["a", "b"], "b", "b"),
        (Colour, "RED", Colour.RED),
        (list[date], '["2013-01-02"]', [date(2013, 1, 2)]),
        (Terms, '{"rate": 2, "until": "2013-01-02"}', Terms(2, date(2013, 1, 2))),
        (Path, "out/x", Path("out/x")),
        (Any, "7", "7"),
    ],
)
def test_texts_are_read_as_those_of_parameters_are(annotation: Any, text: str, value: Any) -> None:
    own, schema = inputs(annotation)
    assert read_answer(own, answer_from_texts("it", inputs_of(schema), {"x": text})) == {"x": value}


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (int, "5", "'5' is not int"),
        (int, True, "True is not int"),
        (int, 5.0, "5.0 is not int"),
        (bool, 1, "1 is not bool"),
        (bool, "true", "'true' is not bool"),
        (str, 5, "5 is not str"),
        (date, 5, "5 is not date"),
        (date, "tomorrow", "'tomorrow' is not date"),
        (float, float("nan"), "nan is no number that can be kept"),
        (float, float("inf"), "inf is no number that can be kept"),
        (list[float], [1.0, float("nan")], "nan is no number that can be kept"),
        (str, "a\ud800", "it has half of a character in it, which nobody can read"),
        (dict, {"\udcff": 1}, "it has half of a character in it, which nobody can read"),
        (Any, object, "cannot be written as JSON"),
        (list[int], ["x"], "does not read as list[int], at 0: 'x' is not int"),
        (Terms, {"rte": 1}, "Terms has no 'rte'; did you mean 'rate'?"),
        (Size, {"height": 1}, "Size needs 'width'"),
        (Literal["a", "b"], "c", "'c' is not Literal['a', 'b']"),
    ],
)
def test_what_is_not_what_is_asked_for_is_refused_by_name(annotation: Any, value: Any, why: str) -> None:
    _, schema = inputs(annotation)
    with pytest.raises(ParameterError) as refused:
        answer_from_values("task 'pay'", inputs_of(schema), {"x": value})
    assert str(refused.value).startswith("task 'pay', input 'x': ")
    assert why in str(refused.value)


def test_a_number_that_nobody_can_read_is_refused() -> None:
    _, schema = inputs(int)
    with pytest.raises(ParameterError, match="input 'x': it has more digits than anybody can read"):
        answer_from_values("it", inputs_of(schema), {"x": 10**5000})


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("read", [answer_from_texts, answer_from_values])
def test_what_is_nested_too_deeply_is_refused(read: Callable[..., Any]) -> None:
    deep = "[" * 100_000 if read is answer_from_texts else nested(100_000)
    for annotation in (list, list[Any]):
        _, schema = inputs(annotation)
        with pytest.raises(ParameterError, match="nested too deeply"):
            read("it", inputs_of(schema), {"x": deep})


def test_all_problems_are_told_at_once() -> None:
    def func(amount: int, day: date) -> None: ...

    own = asked(func, 0, ())
    with pytest.raises(ParameterError) as refused:
        answer_from_texts("task 'pay'", own, {"amuont": "5", "day": "x"})
    assert str(refused.value).splitlines() == [
        "task 'pay' does not ask for 'amuont'; did you mean 'amount'?",
        "task 'pay' asks for 'amount': give amount=int",
        "task 'pay', input 'day': 'x' does not read as date",
    ]


def test_only_what_the_call_leaves_open_is_asked_for() -> None:
    def func(report, limit: int, /, kind: str, *, approved: bool, note: str = "-") -> None: ...

    own = asked(func, 2, ("kind",))
    assert [(one.name, one.annotation, one.required) for one in own.values()] == [
        ("approved", bool, True),
        ("note", str, False),
    ]


@pytest.mark.parametrize(
    ("func", "why"),
    [
        (lambda *rest: None, r"it takes \*rest: name what a person is asked for"),
        (lambda **rest: None, r"it takes \*\*rest: name what a person is asked for"),
        (print, "only a plain function"),
    ],
)
def test_what_cannot_be_named_cannot_be_asked_for(func: Callable[..., Any], why: str) -> None:
    with pytest.raises(NotAskable, match=why):
        asked(func, 0, ())


@pytest.mark.parametrize(
    "annotation", [bytes, object, list[bytes], dict[str, Callable[..., None]], int | range], ids=str
)
def test_what_cannot_be_written_cannot_be_asked_for(annotation: Any) -> None:
    with pytest.raises(NotAskable, match=r"a person cannot be asked for 'x': .*nothing that can be written as JSON"):
        inputs(annotation)


@pytest.mark.parametrize("annotation", [Secret, Secret[str], Secret[str] | None, list[Secret[str]]], ids=str)
def test_nor_can_a_secret(annotation: Any) -> None:
    with pytest.raises(NotAskable, match="a person cannot be asked for 'x': it is a secret"):
        inputs(annotation)


def test_nor_can_what_is_nowhere_to_be_found() -> None:
    class Local: ...

    def func(x: Local) -> None: ...

    with pytest.raises(NotAskable, match="the annotation 'Local' of 'x' names what is not there in its module"):
        asked(func, 0, ())


def test_the_question_is_the_docstring_without_its_arguments() -> None:
    def func(approved: bool) -> None:
        """Is it fit
        to be sent?

        It goes to everybody.

        Args:
            approved: whether
        """

    assert question(func) == "Is it fit\nto be sent?\n\nIt goes to everybody."
    assert question(lambda: None) == ""

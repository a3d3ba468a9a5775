"""Typed parameters: bound to values, read from texts, checked before anything runs."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NewType, Optional, Protocol, TypedDict, Union
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, WorkflowManager, task, workflow
from penstock.definition.annotations import fits, type_name
from penstock.definition.params import bind, parameters_of, parse
from penstock.definition.reading import from_text
from penstock.errors import InvalidWorkflowError, ParameterError
from tests.unit.definition.places import line_at


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Settings(TypedDict):
    limit: int


class Closes(Protocol):
    def close(self) -> None: ...


UserId = NewType("UserId", int)
DAY, MOMENT = date(2013, 1, 2), datetime(2013, 1, 2, 3, 4)
UUID_TEXT = "12345678-1234-5678-1234-567812345678"

FITTING: list[tuple[Any, Any]] = [
    (1, int),
    (1, float),
    (1.5, float),
    (True, bool),
    ("a", str),
    (b"a", bytes),
    (None, None),
    (None, type(None)),
    (DAY, date),
    (MOMENT, datetime),
    (time(3), time),
    (timedelta(3), timedelta),
    (Path("a"), Path),
    (Decimal(1), Decimal),
    (UUID(UUID_TEXT), UUID),
    (Colour.RED, Colour),
    (Level.LOW, int),
    ([1, 2], list[int]),
    ([], list[int]),
    ([1, 2], list),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ((), tuple[int, ...]),
    ({"a": 1}, dict[str, int]),
    ({"a": [1]}, Mapping[str, Sequence[int]]),
    ({1}, set[int]),
    (frozenset({1}), frozenset[int]),
    ([1], Iterable[int]),
    (None, Optional[int]),  # noqa: UP045
    (1, Optional[int]),  # noqa: UP045
    (1, int | str),
    ("a", Union[int, str]),  # noqa: UP007
    ("fast", Literal["fast", "slow"]),
    (1, Literal[1, 2]),
    (len, Callable[..., int]),
    (int, type[int]),
    ("anything", Any),
    ("anything", "a hint that was never resolved"),
    (3, UserId),
    ({"limit": 3}, Settings),
    (open, Closes),
]

MISFITTING: list[tuple[Any, Any]] = [
    ("1", int),
    (1.0, int),
    (True, int),
    (True, float),
    ("1.5", float),
    (1, bool),
    (1, str),
    (None, int),
    ("2013-01-02", date),
    (MOMENT, date),
    (DAY, datetime),
    ("a", Path),
    (1, Colour),
    ([1, "2"], list[int]),
    ((1, 2), list[int]),
    ((1,), tuple[int, str]),
    ((1, 2), tuple[int, str]),
    ((1, "a"), tuple[int, ...]),
    ({"a": "1"}, dict[str, int]),
    ({1: 1}, dict[str, int]),
    ([1], dict[str, int]),
    ({"a": ["1"]}, Mapping[str, Sequence[int]]),
    ({"1"}, set[int]),
    (1.5, int | str),
    ("medium", Literal["fast", "slow"]),
    (True, Literal[1, 2]),
    (1, Callable[..., int]),
]


@pytest.mark.parametrize(("value", "annotation"), FITTING, ids=repr)
def test_a_value_fits(value: Any, annotation: Any) -> None:
    assert fits(value, annotation)


@pytest.mark.parametrize(("value", "annotation"), MISFITTING, ids=repr)
def test_a_value_does_not_fit(value: Any, annotation: Any) -> None:
    assert not fits(value, annotation)


TEXTS: list[tuple[str, Any, Any]] = [
    ("7", int, 7),
    ("-7", int, -7),
    ("1.5", float, 1.5),
    ("1", float, 1.0),
    (" any text ", str, " any text "),
    ("", str, ""),
    ("any", Any, "any"),
    ("true", bool, True),
    ("No", bool, False),
    ("0", bool, False),
    ("2013-01-02", date, DAY),
    ("2013-01-02T03:04", datetime, MOMENT),
    ("03:04", time, time(3, 4)),
    ("90", timedelta, timedelta(seconds=90)),
    ("a/b", Path, Path("a/b")),
    ("1.10", Decimal, Decimal("1.10")),
    (UUID_TEXT, UUID, UUID(UUID_TEXT)),
    ("RED", Colour, Colour.RED),
    ("HIGH", Level, Level.HIGH),
    ("slow", Literal["fast", "slow"], "slow"),
    ("2", Literal[1, 2], 2),
    ("none", Optional[int], None),  # noqa: UP045
    ("3", Optional[int], 3),  # noqa: UP045
    ("3", int | str, 3),
    ("three", int | str, "three"),
    ("three", str | int, "three"),
    ("3", str | int, 3),
    ("2013-01-02", date | None, DAY),
    ("[1, 2]", list[int], [1, 2]),
    ('["2013-01-02"]', list[date], [DAY]),
    ('[1, "a"]', tuple[int, str], (1, "a")),
    ("[1, 2]", tuple[int, ...], (1, 2)),
    ("[1, 1]", set[int], {1}),
    ('{"a": 1}', dict[str, int], {"a": 1}),
    ('{"2013-01-02": [1.5]}', dict[date, list[float]], {DAY: [1.5]}),
    ("[1, 2]", Sequence[int], [1, 2]),
    ("[1, true]", list, [1, True]),
]


@pytest.mark.parametrize(("text", "annotation", "value"), TEXTS, ids=repr)
def test_a_text_reads_as_its_type(text: str, annotation: Any, value: Any) -> None:
    read = from_text(text, annotation)
    assert read == value
    assert type(read) is type(value)


WRONG_TEXTS: list[tuple[str, Any]] = [
    ("seven", int),
    ("1.5", int),
    ("", int),
    ("x", float),
    ("maybe", bool),
    ("2013-13-01", date),
    ("yesterday", datetime),
    ("x", timedelta),
    ("x", Decimal),
    ("x", UUID),
    ("GREEN", Colour),
    ("medium", Literal["fast", "slow"]),
    ("x", Optional[int]),  # noqa: UP045
    ("x", int | float),
    ("1, 2", list[int]),
    ("{}", list[int]),
    ('["a"]', list[int]),
    ("[1]", tuple[int, str]),
    ('{"a": "b"}', dict[str, int]),
    ("[]", dict[str, int]),
    ("[" * 100_000, list[int]),
    ("9" * 5_000, int),
    ("null", list[int]),
]


@pytest.mark.parametrize(("text", "annotation"), WRONG_TEXTS, ids=lambda value: str(value)[:30])
def test_a_text_that_does_not_read_as_its_type_is_refused(text: str, annotation: Any) -> None:
    @workflow
    def flow(x: int = 0) -> None: ...

    parameters = parameters_of(flow.func)
    parameter = type(parameters["x"])("x", annotation)
    with pytest.raises(ParameterError, match=r"workflow 'flow', parameter 'x': .* does not read as"):
        parse("flow", {"x": parameter}, {"x": text})


ROUND_TRIPS = st.one_of(
    st.tuples(st.just(int), st.integers()),
    st.tuples(st.just(str), st.text()),
    st.tuples(st.just(float), st.floats(allow_nan=False)),
    st.tuples(st.just(date), st.dates()),
    st.tuples(st.just(datetime), st.datetimes()),
    st.tuples(st.just(time), st.times()),
    st.tuples(st.just(Decimal), st.decimals(allow_nan=False)),
    st.tuples(st.just(UUID), st.uuids()),
    st.tuples(st.just(bool), st.booleans()),
)


@given(ROUND_TRIPS)
def test_what_python_writes_is_read_back(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    assert from_text(str(value), annotation) == value
    assert fits(value, annotation)


@given(st.text(), st.sampled_from([annotation for _, annotation, _ in TEXTS]))
def test_no_text_breaks_the_reading(text: str, annotation: Any) -> None:
    @workflow
    def flow(x: int = 0) -> None: ...

    parameter = type(parameters_of(flow.func)["x"])("x", annotation)
    try:
        value = parse("flow", {"x": parameter}, {"x": text})["x"]
    except PenstockError:
        return
    assert fits(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "name"),
    [(int, "int"), (None, "None"), (list[int], "list[int]"), (int | None, "int | None"), (date, "date")],
    ids=str,
)
def test_a_type_is_called_as_its_user_wrote_it(annotation: Any, name: str) -> None:
    assert type_name(annotation) == name


# --- Bound, by way of a run


@task
def keep(x: object) -> object:
    return x


@workflow
def flights(day: date, limit: int = 10, tags: Sequence[str] = ()) -> None:
    keep.named("day")(day)
    keep.named("limit")(limit)


def refused(**params: Any) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        WorkflowManager("memory").compile(flights, params)
    return caught.value


def test_a_value_for_each_parameter_is_given_or_by_default() -> None:
    run = WorkflowManager("memory", observers=[]).run(flights, day=DAY)
    assert run.params == {"day": DAY, "limit": 10, "tags": ()}
    assert run.task("day").result == DAY
    assert run.task("limit").result == 10


def test_a_missing_parameter_is_named_with_its_type() -> None:
    error = refused()
    assert isinstance(error, ParameterError)
    assert "workflow 'flights' needs parameter 'day': give day=date" in str(error)
    assert line_at(error.where) == "@workflow"


def test_an_unknown_parameter_is_named_with_the_nearest() -> None:
    error = refused(day=DAY, limt=3)
    assert isinstance(error, ParameterError)
    assert "workflow 'flights' has no parameter 'limt'; did you mean 'limit'?" in str(error)
    assert line_at(error.where) == "@workflow"


def test_an_unknown_parameter_without_a_near_one_is_told_which_there_are() -> None:
    assert "has no parameter 'zzz'; it has day, limit, tags" in str(refused(day=DAY, zzz=3))


def test_a_parameter_of_the_wrong_type_is_named_with_value_and_type() -> None:
    error = refused(day="2013-01-02")
    assert isinstance(error, ParameterError)
    assert "workflow 'flights', parameter 'day': '2013-01-02' is not date" in str(error)


def test_a_long_value_is_shortened() -> None:
    assert len(str(refused(day="x" * 10_000))) < 500


def test_several_problems_with_parameters_come_together() -> None:
    error = refused(limit="ten", zzz=1)
    assert isinstance(error, InvalidWorkflowError)
    assert [type(problem) for problem in error.problems] == [ParameterError] * 3
    for name in ("'day'", "'limit'", "'zzz'"):
        assert name in str(error)


def test_parameters_may_be_given_where_a_name_collides() -> None:
    @workflow
    def flow(params: int, resume: int, raise_on_failure: int, workflow: int, self: int = 5) -> None:
        for name, value in {"a": params, "b": resume, "c": raise_on_failure, "d": workflow, "e": self}.items():
            keep.named(name)(value)

    given_values = {"params": 1, "resume": 2, "raise_on_failure": 3}
    run = WorkflowManager("memory", observers=[]).run(flow, params=given_values, workflow=4)
    assert [one.result for one in run.tasks] == [1, 2, 3, 4, 5]


def test_a_workflow_without_parameters_takes_none() -> None:
    manager = WorkflowManager("memory")
    with pytest.raises(ParameterError, match="has no parameter 'day'; it has none"):
        manager.run(day=DAY)


def test_a_hint_that_cannot_be_resolved_leaves_its_parameter_unchecked() -> None:
    def func(day: NoSuchType, limit: int = 3) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    parameters = parameters_of(func)
    assert bind("flow", parameters, {"day": object()})["limit"] == 3


def test_a_value_that_can_be_changed_is_not_shared_between_tasks() -> None:
    @task
    def spoil(tags: list[str]) -> list[str]:
        tags.append("spoilt")
        return tags

    @workflow
    def flow(tags: list[str]) -> None:
        spoil.named("one")(tags)
        spoil.named("other")(tags)

    mine = ["a"]
    run = WorkflowManager("memory", observers=[]).run(flow, tags=mine)
    assert run.task("one").result == ["a", "spoilt"]
    assert run.task("other").result == ["a", "spoilt"]
    assert mine == ["a"]


def test_a_default_that_can_be_changed_is_not_changed_for_the_next_run() -> None:
    @task
    def spoil(tags: list[str]) -> int:
        tags.append("spoilt")
        return len(tags)

    @workflow
    def flow(tags: list[str] = ["a"]) -> None:  # noqa: B006
        spoil(tags)

    manager = WorkflowManager("memory", observers=[])
    assert [manager.run(flow).task("spoil").result for _ in range(2)] == [2, 2]

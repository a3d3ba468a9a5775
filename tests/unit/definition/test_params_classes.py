"""Parameters of the user's own classes: read from JSON, checked, and kept so that they come back as they were."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, WorkflowManager, task, workflow
from penstock.definition.annotations import fits
from penstock.definition.kept import as_it_was, is_same, keepable
from penstock.definition.params import Parameter, parameters_of, parse
from penstock.definition.reading import from_text
from penstock.definition.schema import as_json, schema_of
from penstock.errors import ParameterError


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Window:
    first: date
    last: date | None = None

    def __post_init__(self) -> None:
        if self.last is not None and self.last < self.first:
            raise ValueError("it ends before it begins")


@dataclass
class Config:
    window: Window
    level: Level = Level.LOW
    tags: list[str] = field(default_factory=list)
    shares: dict[str, Decimal] = field(default_factory=dict)
    pair: tuple[int, Level] = (1, Level.HIGH)


class Options(TypedDict):
    limit: int
    day: NotRequired[date]


DAY = date(2013, 1, 2)
WINDOW = '{"first": "2013-01-02"}'

TEXTS: list[tuple[str, Any, Any]] = [
    ("HIGH", Level, Level.HIGH),
    ("high", Level, Level.HIGH),
    ("2", Number, Number.TWO),
    (WINDOW, Window, Window(DAY)),
    (WINDOW, Window | None, Window(DAY)),
    ("null", Window | None, None),
    (f'{{"window": {WINDOW}, "level": "high"}}', Config, Config(Window(DAY), Level.HIGH)),
    (f'{{"window": {WINDOW}, "pair": [2, "LOW"]}}', Config, Config(Window(DAY), pair=(2, Level.LOW))),
    (f'{{"window": {WINDOW}, "shares": {{"a": "0.1"}}}}', Config, Config(Window(DAY), shares={"a": Decimal("0.1")})),
    (f"[{WINDOW}]", list[Window], [Window(DAY)]),
    (f'{{"a": {WINDOW}}}', dict[str, Window], {"a": Window(DAY)}),
    ('["LOW", "HIGH"]', set[Level], {Level.LOW, Level.HIGH}),
    ('{"limit": 3, "day": "2013-01-02"}', Options, {"limit": 3, "day": DAY}),
    ('{"limit": 3}', Options, {"limit": 3}),
    ("[1.5]", list[timedelta], [timedelta(seconds=1.5)]),
]


def _shown(value: Any) -> str:
    return "a set" if isinstance(value, set) else repr(value)  # sets have no order, and two processes must agree


@pytest.mark.parametrize(("text", "annotation", "value"), TEXTS, ids=_shown)
def test_a_text_reads_as_a_class(text: str, annotation: Any, value: Any) -> None:
    read = from_text(text, annotation)
    assert read == value
    assert type(read) is type(value)
    assert fits(read, annotation)


WRONG: list[tuple[str, Any, str]] = [
    ("middle", Level, "it is one of LOW, HIGH"),
    ("{}", Window, "Window needs 'first'"),
    ('{"frist": 1}', Window, "Window has no 'frist'; did you mean 'first'"),
    ('{"first": "2013-01-02", "last": "2013-01-01"}', Window, "it ends before it begins"),
    ('{"window": {"first": "yesterday"}}', Config, "at window.first: 'yesterday' is not date"),
    (f'{{"window": {WINDOW}, "level": "middle"}}', Config, "at level: 'middle' is not Level: it is one of LOW, HIGH"),
    (f'{{"window": {WINDOW}, "tags": ["a", 1]}}', Config, r"at tags.1: 1 is not str"),
    (f'{{"window": {WINDOW}, "pair": [1]}}', Config, "2 items are needed"),
    ("[1]", Window, "does not read as Window"),
    ("{first: 1}", Window, "it is no JSON"),
    ('{"limit": "many"}', Options, "at limit: 'many' is not int"),
    ("{}", Options, "Options needs 'limit'"),
]


@pytest.mark.parametrize(("text", "annotation", "told"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_text_is_refused_with_the_place_of_what_is_wrong(text: str, annotation: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=f"workflow 'flow', parameter 'x': .*{told}"):
        parse("flow", {"x": Parameter("x", annotation)}, {"x": text})


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Window("2013-01-02"), Window),  # type: ignore[arg-type]
        (Config(Window(DAY), tags=[1]), Config),  # type: ignore[list-item]
        ({"first": DAY}, Window),
        ({"limit": "3"}, Options),
        ({}, Options),
        ({"limit": 3, "more": 4}, Options),
    ],
    ids=repr,
)
def test_a_value_that_is_not_what_its_class_says_does_not_fit(value: Any, annotation: Any) -> None:
    assert not fits(value, annotation)


windows = st.builds(Window, first=st.dates(), last=st.none())
configs = st.builds(
    Config,
    window=windows,
    level=st.sampled_from(Level),
    tags=st.lists(st.text()),
    shares=st.dictionaries(st.text(), st.decimals(allow_nan=False)),
    pair=st.tuples(st.integers(), st.sampled_from(Level)),
)
VALUES = st.one_of(
    st.tuples(st.just(Config), configs),
    st.tuples(st.just(list[Config]), st.lists(configs, max_size=3)),
    st.tuples(st.just(Level), st.sampled_from(Level)),
    st.tuples(st.just(dict[date, Window]), st.dictionaries(st.dates(), windows)),
    st.tuples(st.just(tuple[Level, ...]), st.lists(st.sampled_from(Level)).map(tuple)),
    st.tuples(st.just(frozenset[Number]), st.frozensets(st.sampled_from(Number))),
    st.tuples(st.just(dict[str, Any]), st.dictionaries(st.text(), st.integers() | st.dates())),
)


@given(VALUES)
def test_what_is_kept_comes_back_as_it_was(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    assert is_same(as_it_was(Parameter("x", annotation), keepable(value)), value)


@given(st.tuples(st.just(Config), configs))
def test_the_json_of_a_value_reads_as_the_value(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    assert from_text(json.dumps(as_json(value)), annotation) == value


def test_a_value_without_classes_is_kept_as_the_very_same() -> None:
    value = {"a": [1, (2, 3)], "b": {DAY}}
    assert keepable(value) is value


@task
def look(value: object) -> str:
    return repr(value)


@workflow
def flow(config: Config, level: Level = Level.LOW, number: int | None = None) -> None:
    look.named("config")(config)
    look.named("level")(level)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_tasks_get_the_values_and_so_they_do_after_a_resume(executor: str, tmp_path: Path) -> None:
    config = Config(Window(DAY), Level.HIGH, ["a"], {"b": Decimal("1.0")})
    with WorkflowManager(f"sqlite:///{tmp_path}", executor, observers=[], workers=1) as manager:
        run = manager.run(flow, config=config, level=Level.HIGH)
        assert run.params == {"config": config, "level": Level.HIGH, "number": None}
        assert run.task("config").result == repr(config)
        again = manager.rerun(run.id, flow, only=["config", "level"])
        assert again.params == run.params
        assert again.task("config").result == repr(config)
        assert again.task("level").result == repr(Level.HIGH)
        on_record = manager.get(run.id).params
    assert on_record["config"]["window"] == {"first": DAY, "last": None}
    assert on_record["level"] == "HIGH"


def test_a_value_that_would_not_come_back_is_refused(tmp_path: Path) -> None:
    with WorkflowManager(f"sqlite:///{tmp_path}", observers=[]) as manager:
        with pytest.raises(
            ParameterError, match=r"parameter 'x'.* is kept as 'HIGH', .* by the annotation Level \| str"
        ):
            manager.run(untold, x=Level.HIGH)
        assert manager.runs() == []


@workflow
def untold(x: Level | str) -> None:
    look(x)


# --- JSON Schema


@workflow
def described(
    day: date,
    config: Config,
    mode: Literal["fast", "slow"] = "fast",
    level: Level = Level.LOW,
    until: datetime | None = None,
    options: Options = {"limit": 3},  # noqa: B006
    folder: Path = Path("out"),
    ids: set[UUID] = frozenset(),  # type: ignore[assignment]
    wait: timedelta = timedelta(minutes=1),
) -> None:
    """Load a day.

    Args:
        day: the day that is loaded,
            in local time
        mode (str): how
    """


def schema() -> dict[str, Any]:
    return schema_of("described", parameters_of(described.func), described.func)


def test_the_schema_is_one_and_says_what_docstring_and_defaults_say() -> None:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["description"] == "Load a day."
    properties = found["properties"]
    assert properties["day"] == {
        "type": "string",
        "format": "date",
        "description": "the day that is loaded, in local time",
    }
    assert properties["mode"] == {"enum": ["fast", "slow"], "default": "fast", "description": "how"}
    assert properties["level"] == {"enum": ["LOW", "HIGH"], "default": "LOW"}
    assert properties["wait"]["default"] == 60.0
    assert found["required"] == ["day", "config"]


@given(configs)
def test_what_the_schema_allows_is_what_is_read(config: Config) -> None:
    document = {"day": "2013-01-02", "config": as_json(config), "options": {"limit": 3}}
    jsonschema.validate(document, schema())
    assert from_text(json.dumps(document["config"]), Config) == config


@pytest.mark.parametrize(
    "change", [{"limit": 3}, {"window": {}}, {"level": "middle"}, {"tags": "a"}, {"pair": [1, "LOW", 3]}], ids=str
)
def test_what_the_schema_refuses_is_refused_when_it_is_read(change: dict[str, Any]) -> None:
    document = {**as_json(Config(Window(DAY))), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"day": "2013-01-02", "config": document}, schema())
    with pytest.raises(PenstockError):
        parse("described", parameters_of(described.func), {"config": json.dumps(document)})


def test_a_frozen_dataclass_is_what_its_fields_make() -> None:
    assert asdict(from_text(WINDOW, Window)) == {"first": DAY, "last": None}

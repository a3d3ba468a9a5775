"""Values of annotated types from texts, as a command line gives them, and from the values that JSON has."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from penstock.definition.annotations import fits, required_keys, type_hints, type_name


class Unreadable(ValueError):
    """A text that stands for no value, with a reason for users."""


UNREADABLE = (ValueError, TypeError, InvalidOperation)
"""What reading a text may raise."""

_SCALARS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
    Path: Path,
    Decimal: Decimal,
    UUID: UUID,
    Any: str,
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_GROUPS = (list, tuple, set, frozenset, Sequence)


def from_text(text: str, annotation: Any) -> Any:
    """The value that a text stands for; what is made of several values is written as JSON. ValueError, TypeError or
    InvalidOperation if it stands for none."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation](text)
    if annotation is bool:
        return _choice(text.lower(), _BOOLEANS)
    if origin is Literal:
        return _choice(text, {str(choice): choice for choice in arguments})
    if origin in (Union, types.UnionType):
        return _from_text_of_any(text, arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice(text, _names_and_values(annotation), shown=annotation.__members__)
    return _from_json(text, annotation)


def from_item(item: Any, annotation: Any) -> Any:
    """The value that a part of a JSON document stands for: texts may stand for what JSON lacks, lists for tuples and
    sets, objects for dataclasses. Values that are what they should be stay as they are. Errors as those of
    `from_text`."""
    if fits(item, annotation):
        return item
    if isinstance(item, str):
        return from_text(item, annotation)
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, types.UnionType):
        return _first_that_reads(lambda choice: from_item(item, choice), arguments)
    if isinstance(item, dict):
        return _from_dict(item, annotation, origin, arguments)
    if isinstance(item, (list, tuple, set, frozenset)) and origin in _GROUPS:
        return _from_items(item, origin, arguments)
    if isinstance(item, (bool, int, float)) and annotation not in (str, Path):
        return from_text(str(item), annotation)
    raise ValueError("")


def _names_and_values(kind: type[enum.Enum]) -> dict[str, enum.Enum]:
    """By which texts the members of an enum are found: their names, and their values, where these are no names."""
    return {**{str(member.value): member for member in kind}, **kind.__members__}


def _choice(text: str, choices: Mapping[str, Any], *, shown: Mapping[str, Any] | None = None) -> Any:
    if text not in choices:
        raise Unreadable(f"it is one of {', '.join(shown or choices)}")
    return choices[text]


def _from_text_of_any(text: str, annotations: Sequence[Any]) -> Any:
    if type(None) in annotations and text.lower() in ("none", "null"):
        return None
    return _first_that_reads(lambda choice: from_text(text, choice), annotations)


def _first_that_reads(read: Callable[[Any], Any], annotations: Sequence[Any]) -> Any:
    others = [choice for choice in annotations if choice is not type(None)]
    if len(others) == 1:
        return read(others[0])
    # str reads everything, so it comes last whatever the order written.
    for choice in sorted(others, key=lambda choice: choice is str):
        try:
            return read(choice)
        except UNREADABLE:
            continue
    raise Unreadable(f"it is none of {', '.join(map(type_name, annotations))}")


def _from_json(text: str, annotation: Any) -> Any:
    import json

    if not text[:1].strip() and not text.strip():
        raise Unreadable("it is empty, and should be JSON")
    try:
        value = json.loads(text)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"it is no JSON ({error})") from None
    if isinstance(value, str) and not fits(value, annotation):
        raise ValueError("")
    return from_item(value, annotation)


def _from_items(items: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    kind = list if origin is Sequence else origin
    if not arguments:
        return kind(items)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise Unreadable(f"{len(arguments)} items are needed")
        return tuple(
            _at(str(place), item, kind) for place, (item, kind) in enumerate(zip(items, arguments, strict=True))
        )
    return kind(_at(str(place), item, arguments[0]) for place, item in enumerate(items))


def _from_dict(item: dict[Any, Any], annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(origin, type) and is_dataclass(origin):
        return _dataclass(item, origin)
    if is_typeddict(annotation):
        hints = type_hints(annotation)
        return _members(item, annotation, hints, required_keys(annotation))
    if origin in (dict, Mapping) and arguments:
        return {from_item(key, arguments[0]): _at(str(key), value, arguments[1]) for key, value in item.items()}
    raise ValueError("")


def _dataclass(item: dict[Any, Any], kind: Any) -> Any:
    given = {field.name: field for field in fields(kind) if field.init}
    hints = {name: type_hints(kind).get(name, Any) for name in given}
    required = {n for n, field in given.items() if field.default is MISSING and field.default_factory is MISSING}
    members = _members(item, kind, hints, required)
    try:
        return kind(**members)
    except Exception as error:  # what its __post_init__ has to say
        raise Unreadable(f"{kind.__name__} does not take it: {error}") from error


def _members(item: dict[Any, Any], kind: Any, hints: Mapping[str, Any], required: Any) -> dict[str, Any]:
    for name in item:
        if name not in hints:
            near = get_close_matches(str(name), hints, 1)
            raise Unreadable(f"{kind.__name__} has no '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    missing = [name for name in hints if name in required and name not in item]
    if missing:
        raise Unreadable(f"{kind.__name__} needs '{missing[0]}'")
    return {name: _at(name, value, hints[name]) for name, value in item.items()}


def _at(place: str, item: Any, annotation: Any) -> Any:
    """An item, or an error that says where it is."""
    try:
        return from_item(item, annotation)
    except UNREADABLE as error:
        if isinstance(error, Unreadable) and error.args[1:]:
            reason, path = error.args
            raise Unreadable(reason, f"{place}.{path}") from None
        reason = f": {error}" if isinstance(error, Unreadable) else ""
        raise Unreadable(f"{item!r:.60} is not {type_name(annotation)}{reason}", place) from None

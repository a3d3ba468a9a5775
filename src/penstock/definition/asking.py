"""What an approval asks of a person: the parameters of its function that its call in the workflow leaves open.

It is kept with the plan as a JSON Schema. So whoever answers, or shows what is asked, needs none of the user's code:
`inputs_of` makes of a schema what an answer is read by.
"""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from inspect import Parameter as Given
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from penstock.definition.annotations import type_hints, type_name
from penstock.definition.params import MISSING, Parameter
from penstock.definition.schema import schema_of
from penstock.definition.secret import Secret

APPROVED = "approved"
"""The input that says whether it is approved, if a function asks for it."""

_SCALARS = (str, bool, int, float, date, datetime, time, timedelta, Path, Decimal, UUID, Any, type(None), None)
_CONTAINERS = (list, tuple, set, frozenset, dict, Sequence, Mapping)
_NAMED = (Given.POSITIONAL_OR_KEYWORD, Given.KEYWORD_ONLY)


class NotAskable(Exception):
    """Why a person cannot be asked for something."""


def asked(func: Callable[..., Any], positions: int, names: Collection[str]) -> dict[str, Parameter]:
    """The parameters of a function that a call with so many positions and these names leaves open. NotAskable for
    those that nobody can answer."""
    if not hasattr(func, "__code__"):
        raise NotAskable("only a plain function can say what a person is asked for: put @task.approval on one")
    hints = type_hints(func)
    open_ones = [one for one in signature(func).parameters.values() if one.name not in names]
    by_position = [one for one in open_ones if one.kind in (Given.POSITIONAL_ONLY, Given.POSITIONAL_OR_KEYWORD)]
    found = {}
    for one in open_ones:
        if one in by_position[:positions]:
            continue
        if one.kind not in _NAMED:
            raise NotAskable(f"it takes {one}: name what a person is asked for, so that an answer can name it")
        annotation = hints.get(one.name, Any)
        if one.name not in hints and one.annotation is not one.empty:
            raise NotAskable(f"the annotation {one.annotation!r} of '{one.name}' names what is not there in its module")
        if reason := _unaskable(annotation, ()):
            raise NotAskable(f"a person cannot be asked for '{one.name}': {reason}")
        found[one.name] = Parameter(one.name, annotation, MISSING if one.default is one.empty else one.default)
    return found


def schema_text(name: str, inputs: Mapping[str, Parameter], func: Callable[..., Any]) -> str:
    """What is asked, as the text of a JSON Schema. NotAskable if a default cannot be written as JSON."""
    try:
        return json.dumps(schema_of(name, inputs, func), allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise NotAskable(f"a default of what it asks for cannot be written as JSON: {error}") from None


def question(func: Callable[..., Any]) -> str:
    """What the person is asked: the docstring, without what it says of each argument."""
    lines = cleandoc(func.__doc__ or "").splitlines()
    ends = [place for place, line in enumerate(lines) if line in ("Args:", "Arguments:", "Parameters:")]
    ends += [place for place, line in enumerate(lines) if line.startswith(":param ")]
    return "\n".join(lines[: min(ends, default=len(lines))]).strip()


def _unaskable(annotation: Any, around: tuple[Any, ...]) -> str | None:
    """Why nobody can be asked for a value of an annotated type; None if somebody can."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Secret or origin is Secret:
        return "it is a secret, and what a person answers is kept and shown: make it a parameter of the workflow"
    if annotation in _SCALARS or annotation in _CONTAINERS or annotation in around or origin is Literal:
        return None
    if origin in (Union, types.UnionType) or origin in _CONTAINERS:
        return _first(arguments, around)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return None
    if is_typeddict(annotation) or (isinstance(annotation, type) and is_dataclass(annotation)):
        hints = type_hints(annotation)
        made = {field.name for field in fields(annotation) if field.init} if is_dataclass(annotation) else {*hints}
        return _first([hint for name, hint in hints.items() if name in made], (*around, annotation))
    return f"{type_name(annotation)} is nothing that can be written as JSON"


def _first(annotations: Collection[Any], around: tuple[Any, ...]) -> str | None:
    return next((reason for one in annotations if one is not ... and (reason := _unaskable(one, around))), None)


# --- From a schema


def inputs_of(schema: Mapping[str, Any]) -> dict[str, Parameter]:
    """What a schema that `schema_text` wrote asks for, with annotations that say the same of JSON and plain values."""
    classes = schema.get("$defs", {})
    required = schema.get("required", ())
    return {
        name: Parameter(name, _annotation(one, classes, ()), MISSING if name in required else one.get("default"))
        for name, one in schema.get("properties", {}).items()
    }


_BY_FORMAT = {"date": date, "date-time": datetime, "time": time, "uuid": UUID}
_BY_TYPE = {"string": str, "boolean": bool, "integer": int, "number": float, "null": type(None)}


def _annotation(schema: Mapping[str, Any], classes: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return Any if name in around else _class(name, classes[name], classes, (*around, name))
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "anyOf" in schema:
        return _any_of([_annotation(one, classes, around) for one in schema["anyOf"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return Decimal
    if kind == "array":
        return _array(schema, classes, around)
    if kind == "object":
        inner = schema.get("additionalProperties")
        return _of(dict, str, _annotation(inner, classes, around)) if isinstance(inner, Mapping) else dict
    return _BY_FORMAT.get(schema.get("format", "")) or _BY_TYPE.get(str(kind), Any)


def _array(schema: Mapping[str, Any], classes: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    if "prefixItems" in schema:
        return _of(tuple, *(_annotation(one, classes, around) for one in schema["prefixItems"]))
    return _of(list, _annotation(schema["items"], classes, around)) if "items" in schema else list


def _class(name: str, schema: Mapping[str, Any], classes: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    required = schema.get("required", ())
    members = {member: _annotation(one, classes, around) for member, one in schema.get("properties", {}).items()}
    members |= {member: NotRequired[one] for member, one in members.items() if member not in required}
    return TypedDict(name, members)  # type: ignore[operator]


def _of(kind: type, *arguments: Any) -> Any:
    return types.GenericAlias(kind, arguments)


def _any_of(annotations: Sequence[Any]) -> Any:
    found: Any = annotations[0]
    for one in annotations[1:]:
        found = found | one
    return found

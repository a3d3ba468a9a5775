"""The parameters of a workflow as JSON Schema (draft 2020-12): what to give, by annotation, default and docstring."""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from inspect import cleandoc
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from penstock.definition.annotations import required_keys, type_hints
from penstock.definition.params import Parameter

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "number", "description": "seconds"},
    Decimal: {"type": ["number", "string"]},
    UUID: {"type": "string", "format": "uuid"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    dict: {"type": "object"},
}


def schema_of(name: str, parameters: Mapping[str, Parameter], func: Callable[..., Any] | None) -> dict[str, Any]:
    """What a run of a workflow must be given, as JSON Schema. Classes are described once, under "$defs"."""
    told = cleandoc(func.__doc__ or "") if func is not None else ""
    described = descriptions(told)
    classes: dict[str, Any] = {}
    schema: dict[str, Any] = {"$schema": DIALECT, "title": name, "type": "object"}
    if summary := told.partition("\n\n")[0].replace("\n", " "):
        schema["description"] = summary
    schema["properties"] = {
        parameter.name: {**_of_parameter(parameter, classes), **_about(described.get(parameter.name))}
        for parameter in parameters.values()
    }
    schema["required"] = [parameter.name for parameter in parameters.values() if parameter.required]
    schema["additionalProperties"] = False
    return {**schema, "$defs": classes} if classes else schema


def descriptions(docstring: str) -> dict[str, str]:
    """What a docstring says of each parameter: lines "name: text" under "Args:", or ":param name: text"."""
    docstring = cleandoc(docstring)
    found = {match[1]: match[2].strip() for match in re.finditer(r"^:param (?:\S+ )?(\w+): *(.+)$", docstring, re.M)}
    section = re.search(r"^(?:Args|Arguments|Parameters):\n((?:[ \t]+.*\n?|\n)+)", docstring, re.M)
    if section is None:
        return found
    name, depth = "", None
    for line in section[1].splitlines():
        indent = len(line) - len(line.lstrip())
        match = re.match(r"\s+(\w+)(?: *\([^)]*\))?: *(.*)$", line)
        if match and depth in (None, indent):
            depth, name = indent, match[1]
            found[name] = match[2].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _about(description: str | None) -> dict[str, str]:
    return {"description": description} if description else {}


def _of_parameter(parameter: Parameter, classes: dict[str, Any]) -> dict[str, Any]:
    if parameter.is_secret:
        return {**schema_of_type(parameter.value_type, classes), "format": "password", "writeOnly": True}
    schema = schema_of_type(parameter.annotation, classes)
    return schema if parameter.required else {**schema, "default": as_json(parameter.default)}


def schema_of_type(annotation: Any, classes: dict[str, Any]) -> dict[str, Any]:
    """An annotation as JSON Schema; {}, which fits everything, for one that says nothing."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _TYPES:
        return dict(_TYPES[annotation])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of_type(choice, classes) for choice in arguments]}
    if origin is not None:
        return _of_container(origin, arguments, classes)
    if is_typeddict(annotation) or is_dataclass(annotation):
        return _of_class(annotation, classes)
    return _of_simple_class(annotation) if isinstance(annotation, type) else {}


def _of_simple_class(kind: type) -> dict[str, Any]:
    if issubclass(kind, enum.Enum):
        return {"enum": [*kind.__members__]}
    if issubclass(kind, PurePath):
        return {"type": "string"}
    return {"type": "array", "uniqueItems": True} if issubclass(kind, (set, frozenset)) else {}


def _of_container(origin: Any, arguments: tuple[Any, ...], classes: dict[str, Any]) -> dict[str, Any]:
    if origin is tuple and arguments[-1:] != (...,):
        items = [schema_of_type(item, classes) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (list, tuple, set, frozenset, Sequence):
        unique = {"uniqueItems": True} if origin in (set, frozenset) else {}
        return {"type": "array", "items": schema_of_type(arguments[0], classes), **unique}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of_type(arguments[1], classes)}
    return {}


def _of_class(kind: Any, classes: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind.__name__}"}
    if kind.__name__ in classes:
        return reference
    classes[kind.__name__] = {}  # a class may hold itself
    hints = type_hints(kind)
    made = {field.name: field for field in fields(kind) if field.init} if is_dataclass(kind) else {}
    members = {name: schema_of_type(hints.get(name, Any), classes) for name in (made or hints)}
    for name, field in made.items():
        if field.default is not NO_DEFAULT:
            members[name] = {**members[name], "default": as_json(field.default)}
    needed = () if made else required_keys(kind)
    required = [
        name
        for name in members
        if (made[name].default is made[name].default_factory is NO_DEFAULT if made else name in needed)
    ]
    classes[kind.__name__] = {
        "type": "object",
        "properties": members,
        "required": required,
        "additionalProperties": False,
    }
    return reference


def as_json(value: Any) -> Any:
    """A value as a JSON document has it, in the form in which it can be given."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value) if field.init}
    if isinstance(value, Mapping):
        return {str(as_json(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else str(value)

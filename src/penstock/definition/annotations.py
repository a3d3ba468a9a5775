"""Annotations at run time: what they are called, and whether a value is what they say."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict


def type_hints(owner: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of a function or class as objects. One that cannot be resolved is left out, and is not checked."""
    try:
        return get_type_hints(owner)
    except Exception:
        pass
    hints = {}
    for name, annotation in getattr(owner, "__annotations__", {}).items():
        try:
            hints.update(get_type_hints(SimpleNamespace(__annotations__={name: annotation}), _globals_of(owner)))
        except Exception:
            continue
    return hints


def _globals_of(owner: Any) -> dict[str, Any]:
    import sys

    if hasattr(owner, "__globals__"):
        return dict(owner.__globals__)
    return dict(vars(sys.modules[owner.__module__]))


def required_keys(kind: Any) -> set[str]:
    """The keys that a TypedDict must have. It knows itself only where its annotations are no texts."""
    marked = {name: get_origin(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    known: frozenset[str] = kind.__required_keys__
    return {name for name, mark in marked.items() if mark is Required or (mark is not NotRequired and name in known)}


def type_name(annotation: Any) -> str:
    """An annotation as a user would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, arguments))
    if isinstance(origin, type) and arguments and not isinstance(arguments[0], list):
        return f"{origin.__name__}[{', '.join('...' if one is ... else type_name(one) for one in arguments)}]"
    return str(annotation).replace("typing.", "")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type. An annotation that says nothing at run time fits everything."""
    if annotation is Any or isinstance(annotation, str):
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, choice) for choice in arguments)
    if annotation is None:
        return value is None
    if is_typeddict(annotation):
        return isinstance(value, dict) and _members_fit(value, annotation)
    if origin is not None:
        return isinstance(origin, type) and isinstance(value, origin) and _items_fit(value, origin, arguments)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return isinstance(value, annotation) and _fields_fit(value)
    return _is_a(value, annotation) if isinstance(annotation, type) else True


def _is_a(value: Any, kind: type) -> bool:
    """As isinstance, but a bool is no number, an int is a float, and a datetime is no date."""
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if kind is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    try:
        return isinstance(value, kind)
    except TypeError:  # a Protocol: nothing that can be looked at
        return True


def _items_fit(value: Any, origin: type, arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if issubclass(origin, Mapping):
        return all(fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items())
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (list, tuple, set, frozenset) or origin is Sequence:
        return all(fits(item, arguments[0]) for item in value)
    return True


def _members_fit(value: dict[Any, Any], kind: Any) -> bool:
    hints = type_hints(kind)
    return required_keys(kind) <= value.keys() <= hints.keys() and all(
        fits(item, hints[key]) for key, item in value.items()
    )


def _fields_fit(value: Any) -> bool:
    hints = type_hints(type(value))
    return all(fits(getattr(value, field.name, None), hints.get(field.name, Any)) for field in fields(value))

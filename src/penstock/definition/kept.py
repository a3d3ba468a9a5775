"""Parameters as they are kept with a run: values of the user's own classes as what they are made of.

An enum is kept as the name of its member, a dataclass as a dict of its fields. Reading a record so runs no code of the
user's; what the values were is told again by the annotations of the workflow, when the run goes on.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from penstock.definition.annotations import type_name
from penstock.definition.params import Parameter
from penstock.definition.reading import UNREADABLE, from_item


def keepable(value: Any) -> Any:
    """A value without classes of the user's own; the very same one if it has none."""
    if isinstance(value, enum.Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: keepable(getattr(value, field.name)) for field in fields(value) if field.init}
    kind = type(value)
    if kind is dict:
        changed: Any = {keepable(key): keepable(item) for key, item in value.items()}
        same = all(a is b and c is d for (a, c), (b, d) in zip(value.items(), changed.items(), strict=False))
        return value if same and len(changed) == len(value) else changed
    if kind in (list, tuple, set, frozenset):
        items = [keepable(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else kind(items)
    return value


def as_it_was(parameter: Parameter, kept: Any) -> Any:
    """What a value that was kept stands for, by the parameter's annotation. Where it stands for nothing of that type,
    it is given as it is, for whoever binds it to tell."""
    if parameter.is_secret:
        return kept
    try:
        return from_item(kept, parameter.annotation)
    except UNREADABLE:
        return kept


def lost_type(parameter: Parameter | None, value: Any) -> str | None:
    """Why a value would not come back as it is; None if it would."""
    kept = keepable(value)
    if kept is value:
        return None
    if parameter is None or not is_same(as_it_was(parameter, kept), value):
        kind = type_name(parameter.annotation) if parameter is not None else "Any"
        return (
            f"{value!r:.60} is kept as {kept!r:.60}, which does not come back as the same by the annotation {kind}: "
            "name the one class that it is, and let that be made of its fields"
        )
    return None


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and all that is in them is of the same type."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(is_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(is_same(item, other[key]) for key, item in one.items())
    return bool(one == other or (one != one and other != other))

"""Equality that also sees types: 1, True and 1.0 differ, NaN equals NaN, and -0.0 is not 0.0."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any


def exact(value: Any) -> str:
    """A text that two values share only if they are the same value of the same type, all the way down."""
    kind = type(value)
    if kind is dict:
        inner = ", ".join(f"{exact(key)}: {exact(item)}" for key, item in value.items())
    elif kind in (list, tuple):
        inner = ", ".join(map(exact, value))
    elif kind in (set, frozenset):
        inner = ", ".join(sorted(map(exact, value)))
    elif kind in (datetime, time):
        inner = f"{value.replace(tzinfo=None, fold=0).isoformat()} fold {value.fold} {exact(value.tzinfo)}"
    elif kind is Decimal:
        inner = str(value.as_tuple())
    elif kind is int:
        inner = hex(value)
    else:
        inner = repr(value)
    return f"{kind.__module__}.{kind.__qualname__}({inner})"

"""Which values several tasks may have at once, without one of them being able to change what another reads."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from pathlib import PurePath
from typing import Any

_MAX_DEPTH = 16
_IMMUTABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, date, datetime, time, timedelta, timezone}
)
_MUTABLE_BASES = (list, dict, set, bytearray, BaseException)
_LATE_IMMUTABLE = {
    # Types whose modules are not imported before one of their values is met.
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
    "zoneinfo": ("ZoneInfo",),
    "pyarrow": ("Table", "RecordBatch", "ChunkedArray", "Schema"),
    "polars": ("LazyFrame",),
}


def shareable(value: object) -> bool:
    """Whether several tasks may have this value at once, each as `share` gives it: nothing that one of them does to it
    by the means of its type reaches the others."""
    return _is_immutable(value, 0) or _is_polars_data(value)


def share(value: Any) -> Any:
    """A shareable value for one more task: itself, or the clone of a polars frame or series. Those can be given columns
    and elements in place; a clone has the same data until then, and costs under a microsecond."""
    return value.clone() if _is_polars_data(value) else value


def _is_immutable(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in _IMMUTABLE:
        return True
    if isinstance(value, (Enum, PurePath)):
        return True
    if kind is tuple or kind is frozenset or (isinstance(value, tuple) and not hasattr(value, "__dict__")):
        return _IMMUTABLE.issuperset(map(type, value)) or _all_immutable(value, depth)
    if "__dataclass_params__" in vars(kind):  # its own: a subclass that is no dataclass need not be frozen
        frozen = kind.__dataclass_params__.frozen and not isinstance(value, _MUTABLE_BASES)
        return frozen and _fields_are_immutable(value, depth)
    library = str(kind.__module__).partition(".")[0]
    return any(kind is getattr(sys.modules.get(library), name, None) for name in _LATE_IMMUTABLE.get(library, ()))


def _all_immutable(values: Any, depth: int) -> bool:
    return depth < _MAX_DEPTH and all(_is_immutable(value, depth + 1) for value in values)


def _fields_are_immutable(value: Any, depth: int) -> bool:
    from dataclasses import fields

    return _all_immutable((getattr(value, field.name, None) for field in fields(value)), depth)


def _is_polars_data(value: Any) -> bool:
    polars = sys.modules.get("polars")
    if polars is None or type(value) not in (polars.DataFrame, polars.Series):
        return False
    # Python objects in a column are the same ones in a clone.
    return polars.Object not in (value.dtypes if type(value) is polars.DataFrame else [value.dtype])

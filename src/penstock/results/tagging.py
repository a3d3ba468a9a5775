"""The first half of writing tagged JSON: a plain value becomes dicts, lists and scalars that JSON can write.

`tagged_json` describes the format.
"""

from __future__ import annotations

import binascii
import re
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from penstock.errors import PenstockError

MAX_DEPTH = 64
"""Containers nested deeper than this are not plain."""
MAX_BYTES = 65_536
"""A bytes object longer than this is not plain: as text it would be a third larger, and nobody would read it."""
_MAX_INT_BITS = 2_048
"""Larger integers are written in hexadecimal: Python can be told to refuse decimals of 640 digits and more."""


class NotPlain(PenstockError):
    """A value has no exact form as tagged JSON."""


class Tagger:
    """One walk over one value."""

    __slots__ = ("careful", "seen")

    def __init__(self, *, careful: bool) -> None:
        self.careful = careful
        self.seen: set[int] = set()

    def tag(self, value: Any, depth: int) -> Any:
        """The value as dicts, lists and scalars that the encoder writes as they are."""
        kind = type(value)
        if kind in DIRECT:
            return tag_scalar(value) if self.careful else value
        tagger = _TAGGERS.get(kind) or tagger_of(kind)
        if tagger is None:
            raise NotPlain(f"a value of type {kind.__module__}.{kind.__qualname__} has no exact form as JSON")
        if depth > MAX_DEPTH:
            raise NotPlain(f"a value is nested more than {MAX_DEPTH} deep")
        return tagger(self, value, depth)

    def only_scalars(self, value: Any) -> bool:
        return DIRECT.issuperset(map(type, value))

    def once(self, value: object) -> None:
        if id(value) in self.seen:
            raise NotPlain(f"the same {type(value).__name__} occurs twice in a value, or contains itself")
        self.seen.add(id(value))

    def items(self, value: Any, depth: int) -> list[Any]:
        return [self.tag(item, depth + 1) for item in value]

    def tag_list(self, value: list[Any], depth: int) -> list[Any]:
        self.once(value)
        return value if not self.careful and self.only_scalars(value) else self.items(value, depth)

    def tag_set(self, value: set[Any], depth: int) -> Any:
        self.once(value)
        return {"$set": self.items(value, depth)}

    def tag_tuple(self, value: tuple[Any, ...], depth: int) -> Any:
        return {"$tuple": self._unshared(value, depth)}

    def tag_frozenset(self, value: frozenset[Any], depth: int) -> Any:
        return {"$frozenset": self._unshared(value, depth)}

    def _unshared(self, value: Any, depth: int) -> list[Any]:
        # An immutable container may occur many times, but a chain of (x, x) grows without bound when it is written out.
        if not self.only_scalars(value):
            self.once(value)
        elif not self.careful:
            return list(value)
        return self.items(value, depth)

    def tag_dict(self, value: dict[Any, Any], depth: int) -> Any:
        self.once(value)
        if not self._has_plain_keys(value):
            return {"$dict": [[self.tag(key, depth + 1), self.tag(item, depth + 1)] for key, item in value.items()]}
        if not self.careful and self.only_scalars(value.values()):
            return value
        return {key: self.tag(item, depth + 1) for key, item in value.items()}

    def _has_plain_keys(self, value: dict[Any, Any]) -> bool:
        if not _STR.issuperset(map(type, value)):
            return False
        if len(value) == 1 and next(iter(value))[:1] == "$":
            return False
        return not self.careful or all(map(_is_encodable, value))

    def tag_datetime(self, value: datetime, depth: int) -> Any:
        return {"$datetime": self._moment(value, depth)}

    def tag_time(self, value: time, depth: int) -> Any:
        return {"$time": self._moment(value, depth)}

    def _moment(self, value: datetime | time, depth: int) -> Any:
        zone = value.tzinfo
        if not value.fold and (zone is None or (type(zone) is timezone and _is_iso(zone))):
            return value.isoformat()
        return [value.replace(tzinfo=None).isoformat(), value.fold, self.tag(zone, depth + 1)]

    def tag_timezone(self, value: timezone, depth: int) -> Any:
        return {"$timezone": [self.tag(argument, depth + 1) for argument in _zone_arguments(value)]}

    def tag_zoneinfo(self, value: Any, depth: int) -> Any:
        if value.key is None or not ZONE_KEY.fullmatch(value.key):
            raise NotPlain("a ZoneInfo without the name of its zone has no exact form as JSON")
        return {"$zoneinfo": value.key}

    def tag_bytes(self, value: bytes, depth: int) -> Any:
        if len(value) > MAX_BYTES:
            raise NotPlain(f"a bytes object of {len(value):,} bytes is too large to be written as JSON")
        return {"$bytes": binascii.b2a_base64(value, newline=False).decode("ascii")}

    def tag_secret(self, value: Any, depth: int) -> Any:
        """Where it is found; as a parameter only."""
        from penstock.definition.secret import refuse_to_leave

        refuse_to_leave()
        return {"$secret": [value.source, value.name]}

    def tag_path(self, value: PurePath, depth: int) -> Any:
        return {_PATH_TAGS[type(value)]: tag_scalar(str(value))}


def tag_scalar(value: Any) -> Any:
    kind = type(value)
    if kind is str and not _is_encodable(value):
        return {"$str": binascii.b2a_base64(value.encode("utf-8", "surrogatepass"), newline=False).decode("ascii")}
    if kind is int and value.bit_length() > _MAX_INT_BITS:
        return {"$int": hex(value)}
    if kind is float and (text := repr(value)) in ODD_FLOATS:
        return {"$float": text}
    return value


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_iso(zone: timezone) -> bool:
    """Whether `fromisoformat` reads this zone from what `isoformat` writes: it has no name, and no fraction of a
    second, which Python 3.11 drops from offsets below a second."""
    offset, *name = _zone_arguments(zone)
    return not name and not offset.microseconds


def _zone_arguments(zone: timezone) -> tuple[Any, ...]:
    """The offset and, where it was given, the name: what the constructor was called with."""
    arguments: tuple[Any, ...] = zone.__getinitargs__()  # type: ignore[attr-defined]
    return arguments


# --- Tables of the types

_Tag = Callable[[Tagger, Any, int], Any]

ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
ODD_FLOATS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_STR = frozenset({str})
DIRECT = frozenset({str, int, float, bool, type(None)})
"""What the encoder writes as it is, or refuses with ValueError."""
_PATH_TAGS: dict[type, str] = {
    type(Path()): "$path",
    PurePosixPath: "$pureposixpath",
    PureWindowsPath: "$purewindowspath",
}
_TAGGERS: dict[type, _Tag] = {
    list: Tagger.tag_list,
    dict: Tagger.tag_dict,
    tuple: Tagger.tag_tuple,
    set: Tagger.tag_set,
    frozenset: Tagger.tag_frozenset,
    bytes: Tagger.tag_bytes,
    complex: lambda self, value, depth: {"$complex": self.items((value.real, value.imag), depth)},
    date: lambda self, value, depth: {"$date": value.isoformat()},
    datetime: Tagger.tag_datetime,
    time: Tagger.tag_time,
    timedelta: lambda self, value, depth: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    timezone: Tagger.tag_timezone,
    **dict.fromkeys(_PATH_TAGS, Tagger.tag_path),
}
_LATE_TAGGERS: dict[tuple[str, str], _Tag] = {
    # Types whose modules would make every start slower: where one of their values is met, the module is loaded.
    ("decimal", "Decimal"): lambda self, value, depth: {"$decimal": str(value)},
    ("uuid", "UUID"): lambda self, value, depth: {"$uuid": str(value)},
    ("zoneinfo", "ZoneInfo"): Tagger.tag_zoneinfo,
    ("penstock.definition.secret", "Secret"): Tagger.tag_secret,
}


def tagger_of(kind: type) -> _Tag | None:
    if known := _TAGGERS.get(kind):
        return known
    for (module, name), tagger in _LATE_TAGGERS.items():
        if kind.__name__ == name and getattr(sys.modules.get(module), name, None) is kind:
            return tagger
    return None

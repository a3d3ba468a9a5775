"""Plain values as JSON that gives back exactly what went in, types included.

JSON has no tuples, no bytes, no dates, no NaN and no keys but strings. What it lacks is written as an object with one
key that begins with "$": `{"$tuple": [1, 2]}`, `{"$date": "2013-01-02"}`. A dict that looks like one is written as
`{"$dict": [[key, value], ...]}`, as is every dict with keys other than strings. The table `_READERS` has all the tags.

Only exact types count: an Enum, a namedtuple or another subclass is not plain, since it would come back as its base.
Nor is a container that holds the same mutable container twice, which would come back as two. Reading builds values of
the types listed and nothing else: it runs no code of the text's choice, so that text from anywhere may be read.
"""

from __future__ import annotations

import binascii
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from json import JSONDecoder, JSONEncoder
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from penstock.errors import PenstockError, ValueUnavailable
from penstock.results.tagging import DIRECT, ODD_FLOATS, ZONE_KEY, NotPlain, Tagger, tag_scalar, tagger_of

__all__ = ["NotPlain", "dumps", "is_plain_type", "loads"]


def dumps(value: object) -> str:
    """The value as one line of JSON, free of lone surrogates. NotPlain says which part of it has no exact form."""
    if type(value) in DIRECT:
        return _ENCODER.encode(tag_scalar(value))
    try:
        return _dumps_container(value)
    except RecursionError:
        raise NotPlain("a value is nested too deeply for the room left on the stack") from None


def loads(text: str) -> Any:
    """The value that `dumps` wrote. ValueUnavailable for other text, and for a time zone that is not known here."""
    try:
        return _DECODER.decode(text)
    except Exception as error:  # hostile text can make any of the constructors below raise
        if isinstance(error, PenstockError):
            raise
        raise ValueUnavailable(
            f"a stored value is not readable as tagged JSON ({type(error).__name__}: {error}): "
            "it is damaged, or a newer Penstock wrote it"
        ) from error


def is_plain_type(kind: type) -> bool:
    """Whether values of this type can be plain; what a container holds may still prevent it."""
    return kind in DIRECT or tagger_of(kind) is not None


def _dumps_container(value: object) -> str:
    # Numbers and strings are trusted at first, since nearly all of them can be written as they are. When the encoder
    # meets one that it cannot write, or may write what other processes cannot read, each of them is looked at.
    if 0 < sys.get_int_max_str_digits() <= sys.int_info.default_max_str_digits:
        try:
            text = _ENCODER.encode(Tagger(careful=False).tag(value, 0))
            if not text.isascii():
                text.encode()  # two lone surrogates in a row would be read back as one letter
            return text
        except ValueError:
            pass
    return _ENCODER.encode(Tagger(careful=True).tag(value, 0))


def _read_dict(pairs: list[Any]) -> dict[Any, Any]:
    if any(type(pair) is not list for pair in pairs):
        raise ValueError("$dict holds something else than pairs")
    return dict(pairs)


def _read_moment(kind: type[datetime] | type[time], parts: str | list[Any]) -> datetime | time:
    if isinstance(parts, str):
        return kind.fromisoformat(parts)
    text, fold, zone = parts
    if zone is not None and not isinstance(zone, tzinfo):
        raise ValueError("a time zone is something else")
    return kind.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def _read_decimal(text: str) -> object:
    from decimal import Decimal

    return Decimal(text)


def _read_uuid(text: str) -> object:
    from uuid import UUID

    return UUID(text)


def _read_secret(parts: list[Any]) -> object:
    from penstock.definition.secret import unread

    source, name = parts
    if source not in ("given", "env", "file") or not isinstance(name, str):
        raise ValueError("a secret is found nowhere")
    return unread(source, name)


def _read_zoneinfo(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not ZONE_KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not the name of a time zone")
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, OSError):
        raise ValueUnavailable(
            f"a stored value is in time zone {key!r}, which is not known here: pip install tzdata"
        ) from None


_READERS: dict[str, tuple[type | tuple[type, ...], Callable[[Any], Any]]] = {
    # tag: what must follow it, and how the value is made of that.
    "$str": (str, lambda text: binascii.a2b_base64(text, strict_mode=True).decode("utf-8", "surrogatepass")),
    "$int": (str, lambda text: int(text, 16)),
    "$float": (str, ODD_FLOATS.__getitem__),
    "$complex": (list, lambda parts: complex(*parts)),
    "$bytes": (str, lambda text: binascii.a2b_base64(text, strict_mode=True)),
    "$tuple": (list, tuple),
    "$set": (list, set),
    "$frozenset": (list, frozenset),
    "$dict": (list, _read_dict),
    "$date": (str, date.fromisoformat),
    "$datetime": ((str, list), lambda parts: _read_moment(datetime, parts)),
    "$time": ((str, list), lambda parts: _read_moment(time, parts)),
    "$timedelta": (list, lambda parts: timedelta(*parts)),
    "$timezone": (list, lambda parts: timezone(*parts)),
    "$zoneinfo": (str, _read_zoneinfo),
    "$decimal": (str, _read_decimal),
    "$uuid": (str, _read_uuid),
    "$path": (str, Path),
    "$secret": (list, _read_secret),
    "$pureposixpath": (str, PurePosixPath),
    "$purewindowspath": (str, PureWindowsPath),
}


def _read_object(members: dict[str, Any]) -> Any:
    if len(members) != 1:
        return members
    [(tag, content)] = members.items()
    if tag[:1] != "$":
        return members
    if tag not in _READERS:
        raise ValueError(f"unknown tag {tag[:80]!r}")
    expected, read = _READERS[tag]
    if not isinstance(content, expected):
        raise ValueError(f"{tag} is followed by {type(content).__name__}")
    return read(content)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_ENCODER = JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER = JSONDecoder(object_hook=_read_object, parse_constant=_refuse_constant)

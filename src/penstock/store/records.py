"""Events as the bytes that a journal keeps, and back.

A batch is a JSON array in UTF-8 with one array per event: a short code for the kind of event, then its fields in the
order of its class; at the end, fields that have a default may be missing. A ValueRef and an ErrorText are arrays of
their own fields. Texts may hold lone surrogates (an error may carry any text), so the UTF-8 is the one with surrogates,
Python's "surrogatepass". A batch of LARGE bytes or more is compressed (RFC 1950, which never begins as an array does).

Codes and the order of fields are a format on disk: a code is never used again for something else.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn

from penstock.engine import events as ev
from penstock.engine.events import ErrorText, Event, ValueRef
from penstock.errors import StoreCorrupt

LARGE = 1_024
MOST = 1 << 30
_LEVEL = 1  # the quickest: events of one kind resemble each other so much that more work would gain little
_COMPRESSED = b"\x78"


def encode_events(events: Iterable[Event]) -> bytes:
    """One batch as bytes."""
    rows = []
    for event in events:
        code, fields, shorten = _WRITERS[type(event)]
        row = (code, *fields(event))
        rows.append(row if shorten is None else shorten(row))
    body = _to_json(rows).encode("utf-8", "surrogatepass")
    return body if len(body) < LARGE else zlib.compress(body, _LEVEL)


def decode_events(body: bytes) -> list[Event]:
    """The events of one batch. StoreCorrupt if the bytes are not such as `encode_events` writes."""
    try:
        rows = _from_json(_plain(body).decode("utf-8", "surrogatepass"))
        if type(rows) is not list:
            raise TypeError("it is no array")
        return [_read(row) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError, zlib.error) as error:
        raise StoreCorrupt(f"a batch of events cannot be read: {type(error).__name__}: {error}") from error


def _plain(body: bytes) -> bytes:
    """A batch that is not compressed. ValueError if it would be larger than any that is written."""
    if body[:1] != _COMPRESSED:
        return body
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(body, MOST)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("what was compressed is cut off, too long, or goes on after its end")
    return plain


def _read(row: Any) -> Event:
    code, *fields = row
    event, shapes, nested = _READERS[code]
    if tuple(map(type, fields)) not in shapes:
        raise ValueError(f"an event {code!r} does not have fields such as {fields!r:.200}")
    for place, read in nested:
        if place < len(fields):
            fields[place] = read(fields[place])
    made: Event = event(*fields)
    return made


class _Field(NamedTuple):
    """What JSON types a field has, and what makes its value of an array."""

    types: tuple[type, ...]
    read: Callable[[list[Any]], Any] | None = None


def _read_value(raw: list[Any] | None) -> ValueRef | None:
    if raw is None:
        return None
    if tuple(map(type, raw)) not in _VALUE_SHAPES:
        raise ValueError(f"no reference to a value has fields such as {raw!r:.200}")
    return ValueRef(*raw)


def _read_error(raw: list[Any]) -> ErrorText:
    if tuple(map(type, raw)) not in _ERROR_SHAPES:
        raise ValueError(f"no error has fields such as {raw!r:.200}")
    return ErrorText(*raw)


def _read_numbers(raw: list[Any]) -> tuple[int, ...]:
    if any(type(number) is not int for number in raw):
        raise ValueError(f"no tasks have numbers such as {raw!r:.200}")
    return tuple(raw)


def _read_texts(raw: list[Any]) -> tuple[str, ...]:
    if any(type(text) is not str for text in raw):
        raise ValueError(f"these are no texts: {raw!r:.200}")
    return tuple(raw)


_NUMBER = _Field((int,))
_TIME = _Field((float, int))
_TEXT = _Field((str,))
_TEXT_OR_NONE = _Field((str, type(None)))
_FLAG = _Field((bool,))
_VALUE = _Field((list, type(None)), _read_value)
_ERROR = _Field((list,), _read_error)
_NUMBERS = _Field((list,), _read_numbers)
_NUMBERS_OR_NONE = _Field((list, type(None)), lambda raw: None if raw is None else _read_numbers(raw))
_SECONDS = _Field((float, int, type(None)))
_TEXTS = _Field((list,), _read_texts)
_ATTEMPT = (_NUMBER, _NUMBER, _TIME)
_USAGE = (_Field((int, type(None))),) * 2
_ERROR_SHAPES = ((str,) * 3, (str,) * 4)
_VALUE_SHAPES = frozenset(product((str,), (int,), (str, type(None)), (str, type(None))))

_KINDS: tuple[tuple[str, Any, tuple[_Field, ...]], ...] = (
    ("run", ev.RunStarted, (_TIME, _TEXT)),
    ("go", ev.AttemptStarted, _ATTEMPT),
    ("ok", ev.AttemptSucceeded, (*_ATTEMPT, _VALUE, _NUMBERS_OR_NONE, *_USAGE)),
    ("skip", ev.AttemptSkipped, (*_ATTEMPT, _TEXT, *_USAGE)),
    ("fail", ev.AttemptFailed, (*_ATTEMPT, _ERROR, _FLAG, _SECONDS, *_USAGE)),
    ("lost", ev.AttemptLost, (*_ATTEMPT, _ERROR)),
    ("end", ev.AttemptCancelled, _ATTEMPT),
    ("due", ev.RetryDue, (_NUMBER, _TIME)),
    ("wait", ev.AttemptDeferred, (*_ATTEMPT, _SECONDS, _TEXT_OR_NONE)),
    ("wake", ev.TaskWoken, (_NUMBER, _TIME)),
    ("message", ev.MessageReceived, (_TIME, _TEXT, _VALUE, _TEXT)),
    ("map", ev.MapExpanded, (_NUMBER, _TIME, _NUMBER, _TEXTS)),
    ("nomap", ev.ExpansionFailed, (_NUMBER, _TIME, _ERROR)),
    ("round", ev.GroupRetryDue, (_NUMBER, _NUMBER, _TIME)),
    ("cancel", ev.CancelRequested, (_TIME, _TEXT)),
    ("late", ev.RunTimedOut, (_TIME,)),
    ("stop", ev.DriverStopped, (_TIME, _TEXT)),
    ("resume", ev.RunResumed, (_TIME, _FLAG)),
    ("rerun", ev.TasksRerun, (_TIME, _NUMBERS)),
    ("mark", ev.TasksMarked, (_TIME, _NUMBERS, _TEXT, _TEXT, _TEXT)),
    ("plan", ev.PlanAdopted, (_TIME, _TEXT)),
    ("notifiers", ev.NotifiersSet, (_TIME, _TEXTS, _TEXTS)),
    ("told", ev.NoticeDelivered, (_TIME, _TEXT)),
    ("untold", ev.NoticeDropped, (_TIME, _TEXT, _TEXT)),
)


def _without_usage(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without what was not measured, and what else there may be nothing of before it."""
    if row[-1] is not None:
        return row
    if row[-2] is not None:
        return row[:-1]
    return row[:-2] if row[-3] is not None else row[:-3]


def _with_short_error(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part[:-1] if isinstance(part, ErrorText) and not part.kept else part for part in row)


_SHORTEN: dict[Any, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {
    ev.AttemptSucceeded: _without_usage,
    ev.AttemptSkipped: _without_usage,
    ev.AttemptFailed: lambda row: _with_short_error(_without_usage(row)),
    ev.AttemptLost: _with_short_error,
    ev.ExpansionFailed: _with_short_error,
    ev.AttemptDeferred: lambda row: row if row[-1] is not None else row[:-1],
    ev.NotifiersSet: lambda row: row if row[-1] else row[:-1],
}
"""What came later is left out where there is nothing in it: an older Penstock can read the rest."""


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda event: (get(event),)  # for one name, attrgetter gives no tuple


def _shapes(event: Any, fields: tuple[_Field, ...]) -> Iterator[tuple[type, ...]]:
    """The JSON types that the fields of an event may have. Those with a default may be absent: they came later."""
    for count, field in enumerate((*dataclasses.fields(event), None)):
        if field is None or field.default is not dataclasses.MISSING:
            yield from product(*(field.types for field in fields[:count]))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_WRITERS = {
    event: (
        code,
        _getter(tuple(name for name, _ in zip(event.__match_args__, fields, strict=True))),
        _SHORTEN.get(event),
    )
    for code, event, fields in _KINDS
}
_READERS = {
    code: (
        event,
        frozenset(_shapes(event, fields)),
        tuple((place, field.read) for place, field in enumerate(fields) if field.read),
    )
    for code, event, fields in _KINDS
}
_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode
_from_json = json.JSONDecoder(parse_constant=_refuse).decode

"""Making notes about values, when they are written.

A note is for looking at, and must not cost the task anything that matters: it looks at the beginning of a value only,
calls no code of the user but a `__repr__`, that of a value that is not large and for so many steps, and where anything
fails there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import islice
from types import FrameType
from typing import Any

from penstock.definition.secret import has_secrets, mask, mask_beginning
from penstock.results.note import Note
from penstock.results.noting_tables import table_of

LARGEST_ASKED = 1_000_000
"""Bytes of an encoded value up to which its `__repr__` is called: what that looks at is not much more."""
MOST_STEPS = 100_000
"""Instructions of Python that the `__repr__`s of one value may run."""
_MOST_TEXT = 1_000
_MOST_ITEMS = 40
_DEEPEST = 3
_CELL = 40
_TYPE = 100
_SCALARS = (bool, int, float, complex, type(None))
_LARGE = 1 << 1_000
_BRIEF = frozenset({"datetime", "decimal", "fractions", "numpy", "pandas", "uuid"})
"""Where the types are that say what they look like in a few words, however large the value around them is."""
_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow")


def note_of(value: object, size: int) -> str | None:
    """A note about a value that was written in so many bytes, as it is kept; None if none can be made."""
    try:
        text = _Teller(calls=size <= LARGEST_ASKED).note(value).encode()
    except Exception:  # whatever is wrong with the value's own code, the task has returned it
        return None
    return None if has_secrets() and mask(text) != text else text


class _TooLong(BaseException):
    """A `__repr__` runs on and on."""


class _Teller:
    """Says what values look like."""

    def __init__(self, *, calls: bool) -> None:
        self._calls = calls
        self._steps = MOST_STEPS

    def note(self, value: Any) -> Note:
        """All that is noted of a value."""
        kind = type_name(type(value))
        table = table_of(value, self._cell)
        if table is not None:
            return Note(kind, *table)
        shape = _length(value)
        return Note(kind, shape, text=self.text(value, _MOST_TEXT, 0))

    def _cell(self, value: Any) -> str:
        if type(value) is str or _is_brief(type(value)):
            return cut(str(value), _CELL)
        return self.text(value, _CELL, _DEEPEST - 1)

    def text(self, value: Any, room: int, depth: int) -> str:
        """What a value looks like, in about so many characters."""
        kind = type(value)
        if kind in _SCALARS:
            return repr(value) if kind is not int or -_LARGE < value < _LARGE else f"<int of {value.bit_length()} bits>"
        if kind is str:
            return repr(cut(value, room))
        if isinstance(value, (bytes, bytearray)):
            return f"<{len(value):,} bytes>" if has_secrets() else cut(repr(bytes(value[: room // 4])), room)
        inner = self._inner(value, room, depth)
        if inner is not None:
            return cut(inner, room)
        if kind.__repr__ is not _PLAIN and (self._calls or _is_brief(kind)):
            told = self._asked(value)
            if told is not None:
                return cut(told, room)
        return self._by_attributes(value, room, depth)

    def _inner(self, value: Any, room: int, depth: int) -> str | None:
        """A value that holds others; None for one that does not, or that says itself what it looks like."""
        kind = type(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            named = zip(kind._fields, tuple.__iter__(value), strict=False)
            return f"{kind.__name__}({self._pairs(named, '=', room, depth)})"
        if is_dataclass(value) and hasattr(kind.__repr__, "__wrapped__"):  # the one that dataclasses make
            own = ((one.name, getattr(value, one.name, None)) for one in fields(value) if one.repr)
            return f"{kind.__name__}({self._pairs(own, '=', room, depth)})"
        if isinstance(value, dict) and kind.__repr__ is _OF_DICT:
            entries = ((self.text(key, _CELL, depth + 1), item) for key, item in dict.items(value))
            return f"{{{self._pairs(entries, ': ', room, depth)}}}"
        for base, form in _FORMS.items():
            if isinstance(value, base) and kind.__repr__ is base.__repr__:
                items: Iterable[Any] = base.__iter__(value)  # type: ignore[attr-defined]
                parts = (self.text(item, room // 2, depth + 1) for item in items)
                return form.format(_filled(parts, room, depth))
        return None

    def _pairs(self, pairs: Iterable[tuple[str, Any]], between: str, room: int, depth: int) -> str:
        parts = (f"{name}{between}{self.text(item, room // 2, depth + 1)}" for name, item in pairs)
        return _filled(parts, room, depth)

    def _asked(self, value: Any) -> str | None:
        """What a value says of itself; None if it takes too long about it, or fails."""
        if self._steps <= 0:
            return None
        before = sys.gettrace()
        if before is None:  # else somebody debugs or measures this thread
            sys.settrace(self._step)
        try:
            return str(repr(value))
        except (_TooLong, SystemExit, Exception):
            return None
        finally:
            if before is None:
                sys.settrace(None)

    def _step(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._steps -= 1
        if self._steps < 0:
            raise _TooLong
        return self._step

    def _by_attributes(self, value: Any, room: int, depth: int) -> str:
        """An object by what is in it, without asking it."""
        kind = type(value)
        try:
            own: dict[str, Any] = object.__getattribute__(value, "__dict__")
        except AttributeError:
            own = {}
        slots = [name for base in kind.__mro__ for name in _slots(base)]
        pairs = [*islice(dict.items(own), _MOST_ITEMS)] if type(own) is dict else []
        for name in slots[:_MOST_ITEMS]:
            try:
                pairs.append((name, object.__getattribute__(value, name)))
            except AttributeError:
                pass
        return cut(f"{kind.__name__}({self._pairs(((str(n), v) for n, v in pairs), '=', room, depth)})", room)


_PLAIN: object = object.__repr__
_OF_DICT: object = dict.__repr__
_FORMS: dict[type, str] = {list: "[{}]", tuple: "({})", set: "{{{}}}", frozenset: "frozenset({{{}}})"}


def _filled(parts: Iterator[str], room: int, depth: int) -> str:
    """As many parts as there is room for."""
    found: list[str] = []
    while depth < _DEEPEST and room > 0 and len(found) < _MOST_ITEMS:
        part = next(parts, None)
        if part is None:
            return ", ".join(found)
        found.append(part)
        room -= len(part) + 2
    return ", ".join([*found, "…"])


def _is_brief(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in _BRIEF


def _slots(base: type) -> list[str]:
    slots = base.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else [*slots]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _length(value: Any) -> tuple[int, ...]:
    is_long = isinstance(value, (str, bytes, bytearray, dict, *_FORMS)) and not hasattr(type(value), "_fields")
    return (len(value),) if is_long else ()


def type_name(kind: type) -> str:
    """The name of a type, with its module, of a library of tables with that alone."""
    module = str(kind.__module__)
    library = module.partition(".")[0]
    prefix = "" if module in ("builtins", "__main__") else library if library in _LIBRARIES else module
    return cut(f"{prefix}.{kind.__qualname__}".lstrip("."), _TYPE)


def cut(text: str, room: int) -> str:
    """The beginning of a text. Secrets are taken out before it is cut, so that none is cut in half."""
    if len(text) <= room:
        return mask(text) if has_secrets() else text
    shown = mask_beginning(text[:room])[0] if has_secrets() else text
    return f"{shown[: room - 1]}…"

"""Secrets: values that tasks use and nobody sees, and the forms of them that must not appear in any text.

A `Secret` knows where its value comes from; only that is ever kept. While an object with a value lives, `mask` takes
the value out of texts, in the forms in which texts usually have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast
from weakref import ref

from penstock.errors import PenstockError, ValueNotKept

T = TypeVar("T")

Source: TypeAlias = Literal["given", "env", "file", "prompt"]

HIDDEN = "***"
"""Stands in the place of a secret."""
SHORTEST_MASKED = 4
"""Characters below which a value is not taken out of texts: it would be found in every second word."""
SHORTEST_REFUSED = 8
"""Characters from which on a task may not return a value: shorter ones may be found by chance."""
_SHORTEST_LINE = 8
"""A line of a secret with several lines is masked by itself if it has this many characters."""

_ABSENT: Any = object()


class Secret(Generic[T]):
    """A value that is never shown, logged or stored: `Secret("...")`, `Secret.from_env("NAME")` or
    `Secret.from_file(path)`. A task that takes one asks it for its value: `password.get_secret_value()`."""

    __slots__ = ("__weakref__", "_value", "name", "source")

    def __init__(self, value: T) -> None:
        self._value = value
        self.source: Source = "given"
        """How the value is found."""
        self.name = ""
        """The environment variable or the file that has it."""
        _hide(self, value)

    @classmethod
    def from_env(cls, name: str) -> Secret[str]:
        """What an environment variable holds when the run starts, and when it is resumed."""
        return unread("env", name)

    @classmethod
    def from_file(cls, path: Any) -> Secret[str]:
        """What a file holds when the run starts, and when it is resumed, without the end of its last line."""
        return unread("file", str(path))

    @property
    def is_read(self) -> bool:
        """Whether the value is there, and not only where it is to be found."""
        return self._value is not _ABSENT

    def get_secret_value(self) -> T:
        """The value. PenstockError where it is not known: outside of the run that has it as a parameter."""
        if self._value is _ABSENT:
            raise PenstockError(
                f"the value of {self!r} is not known here: it is read when a run starts that has it as a parameter, "
                "and only the tasks of that run have it"
            )
        return self._value

    def read(self, value: Any) -> Secret[Any]:
        """The same secret with its value. One that was typed in is from then on as one that was given."""
        found: Secret[Any] = Secret(value)
        if self.source != "prompt":
            found.source, found.name = self.source, self.name
        return found

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: object) -> Secret[T]:
        return self

    def __repr__(self) -> str:
        place = {"env": f" from environment variable {self.name}", "file": f" from file {self.name}"}
        return f"<secret {HIDDEN}{place.get(self.source, '')}>"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> Any:
        refuse_to_leave()
        return _arrived, (self._value if self.is_read else None, self.is_read, self.source, self.name)


def unread(source: Source, name: str = "") -> Secret[str]:
    """A secret of which is known where its value is to be found."""
    secret: Secret[str] = object.__new__(Secret)
    secret._value = _ABSENT
    secret.source, secret.name = source, name
    return secret


def _arrived(value: Any, is_read: bool, source: Source, name: str) -> Secret[Any]:
    secret: Secret[Any] = Secret(value) if is_read else unread(source, name)
    secret.source, secret.name = source, name
    return secret


# --- Leaving this process

_may_leave: ContextVar[bool] = ContextVar("penstock_secret_may_leave", default=False)


@contextmanager
def leaving() -> Iterator[None]:
    """For this block secrets may be written out: into the pipe of a worker process, or as the place they come from."""
    token = _may_leave.set(True)
    try:
        yield
    finally:
        _may_leave.reset(token)


def refuse_to_leave() -> None:
    """ValueNotKept, unless somebody knows what he does."""
    if not _may_leave.get():
        raise ValueNotKept("a secret is neither stored nor sent: let each task that needs it take the parameter itself")


# --- Texts

_hidden: dict[ref[Any], tuple[str, ...]] = {}
"""The forms of the secrets that live now."""


def _hide(secret: Secret[Any], value: Any) -> None:
    forms = tuple(dict.fromkeys(form for text in _texts_in(value) for form in _forms(text)))
    if forms:
        _hidden[ref(secret, lambda gone: _hidden.pop(gone, None) and None)] = forms


def has_secrets() -> bool:
    """Whether there is anything to be masked."""
    return bool(_hidden)


def mask(text: str) -> str:
    """A text with *** in the place of every secret."""
    return _pattern(_all_forms()).sub(HIDDEN, text) if _hidden else text


def mask_beginning(text: str) -> tuple[str, str]:
    """A text that goes on, as `mask` has it, up to where a secret may have begun, and the rest as it is."""
    forms = _all_forms()
    cut = len(text) - max((_overlap(text, form) for form in forms), default=0)
    for found in _pattern(forms).finditer(text):
        if found.start() < cut < found.end():
            cut = found.end()  # it is whole, and its end is like the beginning of one
    return mask(text[:cut]), text[cut:]


def holds_secret(data: bytes) -> bool:
    """Whether there is a secret in what is about to be stored."""
    return bool(_hidden) and any(form in data for form in stored_forms())


def stored_forms() -> tuple[bytes, ...]:
    """What may not be in what is stored."""
    return tuple(form.encode("utf-8", "surrogatepass") for form in _all_forms() if len(form) >= SHORTEST_REFUSED)


def _all_forms() -> tuple[str, ...]:
    while True:
        try:
            living = [*_hidden.values()]
            break
        except RuntimeError:  # one has died meanwhile
            continue
    found = dict.fromkeys(form for forms in living for form in forms)
    return tuple(sorted(found, key=len, reverse=True))  # the longest first: one may begin with another


@lru_cache(maxsize=8)
def _pattern(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, forms)) or "(?!)")


def _overlap(text: str, form: str) -> int:
    for length in range(min(len(form) - 1, len(text)), 0, -1):
        if text.endswith(form[:length]):
            return length
    return 0


def _forms(text: str) -> Iterator[str]:
    """How a text appears in others: as it is, in Python's and JSON's quotes, in an address, in base64."""
    if len(text) < SHORTEST_MASKED:
        return
    import json
    from base64 import b64encode
    from urllib.parse import quote, quote_plus

    data = text.encode("utf-8", "surrogatepass")
    yield text
    yield from (repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (quote(data, safe=""), quote(data), quote_plus(data), b64encode(data).decode())
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _SHORTEST_LINE)


def _texts_in(value: Any) -> Iterable[str]:
    """The texts of which a value is made."""
    if value is None or isinstance(value, bool):
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (bytes, bytearray)):
        return (value.decode("utf-8", "replace"),)
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts_in(item)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [text for item in cast("Iterable[Any]", value) for text in _texts_in(item)]
    if is_dataclass(value):
        return [text for field in fields(value) for text in _texts_in(getattr(value, field.name))]
    return (str(value),)

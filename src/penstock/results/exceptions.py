"""Exceptions on their way into the journal and back: class, arguments, attributes and what led to them.

A pickle of an exception forgets its cause, and cannot be read where the class makes of its arguments something else
than it hands on, as most classes with an `__init__` of their own do. So exceptions are taken apart here, and put
together by what the built-in classes do, without calling the user's `__init__` again.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import cache
from typing import Any

from penstock.definition.secret import holds_secret
from penstock.engine.events import ValueRef
from penstock.errors import ValueUnavailable
from penstock.results.pickling import ScriptPickler, by_value_pickler, header_of
from penstock.results.scripts import PROTOCOL

LIMIT = 16_384
"""Pickled exceptions of at most this many bytes are kept."""
_LINKS = (("__cause__", "__context__", "__suppress_context__"), ("__cause__", "__suppress_context__"), ())
"""What is kept of what led to an exception: all of it, or else less."""


def keep_exception(error: BaseException) -> str:
    """An exception as a text that `reference` makes a reference of; "" for one that cannot be pickled, is too large, or
    has a secret in it. Never raises: what pickling calls is the user's code."""
    for links in _LINKS:
        for base in (lambda: ScriptPickler, by_value_pickler):
            try:
                pickled = _pickled(error, links, base())
                return "" if holds_secret(pickled) else base64.b64encode(pickled).decode()
            except BaseException:
                continue
    return ""


def reference(kept: str) -> ValueRef:
    """What `load_value` reads a kept exception by."""
    return ValueRef("pickle", len(kept) // 4 * 3 - kept[-2:].count("="), None, kept)


def as_exception(value: object) -> BaseException:
    """What was read, if it is an exception. ValueUnavailable if not."""
    if not isinstance(value, BaseException):
        raise ValueUnavailable(f"in the place of an exception there is a {type(value).__qualname__}: it is damaged")
    return value


def _pickled(error: BaseException, links: tuple[str, ...], base: Any) -> bytes:
    file = _Bounded(header_of(type(error)))
    file.seek(0, io.SEEK_END)
    _exception_pickler(base)(file, links).dump(error)
    return file.getvalue()


class _Bounded(io.BytesIO):
    """A buffer that takes no more than is kept."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > LIMIT:
            raise ValueError("too large")
        return super().write(data)


@cache
def _exception_pickler(base: Any) -> Any:
    class ExceptionPickler(base):  # type: ignore[misc]
        def __init__(self, file: io.BytesIO, links: tuple[str, ...]) -> None:
            super().__init__(file, PROTOCOL)
            self.links = links

        def reducer_override(self, found: Any) -> Any:
            if isinstance(found, BaseException):
                return _reduce(found, self.links)
            return super().reducer_override(found)

    return ExceptionPickler


def _reduce(error: BaseException, links: tuple[str, ...]) -> Any:
    """An exception as what makes it, what it is made of, and its state, which may lead back to it."""
    reduced = error.__reduce_ex__(PROTOCOL)
    if isinstance(reduced, str):
        return reduced  # there is only one such object, which has a name
    made, args, *state = reduced[:3]
    if made is type(error) and _is_built_in(type(error), "__reduce__"):
        made, args = make_exception, (type(error), args)
    led = {name: value for name in links if (value := getattr(error, name)) is not None}
    return (made, args, (state[0] if state else None, led), None, None, set_state)


def make_exception(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """An exception of this class as the built-in class that it is derived from makes it. Stored pickles name this
    function: it must stay where it is."""
    built_in: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    error: BaseException = built_in.__new__(kind, *args)
    built_in.__init__(error, *args)
    return error


def set_state(error: BaseException, state: tuple[Any, dict[str, Any]]) -> None:
    """Give an exception its attributes, and what led to it. Stored pickles name this function: it must stay where it
    is."""
    own, led = state
    if own is not None:
        error.__setstate__(own)
    for name, value in led.items():
        setattr(error, name, value)


def _is_built_in(kind: type[BaseException], method: str) -> bool:
    """Whether a class leaves a method to the built-in class that it is derived from."""
    found: Callable[..., Any] = getattr(kind, method)
    return getattr(getattr(found, "__objclass__", None), "__module__", "") == "builtins" and all(
        "__reduce_ex__" not in vars(base) and "__getstate__" not in vars(base)
        for base in kind.__mro__
        if base.__module__ != "builtins"
    )

"""What a callable is called, and a digest of what it does.

A function is known by its module and qualified name. The digest covers its bytecode, its constants and the functions
within it, so that moving it, or changing a comment, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

from penstock.plan.naming import module_label
from penstock.plan.wiring import as_text


class Identify:
    """Names and digests of callables; code that stands behind many tasks is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[CodeType, str, str], tuple[str, str]] = {}
        self._begun: dict[str, blake2b] = {}
        """Digests of code -> the digest of that, to which defaults may be added."""

    def __call__(self, func: Callable[..., Any]) -> tuple[str, str]:
        """ "module:qualname" of a callable, and the digest of its code, which is "" for one that has none in Python."""
        if type(func) is not FunctionType or hasattr(func, "__wrapped__"):
            return _read(func)
        key = (func.__code__, func.__module__, func.__qualname__)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = f"{module_label(func.__module__)}:{func.__qualname__}", _digest([func.__code__])
        if func.__defaults__ or func.__kwdefaults__:
            return known[0], self._with_defaults(known[1], func)
        return known

    def _with_defaults(self, digest: str, func: FunctionType) -> str:
        begun = self._begun.get(digest)
        if begun is None:
            begun = self._begun[digest] = _fed([digest])
        hasher = begun.copy()
        for defaults in (func.__defaults__, func.__kwdefaults__):
            if defaults:
                hasher.update(as_text(defaults).encode(errors="backslashreplace"))
        return hasher.hexdigest()


def _read(func: Any) -> tuple[str, str]:
    """As Identify does, for a callable of any kind, with all that is wrapped around its function."""
    parts: list[Any] = []
    named = func
    while True:
        if isinstance(func, partial):
            parts += [func.args, func.keywords]
            named = func = func.func
        elif hasattr(func, "__func__"):
            named = func = func.__func__
        elif hasattr(func, "__wrapped__"):
            parts += [getattr(func, "__code__", None), getattr(func, "__defaults__", None)]
            named, func = (func if hasattr(func, "__code__") else func.__wrapped__), func.__wrapped__
        else:
            break
    if not hasattr(func, "__code__") and not hasattr(func, "__qualname__"):
        named = type(func)
        func = named.__dict__.get("__call__")
    code = getattr(func, "__code__", None)
    name = (
        f"{module_label(getattr(named, '__module__', None))}:{getattr(named, '__qualname__', type(named).__qualname__)}"
    )
    if code is None:
        return name, ""
    parts = [part for part in (func.__defaults__, func.__kwdefaults__, *parts) if part]
    return name, _digest([_digest([code]), *parts] if parts else [code])


def _digest(parts: Sequence[Any]) -> str:
    return _fed(parts).hexdigest()


def _fed(parts: Sequence[Any]) -> blake2b:
    hasher = blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, CodeType):
            _feed(hasher.update, part)
        else:
            hasher.update(as_text(part).encode(errors="backslashreplace"))
    return hasher


def _feed(update: Callable[[bytes], None], code: CodeType) -> None:
    update(code.co_code)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_argcount, code.co_kwonlyargcount, code.co_flags)
    update(repr(names).encode(errors="backslashreplace"))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed(update, constant)
        elif isinstance(constant, frozenset):
            update(repr(sorted(map(repr, constant))).encode(errors="backslashreplace"))
        else:
            update(repr(constant).encode(errors="backslashreplace"))

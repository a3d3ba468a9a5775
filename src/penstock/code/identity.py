"""What a callable is called, and a digest of what it does.

A function is known by its module and qualified name. The digest covers its bytecode, its constants and the functions
within it, so that moving it, or changing a comment, changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import CodeType
from typing import Any

LOADED_FROM = "__penstock_file__"
"""Set on modules that were loaded from a FILE: their functions travel to other processes by value."""


class Identify:
    """Names and digests of callables; a function that stands behind many tasks is read once."""

    def __init__(self) -> None:
        self._digests: dict[CodeType, str] = {}

    def __call__(self, func: Callable[..., Any]) -> tuple[str, str]:
        """"module:qualname" of a callable, and the digest of its code, which is "" for one that has none in Python."""
        inner = func
        while True:
            if hasattr(inner, "__wrapped__") and not hasattr(inner, "__code__"):
                inner = inner.__wrapped__
            elif hasattr(inner, "func") and not hasattr(inner, "__code__"):  # functools.partial
                inner = inner.func
            elif hasattr(inner, "__func__"):
                inner = inner.__func__
            else:
                break
        code = getattr(inner, "__code__", None)
        named = inner
        if code is None and not isinstance(inner, type) and not hasattr(inner, "__qualname__"):
            named = type(inner)
            code = getattr(getattr(named, "__call__", None), "__code__", None)
        name = f"{module_label(getattr(named, '__module__', None))}:{getattr(named, '__qualname__', repr(named))}"
        return name, self._digest(code) if isinstance(code, CodeType) else ""

    def _digest(self, code: CodeType) -> str:
        digest = self._digests.get(code)
        if digest is None:
            hasher = blake2b(digest_size=12)
            _feed(hasher.update, code)
            digest = self._digests[code] = hasher.hexdigest()
        return digest


def module_label(module: str | None) -> str:
    """A module's name, where a script is called after its file whether it was run or loaded."""
    loaded = sys.modules.get(module or "")
    if loaded is None:
        return module or ""
    if module == "__main__":
        path = getattr(loaded, "__file__", None)
        return Path(path).stem if path else "__main__"
    path = getattr(loaded, LOADED_FROM, None)
    return Path(path).stem if path else loaded.__name__


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

"""Whether a function can be called as it will be, without calling it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any


def misfit(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str | None:
    """Why the arguments do not fit; None if they do, or if the function does not tell what it takes."""
    if type(func) is FunctionType and not kwargs and _surely_fits(func, len(args)):
        return None
    from inspect import signature

    try:
        wanted = signature(func)
    except (ValueError, TypeError):
        return None
    try:
        wanted.bind(*args, **(kwargs or {}))
    except TypeError as error:
        return f"{getattr(func, '__name__', 'the function')}{wanted}: {error}"
    return None


def is_async(func: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine, which does nothing until somebody awaits it."""
    from inspect import iscoroutinefunction

    func = getattr(func, "__wrapped__", func)
    return iscoroutinefunction(func) or iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004


def _surely_fits(func: FunctionType, given: int) -> bool:
    """The common case, a hundred times faster than a signature: positional arguments and a plain function."""
    code = func.__code__
    if hasattr(func, "__wrapped__") or code.co_kwonlyargcount:
        return False
    most = code.co_argcount
    least = most - len(func.__defaults__ or ())
    takes_more = bool(code.co_flags & 0x04)  # CO_VARARGS
    return least <= given and (given <= most or takes_more)

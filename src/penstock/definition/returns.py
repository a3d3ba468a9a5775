"""What a function says that it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, get_args, get_origin

from penstock.definition.annotations import type_hints


def returned_literals(func: Callable[..., Any]) -> list[str]:
    """The texts that a function may return by its annotation, -> Literal["a", "b"], also within a list and the like."""
    while isinstance(func, partial):
        func = func.func
    func = inspect.unwrap(func)
    if not hasattr(func, "__annotations__"):
        func = getattr(type(func), "__call__", func)  # noqa: B004
    return list(dict.fromkeys(_literals(type_hints(func).get("return"))))


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (choice for choice in get_args(annotation) if isinstance(choice, str))
    else:
        for part in get_args(annotation):
            yield from _literals(part)

"""An attempt whose body may be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import CO_COROUTINE
from typing import Any

from penstock.executor.handling import Handling


@dataclass(slots=True)
class Prepared:
    """A body, what it is called with, and how it is taken what it does."""

    func: Callable[..., Any]
    args: Any
    kwargs: Any
    handling: Handling

    @property
    def is_async(self) -> bool:
        """Whether the body is an async function."""
        code = getattr(self.func, "__code__", None)
        return code is not None and bool(code.co_flags & CO_COROUTINE)

    def call(self) -> Any:
        """Call the body."""
        return self.func(*self.args, **self.kwargs)

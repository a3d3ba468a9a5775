"""Whether the code that runs now is only being loaded, and the end of that at the first run it would start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.runtime.loader import Flow

_loading: ContextVar[str | None] = ContextVar("penstock_loading", default=None)


class LoadingEnded(BaseException):
    """Raised by `manager.run()` inside a file that is only being loaded.

    It is not an Exception, so that files do not catch it."""

    def __init__(self, flow: Flow, values: Mapping[str, Any]) -> None:
        super().__init__("loading ends at the first run")
        self.flow = flow
        self.values = values


@contextmanager
def loading(file: str) -> Iterator[None]:
    """Code that runs meanwhile defines, and does not run."""
    token = _loading.set(file)
    try:
        yield
    finally:
        _loading.reset(token)


def loading_file() -> str | None:
    """The file or module that is being loaded, if any."""
    return _loading.get()


def end_loading(flow: Flow, values: Mapping[str, Any]) -> None:
    """Called where a run would start: while a file is being loaded, this ends the loading."""
    if _loading.get() is not None:
        raise LoadingEnded(flow, values)

"""`f.partial(...)`: a function with some of its arguments, to be mapped over others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Protocol

from penstock.definition.expansion import Expansion
from penstock.definition.placeholder import caller
from penstock.definition.workflow import building
from penstock.errors import ArgumentsError


class Mappable(Protocol):
    """A task function or a group function."""

    @property
    def title(self) -> str: ...

    def _map(self, expansion: Expansion, kwargs: Mapping[str, Any], frame: FrameType) -> Any: ...


class Partial:
    """A function with the arguments that are the same in all instances. Not made by users."""

    def __init__(self, function: Mappable, kwargs: Mapping[str, Any]) -> None:
        self.title = function.title
        self.where = caller()
        self.mapped = False
        """Whether anything was made of it; nothing is, until it is mapped."""
        self._function = function
        self._kwargs = kwargs
        workflow = building()
        if workflow is not None:
            workflow.partials.append(self)

    def expand(self, /, *args: Any, **sources: Any) -> Any:
        """See TaskFunction.expand."""
        check_named(self.title, "expand", args)
        return self._map(Expansion(sources), sys._getframe(1))

    def expand_kwargs(self, source: Any, /) -> Any:
        """See TaskFunction.expand_kwargs."""
        return self._map(Expansion(None, source), sys._getframe(1))

    def _map(self, expansion: Expansion, frame: FrameType) -> Any:
        self.mapped = True
        return self._function._map(expansion, self._kwargs, frame)

    def __repr__(self) -> str:
        return f"<{self._function!r} with {', '.join(self._kwargs)}>"


def check_named(title: str, method: str, args: tuple[Any, ...]) -> None:
    """ArgumentsError if a method that takes arguments by name is given others."""
    if args:
        message = f"{title}.{method}() takes arguments by name: write {title}.{method}(x=...)"
        raise ArgumentsError(message, where=caller())

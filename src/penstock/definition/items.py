"""Many values, made of other many values: what `output.map`, `.zip` and `.concat` stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.definition.placeholder import NO_FILL, Items


class MappedItems(Items[Any]):
    """Stands for the values of a source, each as a function gives it back."""

    __slots__ = ("_func", "_source")

    def __init__(self, source: Any, func: Callable[[Any], Any]) -> None:
        super().__init__(f"{source._name}.map(...)")
        self._source: Items[Any] = source
        self._func = func

    def __repr__(self) -> str:
        return f"{self._source!r}.map({getattr(self._func, '__name__', self._func)})"


class ZippedItems(Items[Any]):
    """Stands for tuples of one value of each source."""

    __slots__ = ("_fillvalue", "_sources")

    def __init__(self, sources: tuple[Any, ...], fillvalue: Any = NO_FILL) -> None:
        super().__init__(f"{sources[0]._name}.zip(...)")
        self._sources = sources
        self._fillvalue = fillvalue

    def __repr__(self) -> str:
        first, *others = map(repr, self._sources)
        return f"{first}.zip({', '.join(others)})"


class JoinedItems(Items[Any]):
    """Stands for the values of one source after the other."""

    __slots__ = ("_sources",)

    def __init__(self, sources: tuple[Any, ...]) -> None:
        super().__init__(f"{sources[0]._name}.concat(...)")
        self._sources = sources

    def __repr__(self) -> str:
        first, *others = map(repr, self._sources)
        return f"{first}.concat({', '.join(others)})"


def mapped_by(items: MappedItems) -> tuple[Items[Any], Callable[[Any], Any]]:
    """What the items are made of, and the function. Not attributes of them, like all that placeholders know."""
    return items._source, items._func


def joined(items: ZippedItems | JoinedItems) -> tuple[Any, ...]:
    """What the items are made of."""
    return items._sources


def fillvalue_of(items: ZippedItems) -> Any:
    """What stands where a shorter source has nothing; NO_FILL if the shortest counts."""
    return items._fillvalue

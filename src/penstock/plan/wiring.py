"""The arguments of a task: which values they need, and a text that two equal wirings share."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import PurePath
from typing import Any
from uuid import UUID

from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.group import GroupArgument, group_of
from penstock.definition.items import JoinedItems, MappedItems, ZippedItems, fillvalue_of, joined, mapped_by
from penstock.definition.partial import Partial
from penstock.definition.placeholder import Output, ParameterPlaceholder, Placeholder, name_of, task_of
from penstock.definition.task import Task
from penstock.plan.naming import module_label

_PLAIN = (type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal, PurePath, UUID, enum.Enum)
_LONGEST_CONSTANT = 200


class Wiring:
    """What one walk over a task's arguments finds."""

    parameters: tuple[str, ...] = ()
    arguments: tuple[GroupArgument, ...] = ()
    """Arguments of mapped groups."""
    mapped_over: tuple[GroupArgument, ...] = ()
    """Those of them that something else is mapped over, outside of their groups."""
    widths: tuple[Task, ...] = ()
    """Those of the tasks from whose values a map takes its width."""
    stray: tuple[str, ...] = ()
    """Types of containers in which a stand-in was found, though none is filled in there."""
    misplaced: tuple[str, ...] = ()
    """What was found where single values are, but can only be mapped over."""

    partials: tuple[Partial, ...] = ()
    """Functions with some of their arguments, which are no values."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    @property
    def plain(self) -> bool:
        """Whether nothing was found but tasks."""
        return len(self.__dict__) == 1

    def text(self, args: Any, kwargs: Any) -> str:
        """The arguments as text, noting on the way the tasks and parameters whose values they need."""
        parts = [self._walk(argument) for argument in args]
        parts += [f"{name}={self._walk(argument)}" for name, argument in (kwargs or {}).items()]
        return f"({', '.join(parts)})"

    def expansion(self, expansion: Expansion) -> str:
        """What something is mapped over, as text, noting the same."""
        if expansion.whole is not NOTHING:
            return f" for each of {self._source(expansion.whole)}"
        return "".join(f" for each {name} of {self._source(source)}" for name, source in expansion.sources.items())

    def _source(self, source: Any) -> str:
        kind = type(source)
        if kind is MappedItems:
            mapped, func = mapped_by(source)
            return f"{self._source(mapped)}.map({as_text(func)})"
        if kind is ZippedItems:
            self._find_stray([fillvalue_of(source)], "the fillvalue of a zip")
            return f"zip({', '.join(map(self._source, joined(source)))}, {as_text(fillvalue_of(source))})"
        if kind is JoinedItems:
            return f"concat({', '.join(map(self._source, joined(source)))})"
        if kind is Output or isinstance(source, Task):
            self.widths += (task_of(source) if kind is Output else source,)
        elif kind is GroupArgument:
            self.mapped_over += (source,)
        return repr(source) if kind is range else _shortened(source, self._walk(source))

    def _walk(self, value: Any) -> str:
        kind = type(value)
        if kind is Output:
            task = task_of(value)
            self.tasks.append(task)
            return f"#{task.name}"
        if kind is ParameterPlaceholder:
            name = name_of(value)
            self.parameters += (name,)
            return f"${name}"
        if kind is list or kind is tuple:
            return f"{kind.__name__}({', '.join(map(self._walk, value))})"
        if kind is dict:
            self._find_stray(value.keys(), "a key of a dict")
            return f"dict({', '.join(f'{as_text(key)}: {self._walk(item)}' for key, item in value.items())})"
        if isinstance(value, Task):
            self.tasks.append(value)
            return f"#{value.name}"
        if kind is GroupArgument:
            self.arguments += (value,)
            return f"@{group_of(value).name}.{name_of(value)}"
        if isinstance(value, Placeholder):
            self.misplaced += (name_of(value),)
        elif kind is Partial:
            self.partials += (value,)
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            self._find_stray(value, f"a {kind.__name__}")
        elif isinstance(value, dict):
            self._find_stray([*value.keys(), *value.values()], f"a {kind.__name__}")
        return as_text(value)

    def _find_stray(self, items: Iterable[Any], place: str) -> None:
        if any(map(needs_values, items)):
            self.stray += (place,)


def as_text(value: Any) -> str:
    """A text that says the same for the same value in another process; for what has none, its type."""
    if isinstance(value, _PLAIN):
        text = repr(value)
        return text if len(text) <= _LONGEST_CONSTANT else _shortened(value, text)
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({', '.join(sorted(map(as_text, value)))})"
    if isinstance(value, (list, tuple, deque)):
        return f"{type(value).__name__}({', '.join(map(as_text, value))})"
    if isinstance(value, dict):
        items = ", ".join(f"{as_text(key)}: {as_text(item)}" for key, item in value.items())
        return f"{type(value).__name__}({items})"
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"<{module_label(getattr(value, '__module__', ''))}.{name}>"
    return f"<{module_label(type(value).__module__)}.{type(value).__qualname__}>"


def _shortened(value: Any, text: str) -> str:
    if len(text) <= _LONGEST_CONSTANT:
        return text
    digest = blake2b(text.encode(errors="backslashreplace"), digest_size=16).hexdigest()
    return f"<{type(value).__name__} {digest}>"


def needs_values(value: Any) -> bool:
    """Whether an argument contains a task, an output or a parameter."""
    kind = type(value)
    if kind is list or kind is tuple:
        return any(map(needs_values, value))
    if kind is dict:
        return any(map(needs_values, value.values()))
    return isinstance(value, (Placeholder, Task))


def fill_in(
    value: Any,
    task_value: Callable[[Task], Any],
    parameter: Callable[[str], Any],
    argument: Callable[[GroupArgument], Any] | None = None,
) -> Any:
    """A task's argument with values in the place of what stands for them; `argument` gives those of mapped groups."""
    kind = type(value)
    if kind is Output:
        return task_value(task_of(value))
    if kind is ParameterPlaceholder:
        return parameter(name_of(value))
    if kind is list or kind is tuple:
        return kind(fill_in(item, task_value, parameter, argument) for item in value)
    if kind is dict:
        return {key: fill_in(item, task_value, parameter, argument) for key, item in value.items()}
    if kind is GroupArgument and argument is not None:
        return argument(value)
    return task_value(value) if isinstance(value, Task) else value

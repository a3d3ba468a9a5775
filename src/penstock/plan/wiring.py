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

from penstock.definition.placeholder import Output, ParameterPlaceholder, name_of, task_of
from penstock.definition.task import Task
from penstock.plan.naming import module_label

_PLAIN = (type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal, PurePath, UUID, enum.Enum)
_LONGEST_CONSTANT = 200


class Wiring:
    """What one walk over a task's arguments finds."""

    __slots__ = ("parameters", "stray", "tasks")

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.parameters: list[str] = []
        self.stray: list[str] = []
        """Types of containers in which a stand-in was found, though none is filled in there."""

    def text(self, args: Any, kwargs: Any) -> str:
        """The arguments as text, noting on the way the tasks and parameters whose values they need."""
        parts = [self._walk(argument) for argument in args]
        parts += [f"{name}={self._walk(argument)}" for name, argument in (kwargs or {}).items()]
        return f"({', '.join(parts)})"

    def _walk(self, value: Any) -> str:
        kind = type(value)
        if kind is Output:
            task = task_of(value)
            self.tasks.append(task)
            return f"#{task.name}"
        if kind is ParameterPlaceholder:
            name = name_of(value)
            self.parameters.append(name)
            return f"${name}"
        if kind is list or kind is tuple:
            return f"{kind.__name__}({', '.join(map(self._walk, value))})"
        if kind is dict:
            self._find_stray(value.keys(), "a key of a dict")
            return f"dict({', '.join(f'{as_text(key)}: {self._walk(item)}' for key, item in value.items())})"
        if isinstance(value, Task):
            self.tasks.append(value)
            return f"#{value.name}"
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            self._find_stray(value, f"a {kind.__name__}")
        elif isinstance(value, dict):
            self._find_stray([*value.keys(), *value.values()], f"a {kind.__name__}")
        return as_text(value)

    def _find_stray(self, items: Iterable[Any], place: str) -> None:
        if any(map(needs_values, items)):
            self.stray.append(place)


def as_text(value: Any) -> str:
    """A text that says the same for the same value in another process; for what has none, its type."""
    if isinstance(value, _PLAIN):
        text = repr(value)
        if len(text) > _LONGEST_CONSTANT:
            digest = blake2b(text.encode(errors="backslashreplace"), digest_size=16).hexdigest()
            return f"<{type(value).__name__} {digest}>"
        return text
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


def needs_values(value: Any) -> bool:
    """Whether an argument contains a task, an output or a parameter."""
    kind = type(value)
    if kind is list or kind is tuple:
        return any(map(needs_values, value))
    if kind is dict:
        return any(map(needs_values, value.values()))
    return isinstance(value, (Output, ParameterPlaceholder, Task))


def fill_in(value: Any, task_value: Callable[[Task], Any], parameter: Callable[[str], Any]) -> Any:
    """An argument with values in the place of what stands for them."""
    kind = type(value)
    if kind is Output:
        return task_value(task_of(value))
    if kind is ParameterPlaceholder:
        return parameter(name_of(value))
    if kind is list or kind is tuple:
        return kind(fill_in(item, task_value, parameter) for item in value)
    if kind is dict:
        return {key: fill_in(item, task_value, parameter) for key, item in value.items()}
    return task_value(value) if isinstance(value, Task) else value

"""A map with the values that it is over: how many instances there are, and the arguments of each.

Instances are counted from 0. Of several arguments that are mapped over, the last changes fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from penstock.definition.expansion import NOTHING
from penstock.definition.group import GroupArgument, GroupExpansion, default_of
from penstock.definition.items import JoinedItems, MappedItems, ZippedItems, fillvalue_of, joined, mapped_by
from penstock.definition.placeholder import NO_FILL, Output, ParameterPlaceholder, name_of, task_of
from penstock.definition.task import Task
from penstock.errors import PenstockError
from penstock.plan.arguments import by_name
from penstock.plan.lookup import shown, titled
from penstock.plan.maps import fields_of, not_iterable
from penstock.plan.wiring import fill_in

_LONGEST_NAME = 200


class ExpansionError(PenstockError):
    """A map cannot be expanded, or one of its instances has no arguments, because of the values that it is over."""


@dataclass(frozen=True, slots=True)
class Values:
    """Where the values come from that were not there when the workflow was made."""

    task: Callable[[Task], Any]
    """What a task returned; of a mapped task, the list."""
    parameter: Callable[[str], Any]
    """A parameter of the workflow."""
    argument: Callable[[GroupArgument], Any]
    """What stands for an argument of a mapped group: inside of the group the instance's, outside the list of all."""


class Items(Protocol):
    """Values in order."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


class Expanded:
    """What a task or group is mapped over, with its values. They are loaded when this is made, each once, but for those
    of outputs that are single items of a list. What they are is not changed, and not copied."""

    def __init__(self, task: Task, values: Values) -> None:
        """ExpansionError if the map cannot be expanded."""
        expansion = task.expand
        assert expansion is not None
        self._title = titled(task)
        self._values = values
        self._known = [*task.arguments] if isinstance(task, GroupExpansion) else None
        self._partial = task.kwargs or {}
        self._sources: dict[str, Items] = {}
        self._whole: Items | None = None
        if expansion.whole is not NOTHING:
            self._whole = self._items(expansion.whole, f"what {self._title} takes all its arguments from")
            self.width = len(self._whole)
            """How many instances there are."""
        else:
            for name, source in expansion.sources.items():
                self._sources[name] = self._items(source, f"argument '{name}' of {self._title}")
            self.width = prod(map(len, self._sources.values()))

    def arguments(self, index: int) -> dict[str, Any]:
        """The mapped arguments of an instance. ExpansionError if what should give them does not; Skip, or any other
        error, if a function in `.map(...)` raises it."""
        if self._whole is not None:
            return self._row(self._whole, index)
        if len(self._sources) == 1:
            [(name, items)] = self._sources.items()
            if not 0 <= index < self.width:
                raise IndexError(f"{self._title} has no instance {index}")
            return {name: items[index]}
        return {name: self._sources[name][place] for name, place in self._places(index).items()}

    def argument(self, argument: GroupArgument, index: int) -> Any:
        """One of them, in an instance of a mapped group."""
        name = name_of(argument)
        if self._whole is None:
            return self._sources[name][self._places(index)[name]]
        row = self._row(self._whole, index)
        found = row.get(name, default_of(argument))
        if found is NOTHING:
            raise ExpansionError(f"instance {index} of {self._title} is not given its argument '{name}'")
        return found

    def column(self, argument: GroupArgument) -> list[Any]:
        """One of them, in all instances."""
        return [self.argument(argument, index) for index in range(self.width)]

    def _places(self, index: int) -> dict[str, int]:
        """Which value of each source an instance is given."""
        if not 0 <= index < self.width:
            raise IndexError(f"{self._title} has no instance {index}")
        places: dict[str, int] = {}
        for name in reversed(self._sources):
            index, places[name] = divmod(index, len(self._sources[name]))
        return {name: places[name] for name in self._sources}

    def _row(self, whole: Items, index: int) -> dict[str, Any]:
        if not 0 <= index < self.width:
            raise IndexError(f"{self._title} has no instance {index}")
        row = whole[index]
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise ExpansionError(f"instance {index} of {self._title} is given {shown(row)}, not a dict of arguments")
        both = next((name for name in row if name in self._partial), None)
        if both is not None:
            raise ExpansionError(f"instance {index} of {self._title} is given its argument '{both}' twice")
        unknown = next((name for name in row if self._known is not None and name not in self._known), None)
        if unknown is not None:
            raise ExpansionError(f"instance {index} of {self._title} is given '{unknown}', which is no argument of it")
        return dict(row)

    # --- Items

    def _items(self, source: Any, what: str) -> Items:
        if isinstance(source, MappedItems):
            inner, func = mapped_by(source)
            return _Mapped(self._items(inner, what), func)
        if isinstance(source, ZippedItems):
            return _Zipped([self._items(part, what) for part in joined(source)], fillvalue_of(source))
        if isinstance(source, JoinedItems):
            return _Joined([self._items(part, what) for part in joined(source)])
        if isinstance(source, Output):
            return _as_sequence(self._values.task(task_of(source)), what)
        if isinstance(source, Task):
            return _as_sequence(self._values.task(source), what)
        if isinstance(source, ParameterPlaceholder):
            return _as_sequence(self._values.parameter(name_of(source)), what)
        if isinstance(source, GroupArgument):
            return _as_sequence(self._values.argument(source), what)
        return _Written(_as_sequence(source, what), self._values)


def instance_name(task: Task, text: str, index: int, expanded: Expanded, values: Values) -> str:
    """What an instance is called by the `map_name` of its task; "" where that cannot be told."""
    try:
        given = {**by_name(task.func, task.args, task.kwargs or {}), **expanded.arguments(index)}
        wanted = [name for name in given if name in fields_of(text)]
        filled = {name: fill_in(given[name], values.task, values.parameter, values.argument) for name in wanted}
        name = text.format(**filled)[:_LONGEST_NAME]
    except Exception:  # whatever the values' own methods raise: a name is not worth a failure
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


class _Written:
    """Values as they were written in the workflow, outputs and parameters among them."""

    def __init__(self, items: Items, values: Values) -> None:
        self._items = items
        self._values = values

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Any:
        return fill_in(self._items[place], self._values.task, self._values.parameter, self._values.argument)


class _Mapped:
    """Values as a function gives them back, one at a time."""

    def __init__(self, items: Items, func: Callable[[Any], Any]) -> None:
        self._items = items
        self._func = func

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Any:
        return self._func(self._items[place])


class _Zipped:
    """Tuples of the values of several."""

    def __init__(self, parts: list[Items], fillvalue: Any) -> None:
        self._parts = parts
        self._fillvalue = fillvalue

    def __len__(self) -> int:
        return (min if self._fillvalue is NO_FILL else max)(map(len, self._parts))

    def __getitem__(self, place: int) -> Any:
        return tuple(part[place] if place < len(part) else self._fillvalue for part in self._parts)


class _Joined:
    """The values of several, one after the other."""

    def __init__(self, parts: list[Items]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __getitem__(self, place: int) -> Any:
        parts = iter(self._parts)
        part = next(parts)
        while place >= len(part):
            place -= len(part)
            part = next(parts)
        return part[place]


def _as_sequence(value: Any, what: str) -> Items:
    reason = not_iterable(value)
    if reason is not None:
        raise ExpansionError(f"{what} is mapped over {shown(value)}, {reason}")
    if isinstance(value, Mapping):
        return list(value.items())
    return value if isinstance(value, Sequence) else list(value)

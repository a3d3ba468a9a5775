"""The arguments of attempts: as they were written, with values in the place of what stands for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import RLock
from typing import Any

from penstock.definition.group import GroupArgument, group_of, mapped_group
from penstock.definition.placeholder import Output, ParameterPlaceholder, task_of
from penstock.definition.secret import mask
from penstock.definition.task import Task
from penstock.engine.run import RunEngine
from penstock.executor.values import GAP, SCALARS, RunValues, own, parameter
from penstock.plan.arguments import fill_gaps
from penstock.plan.expansion import Expanded, Values, instance_name
from penstock.plan.plan import Plan
from penstock.plan.wiring import fill_in

Filled = tuple[tuple[Any, ...], dict[str, Any]]


class Arguments:
    """Makes the arguments for the attempts of one run, in the process that drives it."""

    def __init__(
        self, plan: Plan, tasks: Sequence[Task], engine: RunEngine, values: RunValues, params: Mapping[str, Any]
    ) -> None:
        self._plan = plan
        self._tasks = tasks
        self._engine = engine
        self._values = values
        self._params = params
        self._maps: dict[int, Expanded] = {}
        self._making = RLock()  # what a map is over may be the argument of another

    def of(self, slot: int) -> Filled:
        """Positional and keyword arguments for one attempt."""
        row = slot if slot < self._engine.size else self._engine.row(slot)
        task = self._tasks[row]
        if slot == row and not task.args and not task.kwargs:
            return (), {}
        args, kwargs = self._written(slot, row)
        if not args and SCALARS.issuperset(map(type, kwargs.values())):
            return args, kwargs
        taken: dict[str, Any] = {}  # a value that occurs twice among the arguments is one object

        def load(name: str) -> Any:
            if name not in taken:
                taken[name] = self._values.take(self._plan.numbers[name], slot)
            return taken[name]

        return fill_arguments(task.func, args, kwargs, load, self._params)

    def written(self, slot: int) -> Filled:
        """The arguments as they were written, but for what a map gives to each of its instances: outputs and parameters
        are still to be filled in."""
        return self._written(slot, self._engine.row(slot))

    def _written(self, slot: int, row: int) -> Filled:
        task, index = self._tasks[row], self._engine.index(slot)
        args, kwargs = tuple(task.args), dict(task.kwargs or {})
        if self._plan.maps and (args or kwargs):
            args, kwargs = self._in_group(task, index, args, kwargs)
        if slot != row and row in self._plan.maps:
            kwargs |= {name: own(value) for name, value in self.expanded(row).arguments(index).items()}
        return args, kwargs

    def expand(self, row: int) -> Expanded:
        """What a row is mapped over, by what is there now. ExpansionError if it cannot be mapped over that."""
        with self._making:
            made = self._maps[row] = Expanded(self._tasks[row], self._values_of(row))
            return made

    def expanded(self, row: int) -> Expanded:
        """The same as it was when the map was expanded."""
        made = self._maps.get(row)
        if made is not None:
            return made
        with self._making:
            return self._maps.get(row) or self.expand(row)

    def names(self, row: int, text: str) -> tuple[str, ...]:
        """What the instances of a mapped task are called, by its `map_name`."""
        task, expanded, values = self._tasks[row], self.expanded(row), self._values_of(row)
        return tuple(mask(instance_name(task, text, index, expanded, values)) for index in range(expanded.width))

    def forget(self, row: int) -> None:
        """A map has ended: its values can go."""
        self._maps.pop(row, None)

    def _values_of(self, row: int) -> Values:
        def value(task: Task) -> Any:
            found = self._values.take(self._plan.numbers[task.name], row)
            return None if found is GAP else found

        def column(argument: GroupArgument) -> Any:
            return self.expanded(self._plan.numbers[group_of(argument).name]).column(argument)

        return Values(value, partial(parameter, self._params), column)

    def _in_group(self, task: Task, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Filled:
        """The arguments with those of mapped groups in place."""

        def argument(asked: GroupArgument) -> Any:
            expanded = self.expanded(self._plan.numbers[group_of(asked).name])
            if mapped_group(task) is group_of(asked):
                return own(expanded.argument(asked, index))
            return [own(value) for value in expanded.column(asked)]

        def fill(value: Any) -> Any:
            return fill_in(value, lambda upstream: upstream.output, ParameterPlaceholder, argument)

        return tuple(map(fill, args)), {name: fill(value) for name, value in kwargs.items()}


def fill_arguments(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    load: Callable[[str], Any],
    params: Mapping[str, Any],
) -> Filled:
    """Arguments with values in the place of outputs and parameters; `load` gets a task's value by its name, or GAP.
    Where there is none, a parameter has its default, and what is in a list or a dict is None."""
    parameter_value = partial(parameter, params)
    gaps = False

    def task_value(upstream: Task) -> Any:
        value = load(upstream.name)
        return None if value is GAP else value

    def fill(argument: Any) -> Any:
        nonlocal gaps
        upstream = task_of(argument) if type(argument) is Output else argument
        if isinstance(upstream, Task) and load(upstream.name) is GAP:
            gaps = True
            return GAP
        return fill_in(argument, task_value, parameter_value)

    filled, named = tuple(map(fill, args)), {name: fill(value) for name, value in kwargs.items()}
    return fill_gaps(func, filled, named, lambda value: value is GAP) if gaps else (filled, named)

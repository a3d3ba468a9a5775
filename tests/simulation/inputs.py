"""What a body of a simulated world must be given: what is on record of those whose values it takes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, TypeAlias

from penstock.engine.states import TaskState
from tests.law.law import K
from tests.simulation.course import Place
from tests.simulation.reading import Reading

Made: TypeAlias = tuple[int, int, int]
Returned: TypeAlias = Callable[[Place, Made], Any]
"""What a body returned: given its place, and generation, attempt and token."""


def values(reading: Reading, place: Place, returned: Returned) -> tuple[Any, ...]:
    """The values of the tasks that a task takes, in their order."""
    row, index = place
    return tuple(_seen(reading, row, index, other, returned) for other in reading.course.graph.tasks[row].takes)


def items(reading: Reading, place: Place, returned: Returned) -> tuple[Any, ...]:
    """The items that an instance of a map is for."""
    row, index = place
    sources = reading.course.graph.sources(row)
    if not sources:
        return ()
    lists = [
        [*range(source)] if isinstance(source, int) else _seen(reading, row, -1, source, returned) for source in sources
    ]
    return tuple([*product(*lists)][index])


def made_by(reading: Reading, place: Place) -> tuple[Any, ...]:
    """By which generations what a task takes was made: as long as these are the same, it takes the same."""
    row, index = place
    engine, course = reading.engine, reading.course
    sources = [source for source in course.graph.sources(row) if isinstance(source, str)]
    above = [slot for other in (*course.graph.tasks[row].takes, *sources) for slot in course.slots(row, other, index)]
    return tuple((slot, engine.generation(slot), engine.states[slot]) for slot in above)


def _seen(reading: Reading, row: str, index: int, other: str, returned: Returned) -> Any:
    """The value of another task as an instance of a row sees it."""
    engine, graph = reading.engine, reading.course.graph
    if index >= 0 and graph.same_map(row, other):
        return _value(reading, (other, index), returned)
    number = engine.plan.numbers[other]
    if number in engine.widths:
        return [_value(reading, (other, place), returned) for place in range(engine.widths[number])]
    in_map = graph.is_mapped(other) or bool(graph.map_around(other))
    if in_map:
        return [] if engine.task_state(number).label == K else None
    return _value(reading, (other, -1), returned)


def _value(reading: Reading, place: Place, returned: Returned) -> Any:
    slot = reading.slot(place)
    if slot is None or reading.engine.task_state(slot) is not TaskState.SUCCESS or place not in reading.made_by:
        return None
    return returned(place, reading.made_by[place])

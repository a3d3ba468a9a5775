"""The graph of a plan, and of a run of it, for whoever draws it. Nothing here needs the packages of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.observe.drawing.layers import Layered, layers_of
from penstock.observe.drawing.remarks import kind, worst
from penstock.observe.drawing.structure import innermost_groups, steps_above
from penstock.plan.plan import Group, Plan

_MOST_ORDERED = 2_000
"""Tasks of a graph for which an order is sought in which few edges cross."""


class _ById:
    """A plan as what a cache knows it by: one object stands for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.plan is self.plan


def places(plan: Plan) -> list[tuple[int, int]]:
    """The layer of each task, from 0, and its place in that."""
    return _places(_ById(plan))


@lru_cache(64)
def _places(known: _ById) -> list[tuple[int, int]]:
    above = steps_above(known.plan)
    size = len(known.plan)
    layers = Layered(above).layers if size <= _MOST_ORDERED else layers_of(above)
    found = [(0, 0)] * size
    for layer, nodes in enumerate(layers):
        for place, node in enumerate(node for node in nodes if node < size):
            found[node] = layer, place
    return found


def nodes_of(plan: Plan) -> Iterator[tuple[int, dict[str, Any]]]:
    """The tasks of a plan, each with its row; those that stand for a mapped group are told with the groups."""
    around = innermost_groups(plan)
    of_groups = {group.expansion for group in plan.groups}
    for row, name in enumerate(plan.names):
        if row not in of_groups:
            yield (
                row,
                {
                    "id": name,
                    "group": plan.groups[around[row]].name if around[row] >= 0 else None,
                    "kind": kind(plan, row) or None,
                    "rule": str(plan.policies[row].trigger_rule),
                    **links_of(plan, row),
                },
            )


def links_of(plan: Plan, row: int) -> dict[str, Any]:
    """What a task comes after, and where it is defined."""
    names = plan.names
    return {
        "upstreams": [names[above] for above in plan.upstreams[row]],
        "inputs": [names[above] for above in plan.inputs[row]],
        "where": plan.places[row],
    }


def groups_of(plan: Plan) -> Iterator[tuple[Group, dict[str, Any]]]:
    """The groups of a plan."""
    for group in plan.groups:
        yield group, {"id": group.name, "group": plan.groups[group.parent].name if group.parent >= 0 else None}


def graph_of(plan: Plan, engine: RunEngine | None = None) -> dict[str, Any]:
    """The graph of a plan as it is drawn, with the states of a run if there is one."""
    where = places(plan)
    counts = {row: _counts(engine, [row]) for row in range(len(plan))} if engine is not None else {}
    return {
        "workflow": plan.workflow,
        "tasks": [
            {
                **node,
                "setups": [plan.names[setup] for setup in plan.setups.get(row, ())],
                "mapped": row in plan.mapped,
                "layer": where[row][0],
                "order": where[row][1],
                "state": engine.task_state(row).label if engine is not None else None,
                "counts": counts.get(row) if row in plan.mapped else None,
                "error": _error(engine, row) if engine is not None else None,
            }
            for row, node in nodes_of(plan)
        ],
        "groups": [
            {
                **node,
                "mapped": group.expansion >= 0,
                "state": worst([TaskState(engine.states[row]) for row in group.rows]).label if engine else None,
                "counts": _sum(counts[row] for row in group.rows) if engine is not None else None,
            }
            for group, node in groups_of(plan)
        ],
    }


def counts_of_map(engine: RunEngine, row: int) -> dict[str, int]:
    """State -> how many instances of a map are in it."""
    return _counts(engine, [row])


def _counts(engine: RunEngine, rows: Iterable[int]) -> dict[str, int]:
    counted = Counter(engine.states[slot] for row in rows for slot in engine.slots(row))
    return {TaskState(state).label: number for state, number in sorted(counted.items())}


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _error(engine: RunEngine, row: int) -> str | None:
    """The error of a task that failed, of a map the first of its instances'."""
    if engine.states[row] != TaskState.FAILED:
        return None
    slot = next((slot for slot in engine.slots(row) if slot in engine.errors), row)
    error = engine.errors.get(slot)
    return f"{error.type}: {error.message}" if error is not None else None

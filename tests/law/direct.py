"""The plan of a described workflow, made without the compiler: so the engine can be judged apart from it, and rows can
have any numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy, TriggerRule
from tests.law.description import Flow
from tests.law.graph import EARLY_RULES, Graph

TIMEOUT = 1e6


def definition_order(graph: Graph) -> list[str]:
    """The rows in the order of their definition: an expansion comes before what is in its group."""
    order: list[str] = []
    for task in graph.tasks:
        around = graph.map_around(task)
        if around and around not in order:
            order.append(around)
        order.append(task)
    return order


def shuffled_order(graph: Graph, random: Random) -> list[str]:
    """The rows in any order."""
    return random.sample(graph.rows, len(graph.rows))


def direct_plan(flow: Flow, graph: Graph, order: Sequence[str]) -> Plan:
    """The plan, with the rows in this order."""
    number = {row: place for place, row in enumerate(order)}

    def numbers(rows: Iterable[str]) -> tuple[int, ...]:
        return tuple(sorted({number[row] for row in rows}))

    def some(rows: Mapping[str, Iterable[str]]) -> dict[int, tuple[int, ...]]:
        return {number[row]: numbers(others) for row, others in sorted(rows.items()) if others}

    size = len(order)
    return Plan(
        workflow="flow",
        names=tuple(order),
        upstreams=tuple(numbers(graph.upstreams(row)) for row in order),
        inputs=tuple(numbers(inputs(graph, row)) for row in order),
        policies=tuple(_policy(graph, row) for row in order),
        functions=tuple("" if row in graph.groups else "module:body" for row in order),
        digests=("",) * size,
        wiring=("()",) * size,
        numbered=frozenset(),
        places=("file.py:1",) * size,
        deciders=some({row: graph.deciders(row) for row in order}),
        guards=some({row: graph.guards(row) for row in order}),
        waits=some({row: waits(graph, row) for row in order}),
        setups=some({row: graph.setups(row) for row in order if graph.is_teardown(row)}),
        groups=_groups(flow, graph, number),
        maps={number[row]: "group" if row in graph.groups else "task" for row in order if graph.sources(row)},
        timeout=TIMEOUT,
        fail_fast=flow.fail_fast,
        run_state="leaves" if flow.run_state == "leaves" else "any",
    )


def inputs(graph: Graph, row: str) -> list[str]:
    """The tasks whose values a row takes."""
    taken = [*graph.tasks[row].takes] if row in graph.tasks else []
    return [*taken, *(source for source in graph.sources(row) if isinstance(source, str))]


def waits(graph: Graph, row: str) -> list[str]:
    """What else must have ended before a row starts, whatever came of it."""
    if graph.is_teardown(row):
        return [other for other in graph.scope(row) if other not in {*graph.upstreams(row), *graph.guards(row)}]
    if graph.rule(row) in EARLY_RULES:
        return [other for other in inputs(graph, row) if other not in graph.guards(row)]
    return []


def _policy(graph: Graph, row: str) -> TaskPolicy:
    if row not in graph.tasks:
        return TaskPolicy()
    task = graph.tasks[row]
    return TaskPolicy(
        retries=task.retries,
        retry_delay=5.0,
        trigger_rule=TriggerRule(graph.rule(row)),
        allow_failure=task.allow_failure,
        setup=task.setup,
        teardown=task.teardown,
        on_failure_fail_run=task.on_failure_fail_run,
        decides=task.decides,  # type: ignore[arg-type]
    )


def _groups(flow: Flow, graph: Graph, number: Mapping[str, int]) -> tuple[Group, ...]:
    places = {group.name: place for place, group in enumerate(flow.groups)}
    return tuple(
        Group(
            name=group.name,
            parent=places.get(group.parent, -1),
            rows=tuple(sorted(number[row] for row in graph.rows_in(group.name))),
            expansion=number[group.name] if group.over is not None else -1,
            policy=TaskPolicy(retries=group.retries, retry_delay=7.0) if group.retries else None,
        )
        for group in flow.groups
    )

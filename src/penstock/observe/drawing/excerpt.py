"""What of a plan is drawn as an image: all of it, or as much as can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.observe.drawing.layers import layers_of
from penstock.plan.plan import Plan

MOST_LAYERS = 60
MOST_IN_LAYER = 40
MOST_EDGES = 3_000


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A graph to draw. A node is a task, or stands for the rest of its layer and has no task."""

    tasks: list[int | None]
    labels: list[str]
    upstreams: list[list[int]]
    passing: set[tuple[int, int]]
    """Edges, as source and target, that pass a value."""
    notes: list[str]
    """What the drawing should say of itself."""


def excerpt(plan: Plan) -> Excerpt:
    """The plan as nodes and edges: the first tasks of each layer, and one node for the others of the layer."""
    layers = layers_of(plan.upstreams)
    tasks: list[int | None] = []
    labels: list[str] = []
    node_of: dict[int, int] = {}
    for layer in layers[:MOST_LAYERS]:
        shown = layer if len(layer) <= MOST_IN_LAYER else layer[: MOST_IN_LAYER - 1]
        for task in shown:
            node_of[task] = len(tasks)
            tasks.append(task)
            labels.append(plan.names[task])
        _add_rest(layer[len(shown) :], "more", tasks, labels, node_of)
    _add_rest([task for layer in layers[MOST_LAYERS:] for task in layer], "more below", tasks, labels, node_of)
    shown_tasks = sum(task is not None for task in tasks)
    notes = [f"{shown_tasks:,} of {len(plan):,} tasks are drawn."] if shown_tasks < len(plan) else []
    edges, passing = _edges(plan, node_of)
    if len(edges) > MOST_EDGES:
        notes.append(f"{MOST_EDGES:,} of {len(edges):,} edges are drawn.")
        edges = edges[:MOST_EDGES]
    upstreams: list[list[int]] = [[] for _ in tasks]
    for source, target in edges:
        upstreams[target].append(source)
    return Excerpt(tasks, labels, upstreams, passing, notes)


def _add_rest(rest: list[int], word: str, tasks: list[int | None], labels: list[str], node_of: dict[int, int]) -> None:
    if rest:
        node_of.update(dict.fromkeys(rest, len(tasks)))
        tasks.append(None)
        labels.append(f"… {len(rest):,} {word}")


def _edges(plan: Plan, node_of: dict[int, int]) -> tuple[list[tuple[int, int]], set[tuple[int, int]]]:
    """The edges between nodes, each once and nearest first, and those of them that pass a value."""
    edges: dict[tuple[int, int], None] = {}
    passing = set()
    for task, upstreams in enumerate(plan.upstreams):
        taken = frozenset(plan.inputs[task])
        for upstream in upstreams:
            edge = node_of[upstream], node_of[task]
            if edge[0] != edge[1]:
                edges[edge] = None
                if upstream in taken:
                    passing.add(edge)
    return sorted(edges, key=lambda edge: edge[1] - edge[0]), passing

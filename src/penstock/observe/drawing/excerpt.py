"""What of a plan is drawn as an image: all of it, or as much as can be looked at.

Of a plan that is too large, groups are folded, the innermost first: one node stands for each. What is still too large
is cut: the first nodes of each layer, and one for the others of the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock.observe.drawing.layers import layers_of
from penstock.observe.drawing.remarks import group_remarks, mapped, remarks
from penstock.observe.drawing.structure import (
    edges,
    expanded_groups,
    innermost_groups,
    is_scope,
    short_group_name,
    short_name,
)
from penstock.observe.words import count
from penstock.plan.graph import topological_order
from penstock.plan.plan import Plan

MOST_LAYERS = 60
MOST_IN_LAYER = 40
MOST_EDGES = 3_000
MOST_NODES = 250
"""Of more nodes, groups are folded."""


@dataclass(slots=True)
class Node:
    """A box to draw."""

    label: str
    rows: list[int]
    """What it stands for: a task, all that is in a folded group, or the rest of a layer."""
    frame: int = -1
    """The innermost frame around it; -1 if there is none."""
    hint: str = ""
    remarks: Sequence[str] = ()
    kind: str = "task"
    """task, group or rest."""
    is_mapped: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A group, drawn with what is in it."""

    label: str
    hint: str
    remarks: Sequence[str]
    rows: list[int]
    parent: int
    is_mapped: bool


@dataclass(slots=True)
class Excerpt:
    """A graph to draw."""

    nodes: list[Node] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    edges: dict[tuple[int, int], None] = field(default_factory=dict)
    """From a node to a node, or to a frame, which is given as -1 less its number."""
    passing: set[tuple[int, int]] = field(default_factory=set)
    """Edges that pass a value."""
    scopes: set[tuple[int, int]] = field(default_factory=set)
    """Edges from setups to their teardowns."""
    folded: int = 0
    """How many groups are drawn as single nodes."""
    notes: list[str] = field(default_factory=list)
    """What the drawing should say of itself."""


def excerpt(plan: Plan, widths: Mapping[int, int] | None = None) -> Excerpt:
    """As much of a plan as can be looked at. `widths` has how many instances maps have, as far as that is known."""
    depths = _depths(plan)
    for deepest in range(max(depths, default=0), -1, -1):
        part = _folded(plan, widths or {}, {group for group, depth in enumerate(depths) if depth > deepest})
        above = _upstreams(part)
        layers = layers_of(above) if len(topological_order(above)) == len(above) else []
        if layers and (not part.frames or _fits(part, layers)):
            break
    else:
        part = _folded(plan, widths or {}, set(), is_flat=True)
        layers = layers_of(_upstreams(part))
    return _cut(part, layers, len(plan) - len(plan.expanded_by))


def _depths(plan: Plan) -> list[int]:
    """How deep each group is: 1 if there is none around it."""
    depths: list[int] = []
    for group in plan.groups:
        depths.append(depths[group.parent] + 1 if group.parent >= 0 else 1)
    return depths


def _folded(plan: Plan, widths: Mapping[int, int], folded: set[int], *, is_flat: bool = False) -> Excerpt:
    """The plan with these groups folded, and frames for the others; `is_flat`: without any."""
    part = Excerpt()
    expanded = expanded_groups(plan)
    frames = dict[int, int]()
    stands_for = dict[int, int]()
    """Folded groups -> their nodes, or those of the folded groups around them."""
    for number, group in enumerate(plan.groups):
        rows = [*group.rows, *([group.expansion] if group.expansion >= 0 else [])]
        if is_flat or not rows:
            continue
        name = mapped(short_group_name(plan, number), group.expansion >= 0)
        said, parent = group_remarks(plan, number, widths), frames.get(group.parent, -1)
        if group.parent in stands_for:
            stands_for[number] = stands_for[group.parent]
        elif number in folded:
            stands_for[number] = len(part.nodes)
            said = [count(sum(row not in expanded for row in rows), "task"), *said]
            part.nodes.append(Node(name, rows, parent, group.name, said, "group", group.expansion >= 0))
        else:
            frames[number] = len(part.frames)
            part.frames.append(Frame(name, group.name, said, rows, parent, group.expansion >= 0))
    ends = list[int]()
    for row, group_number in enumerate(innermost_groups(plan)):
        around = expanded.get(row, group_number)
        if around in stands_for:
            ends.append(stands_for[around])
        elif row in expanded and not is_flat:
            ends.append(-1 - frames[around])
        else:
            frame = frames.get(group_number, -1)
            label = short_name(plan, row, group_number) if frame >= 0 else plan.names[row]
            is_mapped = row in plan.maps
            ends.append(len(part.nodes))
            said = remarks(plan, row, widths)
            part.nodes.append(Node(mapped(label, is_mapped), [row], frame, plan.names[row], said, is_mapped=is_mapped))
    _connect(part, plan, ends)
    part.folded = len({*stands_for.values()})
    return part


def _connect(part: Excerpt, plan: Plan, ends: Sequence[int]) -> None:
    """Add the edges, each once. `ends` has what stands for each row."""
    taken = [frozenset(inputs) for inputs in plan.inputs]
    for source, target in edges(plan):
        edge = ends[source], ends[target]
        if edge[0] == edge[1]:
            continue
        part.edges[edge] = None
        if source in taken[target]:
            part.passing.add(edge)
        if is_scope(plan, source, target):
            part.scopes.add(edge)


def _upstreams(part: Excerpt) -> list[list[int]]:
    """What comes before each node; what leads to a frame comes before all in it."""
    inside: list[list[int]] = [[] for _ in part.frames]
    for number, node in enumerate(part.nodes):
        frame = node.frame
        while frame >= 0:
            inside[frame].append(number)
            frame = part.frames[frame].parent
    upstreams: list[list[int]] = [[] for _ in part.nodes]
    for source, target in part.edges:
        for node_number in [target] if target >= 0 else inside[-1 - target]:
            upstreams[node_number].append(source)
    return upstreams


def _fits(part: Excerpt, layers: Sequence[Sequence[int]]) -> bool:
    return (
        len(part.nodes) <= MOST_NODES
        and len(layers) <= MOST_LAYERS
        and max(map(len, layers), default=0) <= MOST_IN_LAYER
    )


def _cut(part: Excerpt, layers: Sequence[Sequence[int]], tasks: int) -> Excerpt:
    """Of a graph that is too large: what can be looked at."""
    cut = part
    if not part.frames and (len(layers) > MOST_LAYERS or max(map(len, layers), default=0) > MOST_IN_LAYER):
        cut = Excerpt(folded=part.folded)
        place = dict[int, int]()
        for layer in layers[:MOST_LAYERS]:
            shown = layer if len(layer) <= MOST_IN_LAYER else layer[: MOST_IN_LAYER - 1]
            for number in shown:
                place[number] = len(cut.nodes)
                cut.nodes.append(part.nodes[number])
            _add_rest([*layer[len(shown) :]], "more", part, cut, place)
        _add_rest([number for layer in layers[MOST_LAYERS:] for number in layer], "more below", part, cut, place)
        for edge in part.edges:
            moved = place[edge[0]], place[edge[1]]
            if moved[0] == moved[1]:
                continue
            cut.edges[moved] = None
            for kept, before in ((cut.passing, part.passing), (cut.scopes, part.scopes)):
                if edge in before:
                    kept.add(moved)
    drawn = sum(node.kind == "task" for node in cut.nodes)
    if drawn < tasks:
        folded = f"; {count(cut.folded, 'group')} folded" if cut.folded else ""
        cut.notes.append(f"{drawn:,} of {tasks:,} tasks are drawn{folded}.")
    if len(cut.edges) > MOST_EDGES:
        cut.notes.append(f"{MOST_EDGES:,} of {len(cut.edges):,} edges are drawn.")
        nearest = sorted(cut.edges, key=lambda edge: abs(edge[1] - edge[0]))
        cut.edges = dict.fromkeys(nearest[:MOST_EDGES])
    return cut


def _add_rest(rest: list[int], word: str, part: Excerpt, cut: Excerpt, place: dict[int, int]) -> None:
    if rest:
        rows = [row for number in rest for row in part.nodes[number].rows]
        place.update(dict.fromkeys(rest, len(cut.nodes)))
        label = f"… {len(rest):,} {word}"
        cut.nodes.append(Node(label, rows, hint=label, kind="rest"))

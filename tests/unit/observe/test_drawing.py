"""Drawings of plans: all tasks and edges, nothing on top of each other, nothing that a name can break."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.states import TaskState
from penstock.observe.drawing import FORMATS, draw_dot, draw_mermaid, draw_svg, draw_text
from penstock.observe.drawing.excerpt import MOST_EDGES, MOST_IN_LAYER, MOST_LAYERS, excerpt
from penstock.observe.drawing.layers import Layered, layers_of
from penstock.observe.drawing.layout import Box, lay_out
from penstock.observe.drawing.nesting import ROOT, TITLE, End, Nest, nest
from penstock.observe.drawing.palette import LOOKS
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy

SVG = "{http://www.w3.org/2000/svg}"


def plan_of(upstreams: list[tuple[int, ...]], names: list[str] | None = None, workflow: str = "flow") -> Plan:
    """A plan of this graph, in which every second edge passes a value."""
    size = len(upstreams)
    return Plan(
        workflow=workflow,
        names=tuple(names or [f"task_{number}" for number in range(size)]),
        upstreams=tuple(upstreams),
        inputs=tuple(above[::2] for above in upstreams),
        policies=(TaskPolicy(),) * size,
        functions=("m:f",) * size,
        digests=("",) * size,
        wiring=("()",) * size,
        numbered=frozenset(),
        places=("f.py:1",) * size,
    )


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Upstreams of each node; the numbering is shuffled, since tasks may be defined in any order."""
    size = draw(st.integers(0, 25))
    order = draw(st.permutations(range(size)))
    upstreams: list[tuple[int, ...]] = [()] * size
    for place, node in enumerate(order):
        above = draw(st.sets(st.sampled_from(order[:place]), max_size=4)) if place else set()
        upstreams[node] = tuple(sorted(above))
    return upstreams


@given(graphs())
def test_layers_hold_every_node_once_below_its_upstreams(upstreams: list[tuple[int, ...]]):
    layers = layers_of(upstreams)
    depth = {node: number for number, layer in enumerate(layers) for node in layer}
    assert sorted(depth) == list(range(len(upstreams)))
    for node, above in enumerate(upstreams):
        assert depth[node] == max((depth[upstream] + 1 for upstream in above), default=0)


@given(graphs())
def test_every_edge_passes_through_each_layer_between_its_ends(upstreams: list[tuple[int, ...]]):
    graph = Layered(upstreams)
    depth = {node: number for number, layer in enumerate(graph.layers) for node in layer}
    assert sorted((chain[0], chain[-1]) for chain in graph.chains) == sorted(
        (upstream, node) for node, above in enumerate(upstreams) for upstream in above
    )
    for chain in graph.chains:
        assert [depth[node] for node in chain] == list(range(depth[chain[0]], depth[chain[-1]] + 1))


def test_the_order_avoids_crossings():
    upstreams = [(), (), (), (2,), (1,), (0,)]
    graph = Layered(upstreams)
    place = {node: index for layer in graph.layers for index, node in enumerate(layer)}
    assert [place[node] for node in (3, 4, 5)] == [place[node] for node in (2, 1, 0)]


@given(graphs(), st.data())
def test_boxes_do_not_overlap_and_edges_lead_to_the_right(upstreams: list[tuple[int, ...]], data: st.DataObject):
    sizes = [(float(data.draw(st.integers(20, 300))), float(data.draw(st.integers(10, 90)))) for _ in upstreams]
    layout = lay_out(upstreams, sizes)
    assert not any(overlap(box, other) for place, box in enumerate(layout.boxes) for other in layout.boxes[:place])
    for box, (width, height), (left, right) in zip(layout.boxes, sizes, layout.columns, strict=True):
        assert box.width >= width
        assert box.height == height
        assert left == box.x
        assert 0 <= box.x <= box.right <= right <= layout.width + 1e-6
        assert -1e-6 <= box.y <= box.y + box.height <= layout.height + 1e-6
    for (source, target), points in layout.edges.items():
        xs = [layout.columns[source][1], *(x for x, _ in points), layout.columns[target][0]]
        assert all(after >= before for before, after in pairwise(xs))


def overlap(one: Box, other: Box) -> bool:
    gap = 1e-6
    return (
        one.x < other.right - gap
        and other.x < one.right - gap
        and one.y < other.y + other.height - gap
        and other.y < one.y + one.height - gap
    )


@st.composite
def nests(draw: st.DrawFn) -> Nest:
    """Nodes in frames in frames, with edges from lower to higher nodes, also in and out of frames, and to frames."""
    parents: list[int] = []
    for frame in range(draw(st.integers(0, 6))):
        parents.append(draw(st.integers(ROOT, frame - 1)))
    nodes = draw(st.integers(1, 15))
    frame_of = [draw(st.integers(ROOT, len(parents) - 1)) for _ in range(nodes)]
    pairs = draw(st.sets(st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)), max_size=25))
    edges: list[tuple[int, End]] = [(source, ("node", target)) for source, target in sorted(pairs) if source < target]
    for frame in range(len(parents)):
        outside = [node for node in range(nodes) if frame not in around(frame_of[node], parents)]
        if draw(st.booleans()) and outside:
            edges.append((draw(st.sampled_from(outside)), ("frame", frame)))
    sizes = [(float(draw(st.integers(20, 200))), float(draw(st.sampled_from([28, 42])))) for _ in range(nodes)]
    return Nest(sizes, frame_of, parents, [float(draw(st.integers(0, 300))) for _ in parents], edges)


def around(frame: int, parents: list[int]) -> list[int]:
    found = []
    while frame != ROOT:
        found.append(frame)
        frame = parents[frame]
    return found


@given(nests())
def test_frames_hold_what_is_in_them_and_nothing_else(what: Nest):
    drawn = nest(what)
    parents = [*what.parents]
    for node, box in enumerate(drawn.boxes):
        for frame, outer in enumerate(drawn.frames):
            if frame in around(what.frame_of[node], parents):
                assert holds(outer, box)
            else:
                assert not overlap(outer, box)
    for frame, box in enumerate(drawn.frames):
        assert box.width >= what.titles[frame]
        for other in range(frame):
            if other in around(frame, parents):
                assert holds(drawn.frames[other], box)
            else:
                assert not overlap(drawn.frames[other], box)


def holds(outer: Box, inner: Box) -> bool:
    gap = 1e-6
    return (
        outer.x <= inner.x + gap
        and inner.right <= outer.right + gap
        and outer.y + TITLE <= inner.y + gap
        and inner.y + inner.height <= outer.y + outer.height + gap
    )


@given(nests())
def test_an_edge_leads_from_the_side_of_its_source_to_that_of_its_target(what: Nest):
    drawn = nest(what)
    for (source, (kind, target)), points in zip(what.edges, drawn.edges, strict=True):
        start, end = drawn.boxes[source], (drawn.boxes if kind == "node" else drawn.frames)[target]
        assert points[0] == (start.right, start.middle)
        assert points[-1] == (end.x, end.middle)


@given(nests())
def test_an_edge_passes_by_every_node(what: Nest):
    drawn = nest(what)
    for (source, target), points in zip(what.edges, drawn.edges, strict=True):
        if any(after[0] < before[0] for before, after in pairwise(points)):
            continue  # it leads back into a group that was left before
        others = [box for node, box in enumerate(drawn.boxes) if node != source and ("node", node) != target]
        for (x, y), (end_x, end_y) in pairwise(points):
            assert not any(crosses(Box(x, min(y, end_y), end_x - x, abs(end_y - y)), box) for box in others)


def crosses(line: Box, box: Box) -> bool:
    """Whether a part of an edge touches a node, wherever in its rectangle it is drawn: it turns between columns."""
    gap = 1e-3
    return (
        line.x < box.right - gap
        and box.x < line.right - gap
        and line.y < box.y + box.height - gap
        and box.y < line.y + line.height - gap
    )


@given(graphs(), st.booleans())
def test_every_format_has_every_task(upstreams: list[tuple[int, ...]], with_states: bool):
    plan = plan_of(upstreams)
    states = [list(TaskState)[task % len(TaskState)] for task in range(len(plan))] if with_states else None
    edges = sum(map(len, upstreams))
    for draw in FORMATS.values():
        drawn = draw(plan, states)
        assert drawn.endswith("\n")
        assert all(name in drawn for name in plan.names)
    assert draw_dot(plan).count("->") == edges
    assert draw_dot(plan).count("[style=dashed]") == edges - sum(map(len, plan.inputs))
    assert draw_mermaid(plan).count("-.->") == edges - sum(map(len, plan.inputs))
    assert draw_svg(plan).count("<path") == edges


def test_text_goes_step_by_step():
    plan = plan_of([(), (), (0, 1), (2,)], ["a", "b", "join", "end"])
    assert draw_text(plan) == (
        "flow: 4 tasks, 3 edges\n\n1  a\n   b\n2  join  after a, b\n3  end   after join\n"
    )  # fmt: skip


def test_states_have_their_colours_and_a_legend():
    plan = plan_of([(), (0,)])
    drawn = draw_svg(plan, [TaskState.SUCCESS, TaskState.FAILED])
    root = ET.fromstring(drawn)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"✓ success", "✗ failed"} <= set(texts), "a legend"
    assert "✓ task_0" in texts, "states can be told without colours"
    assert LOOKS[TaskState.FAILED].fill in drawn
    assert LOOKS[TaskState.FAILED].dark_fill in drawn
    assert LOOKS[TaskState.RUNNING].fill not in drawn
    assert "class t1 failed" in draw_mermaid(plan, [TaskState.SUCCESS, TaskState.FAILED])
    assert "1  task_0  success\n" in draw_text(plan, [TaskState.SUCCESS, TaskState.FAILED])


ODD = ['"', "<script>alert(1)</script>", "a&b", "back\\slash", "#35;", "日本語", "x" * 300, "end", "]]>", "`"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_break_no_drawing(name: str):
    plan = plan_of([(), (0,)], [name, "other"], workflow=name)
    root = ET.fromstring(draw_svg(plan, [TaskState.SUCCESS] * 2))
    assert any((title.text or "").startswith(name) for title in root.iter(f"{SVG}title"))
    assert not list(root.iter(f"{SVG}script"))
    (label,) = re.findall(r't0 \[label="((?:[^"\\]|\\.)*)"\];', draw_dot(plan))
    assert re.sub(r"\\(.)", r"\1", label) == name
    (label,) = re.findall(r't0\["([^"]*)"\]', draw_mermaid(plan))
    assert "<" not in label


def test_a_workflow_whose_name_is_no_text_to_show():
    plan = plan_of([()], workflow="a\x1b[31m\n\x00b\udcff")
    for draw in FORMATS.values():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\udc00-\udfff]", draw(plan, None))
    ET.fromstring(draw_svg(plan))


def test_of_a_large_plan_an_excerpt_is_drawn_that_says_so():
    wide = plan_of([(), *[(0,)] * 1000, tuple(range(1, 1001))])
    part = excerpt(wide)
    labels = [node.label for node in part.nodes]
    assert len(labels) == MOST_IN_LAYER + 2
    assert part.notes == ["41 of 1,002 tasks are drawn."]
    assert "41 of 1,002 tasks are drawn." in draw_svg(wide)
    rest, end = labels.index(f"… {1000 - MOST_IN_LAYER + 1} more"), labels.index("task_1001")
    assert (rest, end) in part.edges, "what is left out is still connected"

    deep = excerpt(plan_of([(), *[(number,) for number in range(500)]]))
    assert len(deep.nodes) == MOST_LAYERS + 1
    assert deep.nodes[-1].label == f"… {501 - MOST_LAYERS} more below"

    dense = excerpt(plan_of([tuple(range(number)) for number in range(55)] + [tuple(range(55))] * 30))
    assert len(dense.edges) == MOST_EDGES
    assert any("edges are drawn" in note for note in dense.notes)


def test_every_state_has_a_look():
    assert set(LOOKS) == set(TaskState)

"""Questions about graphs, against the standard library's graphlib and against plain searches."""

from __future__ import annotations

import graphlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.plan.graph import cycles, invert, reach, topological_order
from tests.simulation.plans import any_graphs, graphs

Graph = list[list[int]]


def has_cycle(graph: Graph) -> bool:
    """What graphlib says."""
    try:
        graphlib.TopologicalSorter(dict(enumerate(graph))).prepare()
    except graphlib.CycleError:
        return True
    return False


def without(graph: Graph, nodes: set[int]) -> Graph:
    """The graph without these nodes' edges."""
    return [[other for other in above if not {node, other} & nodes] for node, above in enumerate(graph)]


def above_or_on_a_cycle(graph: Graph) -> set[int]:
    """Nodes from which walking up comes to a cycle, by brute force."""
    found = set()
    for node in range(len(graph)):
        seen: set[int] = set()
        frontier = {node}
        while frontier:
            seen |= frontier
            frontier = {other for one in frontier for other in graph[one]} - seen
        part = [list(graph[one]) if one in seen else [] for one in range(len(graph))]
        if has_cycle(part):
            found.add(node)
    return found


@given(graphs())
def test_an_order_has_every_node_once_and_after_its_upstreams(graph: Graph) -> None:
    order = topological_order(graph)
    assert sorted(order) == list(range(len(graph)))
    place = {node: index for index, node in enumerate(order)}
    assert all(place[above] < place[node] for node in range(len(graph)) for above in graph[node])


@given(any_graphs())
def test_an_order_leaves_out_what_is_on_a_cycle_or_below_one(graph: Graph) -> None:
    order = topological_order(graph)
    assert set(order) == set(range(len(graph))) - above_or_on_a_cycle(graph)
    assert (len(order) < len(graph)) == has_cycle(graph)


@given(graphs(max_size=12))
def test_the_order_is_made_of_graphlibs_waves(graph: Graph) -> None:
    """Which nodes come free together is a property of the graph: ours come in the same waves."""
    sorter = graphlib.TopologicalSorter(dict(enumerate(graph)))
    sorter.prepare()
    order = topological_order(graph)
    begin = 0
    while sorter.is_active():
        wave = sorter.get_ready()
        assert set(order[begin : begin + len(wave)]) == set(wave)
        begin += len(wave)
        sorter.done(*wave)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_upstreams_are_listed(graph: Graph, random: object) -> None:
    shuffled = [list(reversed(above)) for above in graph]
    assert topological_order(shuffled) == topological_order(graph)


@given(any_graphs())
def test_cycles_are_found_exactly_if_there_are_any(graph: Graph) -> None:
    assert bool(cycles(graph)) == has_cycle(graph)


@given(any_graphs())
def test_each_reported_cycle_is_one(graph: Graph) -> None:
    for cycle in cycles(graph):
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(one in graph[following] for one, following in pairwise(cycle))


@given(any_graphs())
def test_reported_cycles_share_no_node(graph: Graph) -> None:
    nodes = [node for cycle in cycles(graph) for node in cycle[:-1]]
    assert len(nodes) == len(set(nodes))


@given(any_graphs())
def test_without_the_nodes_of_the_reported_cycles_there_are_none(graph: Graph) -> None:
    assert not has_cycle(without(graph, {node for cycle in cycles(graph) for node in cycle}))


@given(any_graphs())
def test_downstreams_are_the_upstreams_turned_round(graph: Graph) -> None:
    below = invert(graph)
    edges = {(above, node) for node, upstreams in enumerate(graph) for above in upstreams}
    assert {(node, after) for node, downstreams in enumerate(below) for after in downstreams} == edges
    assert invert(below) == [sorted(above) for above in graph]


@given(any_graphs(), st.data())
def test_what_can_be_reached_is_what_a_plain_search_reaches(graph: Graph, data: st.DataObject) -> None:
    starts = data.draw(st.sets(st.integers(0, len(graph) - 1))) if graph else set()
    expected = set(starts)
    for _ in graph:
        expected |= {other for node in expected for other in graph[node]}
    assert reach(starts, graph) == expected


def test_a_long_chain_takes_no_recursion() -> None:
    size = 100_000
    chain = [[n - 1] if n else [] for n in range(size)]
    assert topological_order(chain) == list(range(size))
    assert len(reach([size - 1], chain)) == size
    ring = [[(n - 1) % size] for n in range(size)]
    assert len(cycles(ring)[0]) == size + 1

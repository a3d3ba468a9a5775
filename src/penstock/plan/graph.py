"""Questions about a graph given as a list of upstreams: its order, its cycles, what lies above and below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def topological_order(upstreams: Sequence[Sequence[int]]) -> list[int]:
    """The nodes in an order in which each comes after its upstreams, lower numbers first where free (Kahn's algorithm).

    Nodes on a cycle, or below one, are left out.
    """
    missing = [len(above) for above in upstreams]
    below = invert(upstreams)
    order = [node for node, count in enumerate(missing) if not count]
    for node in order:
        for successor in below[node]:
            missing[successor] -= 1
            if not missing[successor]:
                order.append(successor)
    return order


def is_in_order(upstreams: Sequence[Sequence[int]]) -> bool:
    """Whether each node comes after its upstreams already, as it does where tasks are defined after what they take. The
    upstreams of each are ascending."""
    return all(above[-1] < node for node, above in enumerate(upstreams) if above)


def invert(upstreams: Sequence[Sequence[int]]) -> list[list[int]]:
    """The downstreams of each node."""
    below: list[list[int]] = [[] for _ in upstreams]
    for node, above in enumerate(upstreams):
        for upstream in above:
            below[upstream].append(node)
    return below


def cycles(upstreams: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cycles that share no node, each in the direction of flow with its first node repeated at the end; none left over:
    without the nodes named here the graph has no cycle."""
    found: list[list[int]] = []
    alive: set[int] = set()
    ordered = set(topological_order(upstreams))
    alive.update(node for node in range(len(upstreams)) if node not in ordered)
    while alive:
        cycle = _walk_up(min(alive), upstreams, alive)
        found.append(cycle)
        alive.difference_update(cycle)
        alive = _on_cycles(upstreams, alive)
    return found


def _walk_up(node: int, upstreams: Sequence[Sequence[int]], alive: set[int]) -> list[int]:
    """Every node that is alive has an upstream that is, so walking up comes round."""
    seen: dict[int, int] = {}
    path: list[int] = []
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = next(upstream for upstream in upstreams[node] if upstream in alive)
    circle = path[seen[node] :]
    start = circle.index(min(circle))
    circle = circle[start:] + circle[:start]
    circle.reverse()
    return [circle[-1], *circle]


def _on_cycles(upstreams: Sequence[Sequence[int]], alive: set[int]) -> set[int]:
    """Those of the nodes that are still not ordered once the rest of the graph is gone."""
    nodes = sorted(alive)
    index = {node: i for i, node in enumerate(nodes)}
    part = [[index[upstream] for upstream in upstreams[node] if upstream in index] for node in nodes]
    ordered = set(topological_order(part))
    return {node for i, node in enumerate(nodes) if i not in ordered}


def reach(starts: Iterable[int], edges: Sequence[Sequence[int]]) -> set[int]:
    """The starts and everything that can be reached from them along the edges."""
    reached = set(starts)
    frontier = sorted(reached)
    for node in frontier:
        for successor in edges[node]:
            if successor not in reached:
                reached.add(successor)
                frontier.append(successor)
    return reached

"""The nodes of a graph by layers, and the order within each in which few edges cross.

After K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures" (1981):
longest-path layers, a bend wherever an edge passes through a layer, and sweeps by barycentre.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence

from penstock.plan.graph import invert, topological_order

_SWEEPS = 8
_COUNTED = 4_000
"""With more hops than these, crossings are not counted, and the last order is taken for the best."""


def layers_of(upstreams: Sequence[Sequence[int]]) -> list[list[int]]:
    """The nodes by the length of the longest path that leads to them, in their own order within each layer."""
    depth = [0] * len(upstreams)
    for node in topological_order(upstreams):
        depth[node] = max((depth[upstream] + 1 for upstream in upstreams[node]), default=0)
    layers: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for node, layer in enumerate(depth):
        layers[layer].append(node)
    return layers


class Layered:
    """A graph whose edges only lead from one layer to the next: those that lead further pass through bends.

    Nodes below `nodes` are the graph's own; the others are bends. `chains` has the nodes that each edge passes. The
    nodes `first` and `last` have the first and the last layer to themselves.
    """

    def __init__(
        self, upstreams: Sequence[Sequence[int]], first: Collection[int] = (), last: Collection[int] = ()
    ) -> None:
        self.nodes = len(upstreams)
        inner = layers_of(
            [[node for node in above if node not in first] for above in upstreams] if first else upstreams
        )
        if first or last:
            ports = {*first, *last}
            inner = [rest for nodes in inner if (rest := [node for node in nodes if node not in ports])]
        self.layers = [nodes for nodes in ([*first], *inner, [*last]) if nodes]
        depth = {node: layer for layer, nodes in enumerate(self.layers) for node in nodes}
        self.upstreams: list[list[int]] = [[] for _ in upstreams]
        self.chains: list[tuple[int, ...]] = []
        for node, above in enumerate(upstreams):
            for upstream in above:
                chain = [upstream]
                for layer in range(depth[upstream] + 1, depth[node]):
                    bend = len(self.upstreams)
                    self.upstreams.append([chain[-1]])
                    self.layers[layer].append(bend)
                    chain.append(bend)
                self.upstreams[node].append(chain[-1])
                self.chains.append((*chain, node))
        self.downstreams = invert(self.upstreams)
        self._sort()

    def _sort(self) -> None:
        """Sweep up and down, ordering each layer by where the neighbours of its nodes are, and keep the best order."""
        counted = sum(map(len, self.upstreams)) <= _COUNTED
        best, fewest = [list(layer) for layer in self.layers], self._crossings() if counted else 0
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.upstreams if down else self.downstreams
            for layer in range(len(self.layers)) if down else reversed(range(len(self.layers))):
                self._order(layer, layer - 1 if down else layer + 1, neighbours)
            crossings = self._crossings() if counted else 0
            if crossings < fewest or not counted:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best

    def _order(self, layer: int, other: int, neighbours: Sequence[Sequence[int]]) -> None:
        if not 0 <= other < len(self.layers):
            return
        place = {node: index for index, node in enumerate(self.layers[other])}
        nodes = self.layers[layer]
        scale = len(place) / max(len(nodes), 1)
        centre = {}
        for index, node in enumerate(nodes):
            near = [place[neighbour] for neighbour in neighbours[node] if neighbour in place]
            centre[node] = sum(near) / len(near) if near else index * scale
        nodes.sort(key=centre.__getitem__)

    def _crossings(self) -> int:
        crossings = 0
        for above, below in zip(self.layers, self.layers[1:], strict=False):
            place = {node: index for index, node in enumerate(above)}
            seen: list[int] = []
            for node in below:
                ends = [place[upstream] for upstream in self.upstreams[node]]
                crossings += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return crossings

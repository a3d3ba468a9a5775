"""Where the boxes of a drawing stand and which way its edges go: layers from left to right, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.observe.drawing.layers import Layered

BOX_HEIGHT = 28.0
_ROW_GAP = 10.0
_BEND_HEIGHT = 6.0
_COLUMN_GAP = 56.0
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place: its upper left corner and its width."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's boxes, one a node, and the points that each edge goes through, by source and target."""

    boxes: list[Box]
    edges: dict[tuple[int, int], list[tuple[float, float]]]
    width: float
    height: float


def lay_out(upstreams: Sequence[Sequence[int]], widths: Sequence[float]) -> Layout:
    """Places for nodes of these widths."""
    graph = Layered(upstreams)
    middles = _middles(graph)
    lefts, rights, x = [], [], 0.0
    for layer in graph.layers:
        width = max((widths[node] for node in layer if node < graph.nodes), default=0.0)
        lefts.append(x)
        rights.append(x + width)
        x += width + _COLUMN_GAP
    column = {node: number for number, layer in enumerate(graph.layers) for node in layer}
    boxes = [
        Box(lefts[column[node]], middles[node] - BOX_HEIGHT / 2, rights[column[node]] - lefts[column[node]])
        for node in range(graph.nodes)
    ]
    edges = {}
    for chain in graph.chains:
        points = [(rights[column[chain[0]]], middles[chain[0]])]
        for bend in chain[1:-1]:
            points += [(lefts[column[bend]], middles[bend]), (rights[column[bend]], middles[bend])]
        edges[chain[0], chain[-1]] = [*points, (lefts[column[chain[-1]]], middles[chain[-1]])]
    height = max((middles[node] + _height(node, graph) / 2 for layer in graph.layers for node in layer), default=0.0)
    return Layout(boxes, edges, max(x - _COLUMN_GAP, 0.0), height)


def _height(node: int, graph: Layered) -> float:
    return BOX_HEIGHT if node < graph.nodes else _BEND_HEIGHT


def _middles(graph: Layered) -> list[float]:
    """The height of each node's middle: near its neighbours', in the order of its layer."""
    middles = [0.0] * len(graph.upstreams)
    for layer in graph.layers:
        for node, middle in zip(layer, _stacked([0.0] * len(layer), layer, graph), strict=True):
            middles[node] = middle
    for sweep in range(_SWEEPS):
        neighbours = graph.upstreams if sweep % 2 == 0 else graph.downstreams
        for layer in graph.layers if sweep % 2 == 0 else reversed(graph.layers):
            wishes = [
                sum(middles[other] for other in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else middles[node]
                for node in layer
            ]
            for node, middle in zip(layer, _stacked(wishes, layer, graph), strict=True):
                middles[node] = middle
    top = min((middles[node] - _height(node, graph) / 2 for layer in graph.layers for node in layer), default=0.0)
    return [middle - top for middle in middles]


def _stacked(wishes: Sequence[float], layer: Sequence[int], graph: Layered) -> list[float]:
    """Middles in order and without overlap, with the least sum of squared distances from the wishes.

    Less the room that the nodes above take, that is isotonic regression, solved by pooling adjacent violators."""
    offsets, offset = [], 0.0
    for index, node in enumerate(layer):
        if index:
            offset += _ROW_GAP + (_height(layer[index - 1], graph) + _height(node, graph)) / 2
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        total, size = wish - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            pooled = pools.pop()
            total, size = total + pooled[0], size + pooled[1]
        pools.append((total, size))
    places = [total / size for total, size in pools for _ in range(size)]
    return [place + offset for place, offset in zip(places, offsets, strict=True)]

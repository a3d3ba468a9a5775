"""Where the boxes of a drawing stand and which way its edges go: layers from left to right, in pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from penstock.observe.drawing.layers import Layered

Point = tuple[float, float]
Size = tuple[float, float]
"""Width and height."""

_ROW_GAP = 10.0
_BEND_HEIGHT = 6.0
_COLUMN_GAP = 56.0
_PORT_GAP = 28.0
"""Between a layer of ports and the next."""
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width

    @property
    def middle(self) -> float:
        """Half-way down."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's boxes, one a node, and the points that each edge goes through between the columns of its source and
    of its target, by source and target."""

    boxes: list[Box]
    edges: dict[tuple[int, int], list[Point]]
    columns: list[tuple[float, float]]
    """The left and right side of each node's column."""
    width: float
    height: float


def lay_out(
    upstreams: Sequence[Sequence[int]],
    sizes: Sequence[Size],
    *,
    first: Collection[int] = (),
    last: Collection[int] = (),
    rigid: Collection[int] = (),
) -> Layout:
    """Places for nodes of these sizes. The nodes of one column are made equally wide, but for those that are `rigid`;
    `first` and `last` are ports: they stand at the left and right side, and only edges go through them."""
    graph = Layered(upstreams, first, last)
    heights = [height for _, height in sizes] + [_BEND_HEIGHT] * (len(graph.upstreams) - graph.nodes)
    middles = _middles(graph, heights)
    sides, natural, x = list[tuple[float, float]](), list[float](), 0.0
    for number, layer in enumerate(graph.layers):
        own = [node for node in layer if node < graph.nodes]
        width = max((sizes[node][0] for node in own), default=0.0)
        natural.append(max((sizes[node][0] for node in own if node not in rigid), default=0.0))
        sides.append((x, x + width))
        at_port = not width or (number + 1 < len(graph.layers) and set(graph.layers[number + 1]) <= {*last})
        x += width + (_PORT_GAP if at_port else _COLUMN_GAP)
    column = {node: number for number, layer in enumerate(graph.layers) for node in layer}
    boxes = []
    for node, (width, height) in enumerate(sizes):
        wide = width if node in rigid or node in first or node in last else natural[column[node]]
        boxes.append(Box(sides[column[node]][0], middles[node] - height / 2, wide, height))
    edges = {}
    for chain in graph.chains:
        points = list[Point]()
        for bend in chain[1:-1]:
            left, right = sides[column[bend]]
            points += [(left, middles[bend]), (right, middles[bend])]
        edges[chain[0], chain[-1]] = points
    bottom = max((middles[node] + heights[node] / 2 for layer in graph.layers for node in layer), default=0.0)
    columns = [sides[column[node]] for node in range(graph.nodes)]
    return Layout(boxes, edges, columns, sides[-1][1] if sides else 0.0, bottom)


def _middles(graph: Layered, heights: Sequence[float]) -> list[float]:
    """The height of each node's middle: near its neighbours', in the order of its layer."""
    middles = [0.0] * len(graph.upstreams)
    for layer in graph.layers:
        for node, middle in zip(layer, _stacked([0.0] * len(layer), layer, heights), strict=True):
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
            for node, middle in zip(layer, _stacked(wishes, layer, heights), strict=True):
                middles[node] = middle
    top = min((middles[node] - heights[node] / 2 for layer in graph.layers for node in layer), default=0.0)
    return [middle - top for middle in middles]


def _stacked(wishes: Sequence[float], layer: Sequence[int], heights: Sequence[float]) -> list[float]:
    """Middles in order and without overlap, with the least sum of squared distances from the wishes.

    Less the room that the nodes above take, that is isotonic regression, solved by pooling adjacent violators."""
    offsets, offset = [], 0.0
    for index, node in enumerate(layer):
        if index:
            offset += _ROW_GAP + (heights[layer[index - 1]] + heights[node]) / 2
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

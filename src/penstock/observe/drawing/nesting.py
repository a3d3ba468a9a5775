"""Boxes in boxes: where groups and what is in them stand in a drawing, and how edges get in and out.

Each frame is laid out by itself, from the innermost outwards, and then stands as one box in the frame around it. An
edge that leads out of a frame goes through a port on its right side, so that it passes by what else is in there; one
that leads in goes through a port on the left side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from penstock.observe.drawing.layout import Box, Layout, Point, Size, lay_out
from penstock.plan.graph import cycles

PADDING = 12.0
TITLE = 26.0
"""The height of a frame's title."""

End: TypeAlias = tuple[Literal["node", "frame"], int]
"""Where an edge leads: to a node, or to a frame itself."""
_Element: TypeAlias = tuple[Literal["node", "frame", "in", "out"], int]
"""What is laid out in a frame: nodes, frames, a port for each node that edges from outside lead to, and one for each
from which edges lead outside. (What leads to a frame itself ends at its side, and needs no port there.)"""
_Part: TypeAlias = tuple[int, _Element, _Element]
"""A part of an edge: the frame that it is in, and what it leads from and to there."""

ROOT = -1
"""Around everything, and not drawn."""


@dataclass(frozen=True, slots=True)
class Nest:
    """What is to be drawn: nodes, and frames around them."""

    sizes: Sequence[Size]
    frame_of: Sequence[int]
    """The innermost frame around each node, or ROOT."""
    parents: Sequence[int]
    """The frame around each frame, which comes before it, or ROOT."""
    titles: Sequence[float]
    """How wide each frame must be at least."""
    edges: Sequence[tuple[int, End]]
    """Each from a node."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The places of nodes and frames, and the points of each edge from its source to its target."""

    boxes: list[Box]
    frames: list[Box]
    edges: list[list[Point]]
    width: float
    height: float


@dataclass(slots=True)
class _Frame:
    """One frame while it is laid out."""

    elements: dict[_Element, int] = field(default_factory=dict)
    """Each with its number in the layout."""
    links: dict[tuple[_Element, _Element], None] = field(default_factory=dict)
    layout: Layout = field(default_factory=lambda: Layout([], {}, [], 0.0, 0.0))
    x: float = 0.0
    y: float = 0.0
    """Where it stands in the whole drawing; while it does not stand there yet, 0."""
    left: float = 0.0
    top: float = 0.0
    """Where its inside begins."""
    width: float = 0.0
    height: float = 0.0

    def add(self, element: _Element) -> None:
        self.elements.setdefault(element, len(self.elements))

    def link(self, source: _Element, target: _Element) -> None:
        self.add(source)
        self.add(target)
        self.links[source, target] = None

    def ports(self, side: Literal["in", "out"]) -> list[int]:
        """The numbers of the ports on a side."""
        return [number for (kind, _), number in self.elements.items() if kind == side]

    def box(self, element: _Element) -> Box:
        """Where an element stands in the whole drawing."""
        box = self.layout.boxes[self.elements[element]]
        return Box(self.x + self.left + box.x, self.y + self.top + box.y, box.width, box.height)


def nest(what: Nest) -> Drawn:
    """Lay out all frames, and put them together."""
    nesting = _Nesting(what)
    return nesting.drawn()


class _Nesting:
    def __init__(self, what: Nest) -> None:
        self._what = what
        self._frames = {frame: _Frame() for frame in range(ROOT, len(what.parents))}
        for node, frame in enumerate(what.frame_of):
            self._frames[frame].add(("node", node))
        for frame, parent in enumerate(what.parents):
            self._frames[parent].add(("frame", frame))
        self._routes = [self._route(source, target) for source, target in what.edges]
        for frame in reversed(range(ROOT, len(what.parents))):
            self._lay_out(frame)
        for frame, parent in enumerate(what.parents):
            box = self._frames[parent].box(("frame", frame))
            self._frames[frame].x, self._frames[frame].y = box.x, box.y

    def drawn(self) -> Drawn:
        """Everything in its place."""
        what, root = self._what, self._frames[ROOT]
        return Drawn(
            [self._frames[frame].box(("node", node)) for node, frame in enumerate(what.frame_of)],
            [self._frames[parent].box(("frame", frame)) for frame, parent in enumerate(what.parents)],
            [self._points(route) for route in self._routes],
            root.layout.width,
            root.layout.height,
        )

    # --- What leads where

    def _around(self, end: End) -> list[int]:
        """The frames around an end, the outermost first."""
        kind, number = end
        frame = self._what.frame_of[number] if kind == "node" else self._what.parents[number]
        path = [frame]
        while path[-1] != ROOT:
            path.append(self._what.parents[path[-1]])
        return path[::-1]

    def _route(self, source: int, target: End) -> list[_Part]:
        """The parts of an edge, out of the frames around its source and into those around its target."""
        out, into = self._around(("node", source)), self._around(target)
        common = 0
        while common < min(len(out), len(into)) and out[common] == into[common]:
            common += 1
        route: list[_Part] = []
        element: _Element = ("node", source)
        for frame in reversed(out[common:]):
            route.append((frame, element, ("out", source)))
            element = ("frame", frame)
        for frame, inner in zip(into[common - 1 :], [*into[common:], None], strict=True):
            following: _Element = ("frame", inner) if inner is not None else target
            route.append((frame, element, following))
            element = ("in", target[1]) if target[0] == "node" else ("in", ROOT - 1 - target[1])
        for frame, start, end in route:
            self._frames[frame].link(start, end)
        return route

    # --- One frame

    def _lay_out(self, number: int) -> None:
        frame, what = self._frames[number], self._what
        sizes = [(0.0, 0.0)] * len(frame.elements)
        for (kind, which), place in frame.elements.items():
            if kind == "node":
                sizes[place] = what.sizes[which]
            elif kind == "frame":
                sizes[place] = self._frames[which].width, self._frames[which].height
        entries, exits = frame.ports("in"), frame.ports("out")
        frame.layout = lay_out(
            self._without_cycles(frame),
            sizes,
            first=entries,
            last=exits,
            rigid={place for (kind, _), place in frame.elements.items() if kind == "frame"},
        )
        if number != ROOT:
            frame.left, frame.top = 0.0 if entries else PADDING, TITLE
            right = 0.0 if exits else PADDING
            frame.width = max(what.titles[number], frame.left + frame.layout.width + right)
            frame.height = TITLE + frame.layout.height + PADDING

    def _without_cycles(self, frame: _Frame) -> list[list[int]]:
        """The upstreams of each element of a frame. A path that leaves a group and comes back makes a cycle of the
        group and what is outside: an edge to what was defined first is left out of the layout, and leads back."""
        upstreams: list[list[int]] = [[] for _ in frame.elements]
        for source, target in frame.links:
            upstreams[frame.elements[target]].append(frame.elements[source])
        places = [self._defined_at(element) for element in frame.elements]
        while found := cycles(upstreams):
            for cycle in found:
                first = min(range(1, len(cycle)), key=lambda place: places[cycle[place]])
                upstreams[cycle[first]].remove(cycle[first - 1])
        return upstreams

    def _defined_at(self, element: _Element) -> int:
        """The first node of an element. (Ports are on no cycle.)"""
        kind, number = element
        if kind != "frame":
            return number
        inner = self._frames[number].elements
        return min((self._defined_at(one) for one in inner if one[0] in ("node", "frame")), default=0)

    # --- Edges

    def _points(self, route: Sequence[_Part]) -> list[Point]:
        points = list[Point]()
        for number, start, end in route:
            frame = self._frames[number]
            x, y = frame.x + frame.left, frame.y + frame.top
            first, last = frame.elements[start], frame.elements[end]
            from_, to = self._leaves(frame, start, route), self._enters(frame, end, route)
            bends = frame.layout.edges.get((first, last))
            points.append(from_)
            if bends is not None:
                points.append((x + frame.layout.columns[first][1], from_[1]))
                points += [(x + bend_x, y + bend_y) for bend_x, bend_y in bends]
                points.append((x + frame.layout.columns[last][0], to[1]))
            points.append(to)
        return [point for place, point in enumerate(points) if not place or point != points[place - 1]]

    def _leaves(self, frame: _Frame, element: _Element, route: Sequence[_Part]) -> Point:
        kind, number = element
        box = frame.box(element)
        if kind == "in":
            return frame.x, box.middle
        if kind == "frame":
            return box.right, self._frames[number].box(("out", route[0][1][1])).middle
        return box.right, box.middle

    def _enters(self, frame: _Frame, element: _Element, route: Sequence[_Part]) -> Point:
        kind, number = element
        box = frame.box(element)
        if kind == "out":
            return frame.x + frame.width, box.middle
        if kind == "frame" and element != route[-1][2]:
            port = next(start for inner, start, _ in route if inner == number)
            return box.x, self._frames[number].box(port).middle
        return box.x, box.middle

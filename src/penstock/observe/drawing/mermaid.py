"""A plan as a Mermaid flowchart, which Markdown on code hosts and many wikis draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.drawing.remarks import group_remarks, kind, mapped, remarks
from penstock.observe.drawing.structure import (
    Tree,
    edges,
    is_scope,
    short_group_name,
    short_name,
)
from penstock.plan.plan import Plan

MOST_EDGES = 500
"""Mermaid draws no more unless its own setting maxEdges is raised."""
_NOTHING: Mapping[int, int] = {}
_SHAPES = {
    "": ("[", "]"),
    "map": ("[[", "]]"),
    "setup": ("[/", "\\]"),
    "teardown": ("[\\", "/]"),
    "branch": ("{{", "}}"),
    "short circuit": ("{{", "}}"),
    "workflow": ("([", "])"),
}


def draw_mermaid(plan: Plan, states: Sequence[TaskState] | None = None, widths: Mapping[int, int] = _NOTHING) -> str:
    """The plan as Mermaid with a subgraph for each group. Solid arrows pass a value, dotted ones only order; a line
    without a head leads from a setup to its teardown."""
    drawing = _Mermaid(plan, widths)
    lines = ["flowchart LR"]
    arrows = drawing.edges()
    if len(arrows) > MOST_EDGES:
        lines.append(f"    %% more than {MOST_EDGES} edges: to draw it, raise maxEdges in Mermaid's configuration")
    lines += [*drawing.inside(-1, "    "), *arrows]
    if states is not None:
        lines += _classes(states, drawing.ids)
    return "\n".join(lines) + "\n"


class _Mermaid:
    def __init__(self, plan: Plan, widths: Mapping[int, int]) -> None:
        self._plan, self._widths = plan, widths
        self._tree = Tree(plan)
        self.ids = [
            f"g{self._tree.expanded[row]}" if row in self._tree.expanded else f"t{row}" for row in range(len(plan))
        ]
        """What each row is called here: that which expands a group is its subgraph."""

    def inside(self, group: int, indent: str) -> list[str]:
        """What is in a group, or in the plan."""
        lines = [self._node(task, group, indent) for task in self._tree.tasks.get(group, ())]
        for inner in self._tree.groups.get(group, ()):
            name = mapped(short_group_name(self._plan, inner), self._plan.groups[inner].expansion >= 0)
            label = _label(name, group_remarks(self._plan, inner, self._widths))
            lines += [f'{indent}subgraph g{inner}["{label}"]', *self.inside(inner, indent + "    "), f"{indent}end"]
        return lines

    def _node(self, task: int, group: int, indent: str) -> str:
        plan = self._plan
        is_mapped = task in plan.maps
        opening, closing = _SHAPES[kind(plan, task) or ("map" if is_mapped else "")]
        label = _label(mapped(short_name(plan, task, group), is_mapped), remarks(plan, task, self._widths))
        return f'{indent}t{task}{opening}"{label}"{closing}'

    def edges(self) -> list[str]:
        """All edges; that from a setup to its teardown has no head."""
        plan = self._plan
        taken = [frozenset(inputs) for inputs in plan.inputs]
        return [
            f"    {self.ids[source]} {_arrow(plan, source, target, source in taken[target])} {self.ids[target]}"
            for source, target in edges(plan)
        ]


def _arrow(plan: Plan, source: int, target: int, passes: bool) -> str:
    if is_scope(plan, source, target):
        return "-.-"
    return "-->" if passes else "-.->"


def _classes(states: Sequence[TaskState], ids: Sequence[str]) -> list[str]:
    lines = []
    for state, look in LOOKS.items():
        members = ",".join(name for name, other in zip(ids, states, strict=False) if other == state)
        if members:
            lines.append(f"    classDef {state.label} fill:{look.fill},stroke:{look.border},color:#1f2328")
            lines.append(f"    class {members} {state.label}")
    return lines


def _label(name: str, said: Sequence[str]) -> str:
    return _escape(name) + (f"<br>{_escape(', '.join(said))}" if said else "")


def _escape(text: str) -> str:
    """Mermaid's own entities, since a quote cannot be escaped in any other way."""
    for letter, entity in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(letter, entity)
    return text

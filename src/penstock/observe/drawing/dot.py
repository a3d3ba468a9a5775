"""A plan in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.drawing.remarks import group_remarks, kind, mapped, remarks, worst
from penstock.observe.drawing.structure import (
    Tree,
    edges,
    is_scope,
    short_group_name,
    short_name,
)
from penstock.observe.words import printable
from penstock.plan.plan import Plan

_NOTHING: Mapping[int, int] = {}
_SHAPES = {
    "setup": "house",
    "teardown": "invhouse",
    "branch": "hexagon",
    "short circuit": "hexagon",
    "workflow": "component",
}


def draw_dot(plan: Plan, states: Sequence[TaskState] | None = None, widths: Mapping[int, int] = _NOTHING) -> str:
    """The plan as a digraph with a cluster for each group. Solid edges pass a value, dashed ones only order; a dotted
    one leads from a setup to its teardown."""
    drawing = _Dot(plan, states, widths)
    lines = [
        f"digraph {_quoted(printable(plan.workflow))} {{",
        "    rankdir=LR;",
        *(["    compound=true;"] if plan.expanded_by else []),
        '    node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11];',
        *(['    graph [fontname="sans-serif", fontsize=11];'] if plan.groups else []),
        *drawing.inside(-1, "    "),
        *drawing.edges(),
    ]
    return "\n".join([*lines, "}"]) + "\n"


class _Dot:
    def __init__(self, plan: Plan, states: Sequence[TaskState] | None, widths: Mapping[int, int]) -> None:
        self._plan, self._states, self._widths = plan, states, widths
        self._tree = Tree(plan)

    def inside(self, group: int, indent: str) -> list[str]:
        """What is in a group, or in the plan."""
        lines = [self._node(task, group, indent) for task in self._tree.tasks.get(group, ())]
        for inner in self._tree.groups.get(group, ()):
            lines += self._cluster(inner, indent)
        return lines

    def _cluster(self, group: int, indent: str) -> list[str]:
        plan, expansion = self._plan, self._plan.groups[group].expansion
        name = mapped(short_group_name(plan, group), expansion >= 0)
        colour = '"#afb8c1"'
        if self._states is not None:
            rows = [*plan.groups[group].rows, *([expansion] if expansion >= 0 else [])]
            colour = f'"{LOOKS[worst([self._states[row] for row in rows])].border}"'
        inner = indent + "    "
        return [
            f"{indent}subgraph cluster_{group} {{",
            f"{inner}label={_label(name, group_remarks(plan, group, self._widths))}; labeljust=l;",
            f'{inner}style="rounded,filled"; fillcolor="#818b9814"; color={colour};',
            *([f'{inner}t{expansion} [shape=point, style=invis, label=""];'] if expansion >= 0 else []),
            *self.inside(group, inner),
            f"{indent}}}",
        ]

    def _node(self, task: int, group: int, indent: str) -> str:
        plan, states = self._plan, self._states
        name = mapped(short_name(plan, task, group), task in plan.maps)
        look = ""
        if shape := _SHAPES.get(kind(plan, task)):
            look += f', shape={shape}, style="filled"'
        if task in plan.maps:
            look += ", peripheries=2"
        if states is not None:
            colours = LOOKS[states[task]]
            look += f', fillcolor="{colours.fill}", color="{colours.border}", tooltip="{states[task].label}"'
        return f"{indent}t{task} [label={_label(name, remarks(plan, task, self._widths))}{look}];"

    def edges(self) -> list[str]:
        """All edges: those to a mapped group end at its cluster."""
        plan = self._plan
        taken = [frozenset(inputs) for inputs in plan.inputs]
        lines = []
        for source, target in edges(plan):
            style = "dotted" if is_scope(plan, source, target) else "dashed" if source not in taken[target] else ""
            look = [f"style={style}"] if style else []
            look += [f"lhead=cluster_{self._tree.expanded[target]}"] if target in self._tree.expanded else []
            looks = f" [{', '.join(look)}]" if look else ""
            lines.append(f"    t{source} -> t{target}{looks};")
        return lines


def _label(name: str, said: Sequence[str]) -> str:
    return _quoted(f"{name}\n{', '.join(said)}" if said else name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

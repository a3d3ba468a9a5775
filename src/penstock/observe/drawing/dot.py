"""A plan in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.words import printable
from penstock.plan.plan import Plan


def draw_dot(plan: Plan, states: Sequence[TaskState] | None = None) -> str:
    """The plan as a digraph. Solid edges pass a value, dashed ones only order."""
    lines = [
        f"digraph {_quoted(printable(plan.workflow))} {{",
        "    rankdir=LR;",
        '    node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11];',
    ]
    for task, name in enumerate(plan.names):
        colours = ""
        if states is not None:
            look = LOOKS[states[task]]
            colours = f', fillcolor="{look.fill}", color="{look.border}", tooltip="{states[task].label}"'
        lines.append(f"    t{task} [label={_quoted(name)}{colours}];")
    for task, upstreams in enumerate(plan.upstreams):
        passing = frozenset(plan.inputs[task])
        lines += [
            f"    t{upstream} -> t{task}{'' if upstream in passing else ' [style=dashed]'};" for upstream in upstreams
        ]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""A plan as a Mermaid flowchart, which Markdown on code hosts and many wikis draw."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS
from penstock.plan.plan import Plan

MOST_EDGES = 500
"""Mermaid draws no more unless its own setting maxEdges is raised."""


def draw_mermaid(plan: Plan, states: Sequence[TaskState] | None = None) -> str:
    """The plan as Mermaid. Solid arrows pass a value, dotted ones only order."""
    lines = ["flowchart LR"]
    if sum(map(len, plan.upstreams)) > MOST_EDGES:
        lines.append(f"    %% more than {MOST_EDGES} edges: to draw it, raise maxEdges in Mermaid's configuration")
    lines += [f'    t{task}["{_escape(name)}"]' for task, name in enumerate(plan.names)]
    for task, upstreams in enumerate(plan.upstreams):
        passing = frozenset(plan.inputs[task])
        lines += [f"    t{upstream} {'-->' if upstream in passing else '-.->'} t{task}" for upstream in upstreams]
    if states is not None:
        lines += _classes(states)
    return "\n".join(lines) + "\n"


def _classes(states: Sequence[TaskState]) -> list[str]:
    lines = []
    for state, look in LOOKS.items():
        members = ",".join(f"t{task}" for task, other in enumerate(states) if other == state)
        if members:
            lines.append(f"    classDef {state.label} fill:{look.fill},stroke:{look.border},color:#1f2328")
            lines.append(f"    class {members} {state.label}")
    return lines


def _escape(text: str) -> str:
    """Mermaid's own entities, since a quote cannot be escaped in any other way."""
    for letter, entity in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(letter, entity)
    return text

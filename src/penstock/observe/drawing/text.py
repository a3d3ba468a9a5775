"""A plan as lines of text: its tasks step by step, each with what it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.states import TaskState
from penstock.observe.drawing.layers import layers_of
from penstock.observe.words import printable, size
from penstock.plan.plan import Plan

_WIDEST_NAME = 40
_MOST_UPSTREAMS = 4


def draw_text(plan: Plan, states: Sequence[TaskState] | None = None) -> str:
    """The tasks of a plan by steps: those of one step wait only for tasks of the steps before."""
    layers = layers_of(plan.upstreams)
    width = min(max(map(len, plan.names), default=0), _WIDEST_NAME)
    step_width = len(str(len(layers)))
    lines = [f"{printable(plan.workflow)}: {size(plan)}", ""]
    for step, layer in enumerate(layers, 1):
        for place, task in enumerate(layer):
            number = str(step) if place == 0 else ""
            state = f"  {states[task].label:<15}" if states is not None else ""
            after = _after(plan, task)
            lines.append(f"{number:>{step_width}}  {plan.names[task]:<{width}}{state}{after}".rstrip())
    return "\n".join(lines) + "\n"


def _after(plan: Plan, task: int) -> str:
    names = [plan.names[upstream] for upstream in plan.upstreams[task]]
    if not names:
        return ""
    if len(names) > _MOST_UPSTREAMS:
        shown = ", ".join(names[: _MOST_UPSTREAMS - 1])
        return f"  after {shown} and {len(names) - _MOST_UPSTREAMS + 1:,} more"
    return f"  after {', '.join(names)}"

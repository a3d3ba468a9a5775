"""Drawings of a plan, plain or with the states of a run: pure functions from a plan to a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.engine.states import TaskState
from penstock.observe.drawing.dot import draw_dot
from penstock.observe.drawing.mermaid import draw_mermaid
from penstock.observe.drawing.svg import draw_svg
from penstock.observe.drawing.text import draw_text
from penstock.plan.plan import Plan


class Draw(Protocol):
    """What draws a plan: with the state of each row, if it is that of a run, and how many instances maps have, as far
    as that is known."""

    def __call__(
        self, plan: Plan, states: Sequence[TaskState] | None = None, widths: Mapping[int, int] = ..., /
    ) -> str: ...


FORMATS: dict[str, Draw] = {"text": draw_text, "mermaid": draw_mermaid, "dot": draw_dot, "svg": draw_svg}
"""What draws a plan in each format."""

__all__ = ["FORMATS", "Draw", "draw_dot", "draw_mermaid", "draw_svg", "draw_text"]

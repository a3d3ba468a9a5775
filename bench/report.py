"""Rows of the results as lines, for who waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(name: str, found: Mapping[str, Any]) -> str:
    """A row, with all its figures."""
    lines = [f"\n{name}: {found['title']}; size {found['size']:,}, median of {found['repeat']}"]
    for part, figures in found["parts"].items():
        texts = [f"{figure} {shown(middle, figure)}" for figure, (middle, _, _) in figures.items()]
        lines.append(f"  {part:26} {', '.join(texts)}")
    for aim in found["aims"]:
        met = "met" if aim["met"] else "NOT MET"
        value, most = quantity(aim["value"], aim["unit"]), quantity(aim["most"], aim["unit"])
        lines.append(f"  {met:8} {aim['what']}: {value}, aim {most}")
    if found["note"]:
        lines.append(f"  {found['note']}")
    return "\n".join(lines)


def quantity(value: float, unit: str) -> str:
    """A value with its unit: "0.82 times", "14.2 µs a task"."""
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".replace(" us", " µs")


def shown(value: float, figure: str) -> str:
    """A figure, as its name says what it is."""
    if figure == "peak":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

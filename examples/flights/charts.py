"""Charts as SVG: the few forms that the report needs, each a function from numbers to text.

Colours are left to the page's style sheet: the classes `level0` to `level7` for a scale, `bar`, `muted` and `grid`.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import month_abbr
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from typing import NamedTuple

LEVELS = (0, 5, 10, 15, 20, 30, 40)
"""Minutes at which the colour scale steps up; below the first is level 0."""


class Bar(NamedTuple):
    """One bar of a chart: its value in minutes, and what is written beside it and in its tooltip."""

    label: str
    value: float
    note: str
    tooltip: str


def text(x: float, y: float, content: str, *, css: str = "", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, *, css: str, tooltip: str, radius: float = 2) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" class="{css}">'
        f"<title>{escape(tooltip)}</title></rect>"
    )


def svg(width: float, height: float, label: str, parts: Sequence[str], *, css: str = "") -> str:
    """A drawing that scales with the page; `label` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" class="{css}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def level(minutes: float) -> int:
    return bisect_right(LEVELS, minutes)


def whole(minutes: float) -> str:
    """Without decimals, with a proper minus sign and no "-0"."""
    return str(round(minutes)).replace("-", "\N{MINUS SIGN}")


def scale() -> str:
    """The key to the colours."""
    names = ["early", *(f"{low}\N{EN DASH}{high}" for low, high in pairwise(LEVELS)), f"{LEVELS[-1]} +"]
    parts = [
        box(number * 46, 0, 44, 10, css=f"level{number}", tooltip=f"{name} minutes")
        + text(number * 46 + 22, 25, name, css="muted")
        for number, name in enumerate(names)
    ]
    return svg(46 * len(names), 30, "Colour scale in minutes of delay", parts, css="scale")


def heat_map(label: str, cells: Mapping[tuple[int, int], float]) -> str:
    """Minutes by month (down) and hour of the day (across). Hours without a number are left blank."""
    hours = sorted({hour for _, hour in cells})
    width, height, left, top = 46, 30, 42, 24
    parts = [text(left + (index + 0.5) * width, 14, f"{hour:02d}", css="muted") for index, hour in enumerate(hours)]
    for month in range(1, 13):
        y = top + (month - 1) * height
        parts.append(text(left - 10, y + height / 2 + 4, month_abbr[month], css="muted", anchor="end"))
        for index, hour in enumerate(hours):
            minutes = cells.get((month, hour))
            if minutes is None:
                continue
            x = left + index * width
            tooltip = f"{month_abbr[month]}, {hour:02d}:00 to {hour:02d}:59: {minutes:.1f} minutes"
            parts.append(box(x, y, width - 2, height - 2, css=f"level{level(minutes)}", tooltip=tooltip))
            parts.append(text(x + width / 2 - 1, y + height / 2 + 3, whole(minutes), css=f"on{level(minutes)}"))
    return svg(left + len(hours) * width, top + 12 * height, label, parts, css="wide")


def year_calendar(label: str, days: Mapping[date, tuple[float, str]]) -> str:
    """A square for each day, a column for each week. Each day has its minutes and its tooltip."""
    first = min(days)
    monday = first - timedelta(days=first.weekday())
    size, left, top = 17, 42, 22
    parts = [
        text(left - 10, top + weekday * size + 12, name, css="muted", anchor="end")
        for weekday, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))
    ]
    for day, (minutes, tooltip) in sorted(days.items()):
        x, y = left + (day - monday).days // 7 * size, top + day.weekday() * size
        parts.append(box(x, y, size - 2, size - 2, css=f"level{level(minutes)}", tooltip=tooltip))
        if day.day == 1:
            parts.append(text(x, 14, month_abbr[day.month], css="muted", anchor="start"))
    weeks = (max(days) - monday).days // 7 + 1
    return svg(left + weeks * size, top + 7 * size, label, parts, css="wide")


def bars(label: str, rows: Sequence[Bar], *, label_width: int) -> str:
    """Horizontal bars, one a row, in the order given."""
    width, height = 440, 25
    longest = max(bar.value for bar in rows)
    room = width - label_width - (94 if any(bar.note for bar in rows) else 42)
    parts = []
    for index, bar in enumerate(rows):
        y = index * height
        length = max(bar.value, 0) / longest * room
        parts.append(text(0, y + 17, bar.label, anchor="start"))
        parts.append(box(label_width, y + 5, length, height - 8, css="bar", tooltip=bar.tooltip))
        parts.append(text(label_width + length + 6, y + 17, f"{bar.value:.1f}", css="value", anchor="start"))
        parts.append(text(width, y + 17, bar.note, css="muted", anchor="end"))
    return svg(width, len(rows) * height, label, parts)


def columns(label: str, rows: Sequence[Bar], *, highest: float, width: int = 320, css: str = "") -> str:
    """Vertical bars up to a common height, so that several such charts can be compared."""
    room, top = 130, 18
    base = top + room
    step = width / len(rows)
    parts = [f'<line x1="0" x2="{width}" y1="{base}" y2="{base}" class="grid"/>']
    for index, bar in enumerate(rows):
        middle = (index + 0.5) * step
        length = max(bar.value, 0) / highest * room
        parts.append(box(middle - step * 0.39, base - length, step * 0.78, length, css="bar", tooltip=bar.tooltip))
        parts.append(text(middle, base - length - 5, whole(bar.value), css="value"))
        parts.append(text(middle, base + 16, bar.label))
        parts.append(text(middle, base + 32, bar.note, css="muted"))
    return svg(width, base + 38, label, parts, css=css)

"""A plan as an SVG image that stands alone: no script, no font, no link; on light and on dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from unicodedata import east_asian_width

from penstock.engine.states import TaskState
from penstock.observe.drawing.excerpt import Excerpt, excerpt
from penstock.observe.drawing.layout import BOX_HEIGHT, Layout, lay_out
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.words import printable, size
from penstock.plan.plan import Plan

_LETTER = 7.25
"""The width of a letter of a 12 px monospaced font."""
_LONGEST_LABEL = 32
_MARGIN = 24.0
_HEADING = 44.0
_FOOTER = 32.0
_LEGEND_STEP = 22.0


def draw_svg(plan: Plan, states: Sequence[TaskState] | None = None) -> str:
    """The plan as SVG. Solid edges pass a value, dashed ones only order. Of a plan that is too large to look at, an
    excerpt, which says so."""
    part, name = excerpt(plan), printable(plan.workflow)
    labels = [_shortened(label) for label in part.labels]
    layout = lay_out(part.upstreams, [_width(label, states is not None) for label in labels])
    shown = [] if states is None else [state for state in LOOKS if state in frozenset(states)]
    width = max(layout.width, 8.0 * len(name) + 200, 24.0 + 130 * len(shown)) + 2 * _MARGIN
    height = _HEADING + layout.height + _FOOTER + _LEGEND_STEP * (len(part.notes) + bool(shown))
    body = [
        f'<text class="title" x="{_MARGIN:g}" y="24">{escape(name)}<tspan class="note" dx="10">'
        f"{size(plan)}</tspan></text>",
        f'<g transform="translate({_MARGIN:g},{_HEADING:g})">',
        *_edges(part, layout),
        *(_box(part, layout, node, labels[node], states) for node in range(len(labels))),
        "</g>",
        *_legend(shown, height - _FOOTER / 2 - _LEGEND_STEP * len(part.notes)),
    ]
    for number, note in enumerate(reversed(part.notes)):
        y = height - _FOOTER / 2 - _LEGEND_STEP * number
        body.append(f'<text class="note" x="{_MARGIN:g}" y="{y:g}">{escape(note)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="penstock-graph" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(f"{name}: {size(plan)}")}">'
    )
    return "\n".join([head, _style(shown), *body, "</svg>"]) + "\n"


def _edges(part: Excerpt, layout: Layout) -> list[str]:
    lines = []
    for (source, target), points in layout.edges.items():
        x, y = points[0]
        path = [f"M{x:.0f},{y:.1f}"]
        for end_x, end_y in points[1:]:
            middle = (x + end_x) / 2
            path.append(
                f"H{end_x:.0f}"
                if abs(end_y - y) < 0.05
                else f"C{middle:.0f},{y:.1f} {middle:.0f},{end_y:.1f} {end_x:.0f},{end_y:.1f}"
            )
            x, y = end_x, end_y
        kind = "edge" if (source, target) in part.passing else "edge order"
        lines.append(f'<path class="{kind}" d="{"".join(path)}"/>')
    return lines


def _box(part: Excerpt, layout: Layout, node: int, label: str, states: Sequence[TaskState] | None) -> str:
    box, task = layout.boxes[node], part.tasks[node]
    if task is None:
        kind, hint, mark = "rest", part.labels[node], ""
    elif states is None:
        kind, hint, mark = "task", part.labels[node], ""
    else:
        kind, hint, mark = states[task].label, f"{part.labels[node]}: {states[task].label}", LOOKS[states[task]].mark
    text = f"{mark} {label}" if mark else label
    return (
        f'<g class="box {kind}"><title>{escape(hint)}</title>'
        f'<rect x="{box.x:.0f}" y="{box.y:.1f}" width="{box.width:.0f}" height="{BOX_HEIGHT:g}" rx="5"/>'
        f'<text x="{box.x + 10:.0f}" y="{box.y + BOX_HEIGHT / 2 + 4:.1f}">{escape(text)}</text></g>'
    )


def _legend(shown: Sequence[TaskState], y: float) -> list[str]:
    lines = []
    for number, state in enumerate(shown):
        x = _MARGIN + 130 * number
        lines.append(
            f'<g class="box {state.label}"><rect x="{x:g}" y="{y - 10:g}" width="12" height="12" rx="3"/>'
            f'<text x="{x + 18:g}" y="{y:g}">{LOOKS[state].mark} {state.label}</text></g>'
        )
    return lines


def _style(shown: Sequence[TaskState]) -> str:
    """Colours by class, so that an image follows the theme of whoever looks at it, and a page that holds it may too."""
    root = ".penstock-graph"
    light = [f"{root} .{s.label} rect{{fill:{LOOKS[s].fill};stroke:{LOOKS[s].border}}}" for s in shown]
    dark = [f"{root} .{s.label} rect{{fill:{LOOKS[s].dark_fill};stroke:{LOOKS[s].dark_border}}}" for s in shown]
    return "\n".join(
        [
            "<style>",
            f"{root}{{background:#fff;font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}}",
            f"{root} text{{fill:#1f2328;white-space:pre}}",
            f"{root} .title{{font-size:14px;font-weight:600}}",
            f"{root} .note{{fill:#57606a;font-size:12px;font-weight:400}}",
            f"{root} .edge{{fill:none;stroke:#8c959f;stroke-width:1.2}}",
            f"{root} .order{{stroke-dasharray:4 3}}",
            f"{root} .box rect{{fill:#f6f8fa;stroke:#8c959f}}",
            f"{root} .rest rect{{stroke-dasharray:2 2}}",
            *light,
            "@media (prefers-color-scheme:dark){",
            f"{root}{{background:#0d1117}}",
            f"{root} text{{fill:#e6edf3}}",
            f"{root} .note{{fill:#9198a1}}",
            f"{root} .edge{{stroke:#6e7681}}",
            f"{root} .box rect{{fill:#21262d;stroke:#6e7681}}",
            *dark,
            "}",
            "</style>",
        ]
    )


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _width(label: str, marked: bool) -> float:
    letters = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in label)
    return _LETTER * (letters + 2 * marked) + 20

"""A plan as an SVG image that stands alone: no script, no font, no link; on light and on dark paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from unicodedata import east_asian_width

from penstock.engine.states import TaskState
from penstock.observe.drawing.excerpt import Excerpt, Frame, Node, excerpt
from penstock.observe.drawing.layout import Box, Size
from penstock.observe.drawing.nesting import PADDING, Drawn, End, Nest, nest
from penstock.observe.drawing.palette import LOOKS
from penstock.observe.drawing.remarks import worst
from penstock.observe.drawing.style import style
from penstock.observe.words import printable, size
from penstock.plan.plan import Plan

_LETTER = 7.25
"""The width of a letter of a 12 px monospaced font."""
_SMALL_LETTER = 6.05
"""The same of a 10 px one."""
_BOX_HEIGHT = 28.0
_TALL_BOX_HEIGHT = 42.0
"""Of a box with a line of remarks."""
_BEHIND = 3.0
"""How far each of the boxes of a map that stand behind the first one shows."""
_LONGEST_LABEL = 32
_LONGEST_REMARK = 44
_MARGIN = 24.0
_HEADING = 44.0
_FOOTER = 32.0
_LEGEND_STEP = 22.0
_NOTHING: Mapping[int, int] = {}


def draw_svg(plan: Plan, states: Sequence[TaskState] | None = None, widths: Mapping[int, int] = _NOTHING) -> str:
    """The plan as SVG, groups as boxes around what is in them. Solid edges pass a value, dashed ones only order; a
    dotted one leads from a setup to its teardown. Of a plan that is too large to look at, an excerpt, which says so."""
    part, name = excerpt(plan, widths), printable(plan.workflow)
    drawn = _lay_out(part, states is not None)
    shown = [] if states is None else [state for state in LOOKS if state in frozenset(states)]
    width = max(drawn.width, 8.0 * len(name) + 200, 24.0 + 130 * len(shown)) + 2 * _MARGIN
    height = _HEADING + drawn.height + _FOOTER + _LEGEND_STEP * (len(part.notes) + bool(shown))
    body = [
        f'<text class="title" x="{_MARGIN:g}" y="24">{escape(name)}<tspan class="note" dx="10">'
        f"{size(plan)}</tspan></text>",
        f'<g transform="translate({_MARGIN:g},{_HEADING:g})">',
        *(_frame(frame, box, states) for frame, box in zip(part.frames, drawn.frames, strict=True)),
        *_edges(part, drawn),
        *(_box(node, box, states) for node, box in zip(part.nodes, drawn.boxes, strict=True)),
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
    return "\n".join([head, style(shown), *body, "</svg>"]) + "\n"


# --- Sizes and places


def _lay_out(part: Excerpt, marked: bool) -> Drawn:
    return nest(
        Nest(
            [_size(node, marked) for node in part.nodes],
            [node.frame for node in part.nodes],
            [frame.parent for frame in part.frames],
            [_title_width(frame) for frame in part.frames],
            [(source, _end(target)) for source, target in part.edges],
        )
    )


def _end(target: int) -> End:
    return ("node", target) if target >= 0 else ("frame", -1 - target)


def _size(node: Node, marked: bool) -> Size:
    width = _LETTER * (_letters(_shortened(node.label)) + 2 * marked)
    if node.remarks:
        width = max(width, _SMALL_LETTER * _letters(_said(node.remarks)))
    return width + 20, _TALL_BOX_HEIGHT if node.remarks else _BOX_HEIGHT


def _title_width(frame: Frame) -> float:
    letters = _LETTER * (_letters(_shortened(frame.label)) + 2)
    return letters + _SMALL_LETTER * _letters(_said(frame.remarks)) + 2 * PADDING + 10


def _shortened(label: str, longest: int = _LONGEST_LABEL) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def _said(remarks: Sequence[str]) -> str:
    return _shortened(", ".join(remarks), _LONGEST_REMARK)


def _letters(label: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in label)


# --- What is drawn


def _edges(part: Excerpt, drawn: Drawn) -> list[str]:
    lines = []
    for edge, points in zip(part.edges, drawn.edges, strict=True):
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
        kind = "edge scope" if edge in part.scopes else "edge" if edge in part.passing else "edge order"
        lines.append(f'<path class="{kind}" d="{"".join(path)}"/>')
    return lines


def _frame(frame: Frame, box: Box, states: Sequence[TaskState] | None) -> str:
    kind, hint, mark = _look("plain", frame.hint, frame.rows, states)
    label = f"{mark} {_shortened(frame.label)}" if mark else _shortened(frame.label)
    said = f'<tspan class="remark" dx="8">{escape(_said(frame.remarks))}</tspan>' if frame.remarks else ""
    return (
        f'<g class="frame {kind}"><title>{escape(hint)}</title>{_rectangles(box, frame.is_mapped, 8)}'
        f'<text x="{box.x + PADDING:.0f}" y="{box.y + 17:.1f}">{escape(label)}{said}</text></g>'
    )


def _box(node: Node, box: Box, states: Sequence[TaskState] | None) -> str:
    kind, hint, mark = _look(node.kind, node.hint, node.rows, states)
    label = f"{mark} {_shortened(node.label)}" if mark else _shortened(node.label)
    text_y = box.y + (17.0 if node.remarks else _BOX_HEIGHT / 2 + 4)
    text = f'<text x="{box.x + 10:.0f}" y="{text_y:.1f}">{escape(label)}</text>'
    if node.remarks:
        text += f'<text class="remark" x="{box.x + 10:.0f}" y="{text_y + 15:.1f}">{escape(_said(node.remarks))}</text>'
    return f'<g class="box {kind}"><title>{escape(hint)}</title>{_rectangles(box, node.is_mapped, 5)}{text}</g>'


def _rectangles(box: Box, is_mapped: bool, radius: int) -> str:
    """A box, with others behind it if it stands for the instances of a map."""
    steps = (2, 1, 0) if is_mapped else (0,)
    return "".join(
        f'<rect x="{box.x + _BEHIND * step:.0f}" y="{box.y + _BEHIND * step:.1f}" width="{box.width:.0f}" '
        f'height="{box.height:g}" rx="{radius}"/>'
        for step in steps
    )


def _look(kind: str, hint: str, rows: Sequence[int], states: Sequence[TaskState] | None) -> tuple[str, str, str]:
    """The class of a box, the words that are shown when it is pointed at, and the mark before its name."""
    if states is None or kind == "rest":
        return kind, hint, ""
    state = worst([states[row] for row in rows])
    if kind == "task":
        return state.label, f"{hint}: {state.label}", LOOKS[state].mark
    counts = Counter(states[row] for row in rows)
    said = ", ".join(f"{counts[state]:,} {state.label}" for state in LOOKS if counts[state])
    return state.label, f"{hint}: {said}", LOOKS[state].mark


def _legend(shown: Sequence[TaskState], y: float) -> list[str]:
    lines = []
    for number, state in enumerate(shown):
        x = _MARGIN + 130 * number
        lines.append(
            f'<g class="box {state.label}"><rect x="{x:g}" y="{y - 10:g}" width="12" height="12" rx="3"/>'
            f'<text x="{x + 18:g}" y="{y:g}">{LOOKS[state].mark} {state.label}</text></g>'
        )
    return lines

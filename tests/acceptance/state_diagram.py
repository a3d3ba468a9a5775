"""The picture of a task's states in the docs, drawn from the engine's own table.

python -m tests.acceptance.state_diagram > docs/images/task-states.svg
"""

from __future__ import annotations

from math import hypot

from penstock.engine.states import ENDED, TRANSITIONS, Cause, TaskState

_PLACES: dict[TaskState, tuple[float, float]] = {
    TaskState.PENDING: (90, 160),
    TaskState.READY: (350, 160),
    TaskState.RUNNING: (620, 160),
    TaskState.RETRYING: (485, 40),
    TaskState.DEFERRED: (485, 285),
    TaskState.EXPANDED: (780, 300),
    TaskState.SUCCESS: (950, 195),
    TaskState.FAILED: (950, 70),
    TaskState.UPSTREAM_FAILED: (90, 430),
    TaskState.SKIPPED: (350, 430),
    TaskState.CANCELLED: (620, 430),
}
_BENDS = {(TaskState.RUNNING, TaskState.READY): -26, (TaskState.READY, TaskState.FAILED): -30}
"""How far the middle of an arrow is moved to its left, where a straight one would lie upon another."""
_HALF_WIDTH, _HALF_HEIGHT = 66, 18
_BY_HAND = frozenset({Cause.RESET, Cause.REMOVED, Cause.MARKED_SUCCESS, Cause.MARKED_FAILED, Cause.MARKED_SKIPPED})
"""What people do to a task, from wherever it stands: it is not drawn."""

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="1040" height="470" viewBox="0 0 1040 470" role="img"
 aria-label="The states of a task and how it moves between them">
<style>
rect{fill:#f6f8fa;stroke:#57606a}.end{fill:#ddf4ff;stroke:#0969da}.ground{fill:#fff;stroke:none}
path{fill:none;stroke:#8c959f;stroke-width:1.3;marker-end:url(#tip)}
text{fill:#1f2328;font:13px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;text-anchor:middle}
.why{fill:#57606a;font-size:11px;stroke:#fff;stroke-width:4px;paint-order:stroke}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 8 4 0 8z" style="fill:#8c959f;stroke:none;marker-end:none"/></marker>
<rect class="ground" width="1040" height="470"/>
"""


def draw() -> str:
    """The table as an SVG image, without what people do to a task by hand, which leads from wherever it stands back to
    the first state or to one that they name.

    An arrow is labelled with its causes, unless they are called what the state is called that it leads to."""
    causes: dict[tuple[TaskState, TaskState], list[str]] = {}
    for (state, cause), following in TRANSITIONS.items():
        if cause not in _BY_HAND:
            causes.setdefault((state, following), []).append(cause.name.lower())
    arrows = [_arrow(state, following, why) for (state, following), why in causes.items()]
    parts = [*(path for path, _ in arrows), *(label for _, label in arrows), *map(_box, _PLACES)]
    return _HEAD + "".join(parts) + "</svg>\n"


def _box(state: TaskState) -> str:
    x, y = _PLACES[state]
    kind = ' class="end"' if state in ENDED else ""
    size = f'width="{2 * _HALF_WIDTH}" height="{2 * _HALF_HEIGHT}" rx="6"'
    box = f'<rect x="{x - _HALF_WIDTH}" y="{y - _HALF_HEIGHT}" {size}{kind}/>'
    return f'{box}<text x="{x}" y="{y + 5}">{state.label}</text>\n'


def _arrow(state: TaskState, following: TaskState, why: list[str]) -> tuple[str, str]:
    """The line, and what is written on it."""
    (x1, y1), (x2, y2) = _PLACES[state], _PLACES[following]
    bend = _BENDS.get((state, following), 0)
    length = hypot(x2 - x1, y2 - y1)
    # The control point of the curve lies beside the middle of the straight line; the curve comes half as far.
    x, y = (x1 + x2) / 2 + 2 * bend * (y2 - y1) / length, (y1 + y2) / 2 + 2 * bend * (x2 - x1) / length
    x1, y1 = _edge((x1, y1), (x, y))
    x2, y2 = _edge((x2, y2), (x, y))
    path = f'<path d="M{x1:.0f} {y1:.0f}Q{x:.0f} {y:.0f} {x2:.0f} {y2:.0f}"/>\n'
    label = ", ".join(cause.replace("_", " ") for cause in why if cause != following.label)
    place = f'x="{(x1 + 2 * x + x2) / 4:.0f}" y="{(y1 + 2 * y + y2) / 4 - 6:.0f}"'
    return path, f'<text class="why" {place}>{label}</text>\n' if label else ""


def _edge(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the centre of a box leaves it."""
    x, y = towards[0] - centre[0], towards[1] - centre[1]
    share = min(_HALF_WIDTH / abs(x) if x else 1e9, _HALF_HEIGHT / abs(y) if y else 1e9)
    return centre[0] + x * share, centre[1] + y * share


if __name__ == "__main__":
    print(draw(), end="")

"""The look of each state: the same colours and marks in every drawing and on the terminal."""

from __future__ import annotations

from typing import NamedTuple

from penstock.engine.states import TaskState


class Look(NamedTuple):
    """How a state is shown. Colours are "#rrggbb": the fill and the border of a box, on light and on dark paper."""

    mark: str
    """One character that tells the state where there is no colour."""
    terminal: str
    """A colour of the terminal's own sixteen."""
    fill: str
    border: str
    dark_fill: str
    dark_border: str


LOOKS: dict[TaskState, Look] = {
    TaskState.PENDING: Look("·", "bright_black", "#f6f8fa", "#8c959f", "#21262d", "#6e7681"),
    TaskState.READY: Look("·", "bright_black", "#f6f8fa", "#57606a", "#21262d", "#8b949e"),
    TaskState.RUNNING: Look("▸", "cyan", "#ddf4ff", "#0969da", "#0c2d6b", "#58a6ff"),
    TaskState.RETRYING: Look("↻", "yellow", "#fff8c5", "#9a6700", "#4b2900", "#d29922"),
    TaskState.DEFERRED: Look("◷", "yellow", "#fff8c5", "#9a6700", "#4b2900", "#d29922"),
    TaskState.EXPANDED: Look("▸", "cyan", "#ddf4ff", "#0969da", "#0c2d6b", "#58a6ff"),
    TaskState.SUCCESS: Look("✓", "green", "#dafbe1", "#1a7f37", "#033a16", "#3fb950"),
    TaskState.FAILED: Look("✗", "red", "#ffebe9", "#cf222e", "#67060c", "#ff7b72"),
    TaskState.SKIPPED: Look("↷", "bright_black", "#f6f8fa", "#6e7781", "#21262d", "#8b949e"),
    TaskState.UPSTREAM_FAILED: Look("⊘", "yellow", "#fff1e5", "#bc4c00", "#5a1e02", "#f0883e"),
    TaskState.CANCELLED: Look("■", "magenta", "#fbefff", "#8250df", "#3c1e70", "#bc8cff"),
    TaskState.REMOVED: Look("-", "bright_black", "#f6f8fa", "#8c959f", "#21262d", "#6e7681"),
}

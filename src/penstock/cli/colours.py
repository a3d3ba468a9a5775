"""The look of states on the command line."""

from __future__ import annotations

from penstock.engine.states import TaskState
from penstock.observe.drawing.palette import LOOKS

RUN_COLOURS = {
    "queued": "bright_black",
    "running": "cyan",
    "waiting": "blue",
    "interrupted": "yellow",
    "success": "green",
    "failed": "red",
    "cancelled": "magenta",
}

TASK_COLOURS = {state.label: LOOKS[state].terminal for state in TaskState}

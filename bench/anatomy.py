"""The parts of Penstock that a task goes through, and to which of them a function belongs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import FrameType

import penstock

HOME = str(Path(penstock.__file__).parent)
USER = "the user's own code"
_PARTS = (
    ("define", ("definition/", "manager.py")),
    ("compile", ("plan/", "code/", "errors.py", "policy.py")),
    ("engine", ("engine/",)),
    ("journal", ("runtime/journal.py", "store/records.py", "store/chain.py")),
    ("store", ("store/",)),
    ("usage readings", ("executor/usage.py",)),
    ("invoke", ("executor/", "results/", "logs/")),
    ("tell who watches", ("observe/", "runtime/audience.py")),
    ("end", ("runtime/durations.py", "runtime/ending.py", "runtime/record.py", "runtime/task_record.py")),
    ("dispatch", ("runtime/", "clock.py")),
    ("begin", ("",)),
)
"""What comes first counts."""
PARTS = {
    "define": "the tasks are made and collected",
    "compile": "names and dependencies are looked up, everything is checked, the plan is laid out and encoded",
    "begin": "the manager opens its store and puts the run on record",
    "engine": "events change the run, and it is found what is ready by them",
    "dispatch": "the driver: its lock, the queue of what is ready, who takes what next",
    "invoke": "arguments, the context of the attempt, the call, the value and the outcome",
    "usage readings": "processor time of the thread",
    "tell who watches": "a line on the console for each task",
    "journal": "events are collected and encoded in batches, with checksums; waits for whoever commits",
    "store": "batches are committed, and synced",
    "end": "what is learned from the run, and given back",
    USER: "bodies, and the loop that makes the tasks",
}
"""In the order in which a task meets them."""


@cache
def part_of(file: str) -> str | None:
    """The part that a file of Penstock's belongs to; None for one of anybody else's."""
    if not file.startswith(HOME):
        return None
    inside = file[len(HOME) + 1 :]
    return next(part for part, beginnings in _PARTS if inside.startswith(beginnings))


def part_of_frame(frame: FrameType | None) -> str:
    """The part on whose behalf something runs: that of the innermost function of Penstock's or of the user's."""
    while frame is not None:
        file = frame.f_code.co_filename
        part = part_of(file)
        if part is not None:
            return part
        if "/bench/" in file:
            return USER
        frame = frame.f_back
    return USER

"""What matters of a failure: the error, and the line of the user's own code that failed."""

from __future__ import annotations

import re
from pathlib import Path
from sysconfig import get_paths
from typing import Any, NamedTuple

from penstock.api.reading import Reading
from penstock.engine.states import TaskState
from penstock.store.base import RunRow

_FRAME = re.compile(r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+)[^\n]*\n(?P<code>[^\n]*)', re.MULTILINE)
_OTHERS = (str(Path(__file__).parents[1]), *get_paths().values(), "<")


class Place(NamedTuple):
    """A line of code."""

    place: str
    """ "file:line"."""
    code: str | None


def users_line(traceback: str) -> Place | None:
    """The last line of the user's own code that a traceback names; of none, the last at all."""
    frames = [*_FRAME.finditer(traceback)]
    own = [frame for frame in frames if not _is_others(frame["file"])]
    if not (own or frames):
        return None
    frame = (own or frames)[-1]
    code = frame["code"].strip()
    is_code = bool(code) and not code.startswith(("File ", "~", "^")) and frame["code"].startswith(" ")
    return Place(f"{frame['file']}:{frame['line']}", code if is_code else None)


def _is_others(file: str) -> bool:
    """Whether a file is no part of what the user wrote."""
    return file.startswith(_OTHERS) or "/site-packages/" in file


def failure_record(read: Reading, row: RunRow) -> dict[str, Any]:
    """A run that has failed, with the first error of its tasks."""
    with read.replays.of(row) as known:
        engine = known.engine
        slots = [
            slot
            for slot, state in enumerate(engine.states)
            if state == TaskState.FAILED and slot not in engine.widths and not engine.policy(slot).allow_failure
        ]
        slots.sort(key=lambda slot: (engine.ended[slot], slot))
        slot = slots[0] if slots else None
        error = engine.errors.get(slot) if slot is not None else None
        found = users_line(error.traceback or "") if error is not None else None
        return {
            "run": read.summary(row),
            "task": engine.name(slot) if slot is not None else None,
            "error": f"{error.type}: {error.message}" if error is not None else row.error,
            "place": found.place if found is not None else None,
            "line": found.code if found is not None else None,
            "attempts": engine.attempts[slot] if slot is not None else 0,
            "more": max(len(slots) - 1, 0),
        }

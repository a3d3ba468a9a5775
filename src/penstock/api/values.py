"""What is told of values: what was noted when they were written. They are never unpickled here.

Nothing here needs the packages of the API."""

from __future__ import annotations

from typing import Any

from penstock.api.records import plain
from penstock.engine.events import ValueRef
from penstock.errors import ValueUnavailable
from penstock.results import tagged_json
from penstock.results.note import Note, content_in, note_in
from penstock.results.preview import preview

LONGEST = 2_000
"""Characters of a preview."""


def value_record(ref: ValueRef | None) -> dict[str, Any]:
    """A value, in short; a small plain one, itself; of others what was noted of them."""
    note = note_in(ref) if ref is not None else None
    return {
        "preview": preview(ref, LONGEST),
        "format": ref.codec if ref is not None else None,
        "size": ref.size if ref is not None else 0,
        "plain": _plain(ref),
        "note": note_record(note) if note is not None else None,
    }


def note_record(note: Note) -> dict[str, Any]:
    """What was noted of a value."""
    return {
        "type": note.type,
        "shape": [*note.shape],
        "columns": [{"name": name, "type": kind} for name, kind in note.columns],
        "rows": [[*row] for row in note.rows],
        "text": note.text or None,
    }


def _plain(ref: ValueRef | None) -> Any:
    content = content_in(ref) if ref is not None and ref.codec == "json" else None
    if content is None:
        return None
    try:
        return plain(tagged_json.loads(content))
    except (ValueUnavailable, RecursionError, ValueError):
        return None

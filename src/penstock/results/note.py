"""A note about a value: what it is, made when it was written, for whoever must not or need not decode the value itself.

It stands in the value's reference, after the encoded value if that is small, on a line of its own: so it is kept as
long as the reference, wherever the value lies. Small JSON values have none: they can be read as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from penstock.engine.events import ValueRef

MOST_BYTES = 2_000
"""Of a note as it is kept."""
_BREAK = "\n"
_ABSENT: tuple[Any, ...] = ("", (), (), (), "")


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a value."""

    type: str
    """ "polars.DataFrame"."""
    shape: tuple[int, ...] = ()
    """How many rows and columns, elements of each dimension, items or characters; none where there is no such thing."""
    columns: tuple[tuple[str, str], ...] = ()
    """The first columns of a table, each with its type."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows, in these columns."""
    text: str = ""
    """What it looks like, of what is no table."""

    @property
    def headline(self) -> str:
        """What it is, in a few words."""
        if self.text and not self.shape:
            return self.text
        if len(self.shape) == 1:
            return f"{self.type} of {self.shape[0]:,}"
        return f"{self.type} {' x '.join(f'{size:,}' for size in self.shape)}".rstrip()

    def encode(self) -> str:
        """The note as it is kept. It is made smaller until it is small enough: fewer rows, columns, less text."""
        note = self
        while len((text := _encoded(note)).encode("utf-8", "replace")) > MOST_BYTES:
            if len(note.rows) > 2:
                note = replace(note, rows=note.rows[:-1])
            elif len(note.columns) > 4:
                half = len(note.columns) * 2 // 3
                note = replace(note, columns=note.columns[:half], rows=tuple(row[:half] for row in note.rows))
            elif note.rows:
                note = replace(note, rows=note.rows[:-1])
            elif note.text:
                note = replace(note, text=note.text[: len(note.text) * 2 // 3])
            else:
                note = Note(note.type[:100], note.shape[:8])
        return text.encode("utf-8", "replace").decode()


def _encoded(note: Note) -> str:
    fields = [note.type, note.shape, note.columns, note.rows, note.text]
    while fields and not fields[-1]:
        fields.pop()
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def with_note(ref: ValueRef, note: str) -> ValueRef:
    """A reference with a note in it."""
    return ref._replace(inline=f"{ref.inline or ''}{_BREAK}{note}")


def content_in(ref: ValueRef) -> str | None:
    """The encoded value in a reference; None if it lies elsewhere."""
    if ref.inline is None or ref.digest is not None:
        return None
    return ref.inline.partition(_BREAK)[0] if ref.codec != "json" else ref.inline


def note_in(ref: ValueRef) -> Note | None:
    """The note in a reference, if there is one that can be read."""
    if ref.inline is None or (ref.codec == "json" and ref.digest is None):
        return None
    _, found, text = ref.inline.partition(_BREAK)
    try:
        return _read(json.loads(text)) if found else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _read(fields: list[Any]) -> Note:
    kind, shape, columns, rows, text = (*fields, *_ABSENT[len(fields) :])
    return Note(
        str(kind),
        tuple(int(size) for size in shape),
        tuple((str(column[0]), str(column[1])) for column in columns),
        tuple(tuple(str(cell) for cell in row) for row in rows),
        str(text),
    )

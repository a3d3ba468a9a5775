"""A line of text about a stored value, from what was noted when it was written: no code of the value's own is run."""

from __future__ import annotations

import base64
import io

from penstock.engine.events import ValueRef
from penstock.errors import ValueUnavailable
from penstock.results import tagged_json
from penstock.results.note import content_in, note_in
from penstock.results.pickling import read_header

_NAMES = {
    "arrow": "pyarrow Table",
    "arrow-batch": "pyarrow RecordBatch",
    "polars": "polars DataFrame",
    "polars-series": "polars Series",
    "numpy": "numpy array",
    "numpy-scalar": "numpy scalar",
}


def preview(ref: ValueRef | None, limit: int = 200) -> str:
    """A small plain value as Python writes it; of others, what they are and how large. At most `limit` characters, all
    of them printable. It reads only the reference, never the result store."""
    if ref is None:
        return "None"
    if ref.codec == "volatile":
        return "not kept"
    content = content_in(ref)
    if content is not None and ref.codec == "json":
        return _shortened(_plain(content), limit)
    size = f", {_size(ref.size)}"
    note = note_in(ref)
    what = note.headline if note is not None else _kind(ref, content)
    return _shortened(what, limit - len(size)) + size if limit > len(size) else _shortened(what, limit)


def _plain(text: str) -> str:
    try:
        return repr(tagged_json.loads(text))
    except (ValueUnavailable, RecursionError, ValueError):  # repr may refuse very large integers
        return "not readable"


def _kind(ref: ValueRef, content: str | None) -> str:
    if ref.codec == "pickle" and content is not None:
        try:
            return f"pickle of {read_header(io.BytesIO(base64.b64decode(content)))['type']}"
        except (ValueUnavailable, ValueError, KeyError):
            return "pickle"
    return _NAMES.get(ref.codec, ref.codec)


def _size(size: int) -> str:
    if size < 1_000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1_000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1_000:.1f} TB"


def _shortened(text: str, limit: int) -> str:
    shown = text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
    return shown if shown.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in shown)

"""A line of text about a stored value, made without running any code of the value's own."""

from __future__ import annotations

import base64
import io

from penstock.engine.events import ValueRef
from penstock.errors import ValueUnavailable
from penstock.results import tagged_json
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
    if ref.inline is not None and ref.codec == "json":
        return _shortened(_plain(ref.inline), limit)
    return _shortened(f"{_kind(ref)}, {_size(ref.size)}", limit)


def _plain(text: str) -> str:
    try:
        return repr(tagged_json.loads(text))
    except (ValueUnavailable, RecursionError, ValueError):  # repr may refuse very large integers
        return "not readable"


def _kind(ref: ValueRef) -> str:
    if ref.codec == "pickle" and ref.inline is not None:
        try:
            return f"pickle of {read_header(io.BytesIO(base64.b64decode(ref.inline)))['type']}"
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

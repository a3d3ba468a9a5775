"""What is told of values: what was noted when they were written. They are never unpickled here."""

from __future__ import annotations

from typing import Any

from penstock.api.records import plain
from penstock.engine.events import ValueRef
from penstock.errors import ValueUnavailable
from penstock.results import tagged_json
from penstock.results.preview import preview

LONGEST = 2_000
"""Characters of a preview."""


def value_record(ref: ValueRef | None) -> dict[str, Any]:
    """A value, in short; a small plain one, itself."""
    return {
        "preview": preview(ref, LONGEST),
        "format": ref.codec if ref is not None else None,
        "size": ref.size if ref is not None else 0,
        "plain": _plain(ref),
    }


def _plain(ref: ValueRef | None) -> Any:
    if ref is None or ref.codec != "json" or ref.inline is None:
        return None
    try:
        return plain(tagged_json.loads(ref.inline))
    except (ValueUnavailable, RecursionError, ValueError):
        return None

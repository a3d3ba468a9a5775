"""The places that errors name."""

from __future__ import annotations

from pathlib import Path


def line_at(where: str | None) -> str:
    """The line of source that "file:line" names, stripped."""
    assert where is not None, "the error names no place"
    file, _, line = where.rpartition(":")
    return Path(file).read_text().splitlines()[int(line) - 1].strip()

"""The files of a run's logs, and what is written in them.

A run has a folder, and in it a segment for each of its drivers, and more where one grew large. Segment 1 is two files:

- `0001.log`: the text, UTF-8, as it was written: all attempts in one stream, so that it can be read with any tool.
- `0001.idx`: a header (a magic text and the fingerprint of the plan whose numbers the entries use), then an entry for
  each chunk of text: offset in `0001.log`, time, task, generation, attempt, length in bytes, and in the last four bytes
  the stream (one byte) and the map index plus one (three bytes, 0 for a task that is not mapped). Little-endian.

Both only grow, the index after the text. So a reader at any moment, also after kill -9, sees whole entries whose text
is there, and perhaps a part of one at the end, which it leaves alone.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

MAGIC = b"penstock logs 1\n"
HEADER = struct.Struct("<16s64s")
"""Magic, fingerprint of the plan."""

OFFSET = struct.Struct("<Q")
DETAILS = struct.Struct("<dIIIII")
"""Time, task, generation, attempt, length, stream and map index."""
ENTRY = struct.Struct("<QdIIIII")
"""An offset and the details."""

LONGEST_CHUNK = 1 << 20
"""Bytes of text in one entry. The writer splits what is longer; the reader believes no entry that claims more."""

_NAME = re.compile(r"(\d{4,9})\.idx")


def text_path(folder: Path, number: int) -> Path:
    """Where the text of a segment lies."""
    return folder / f"{number:04}.log"


def index_path(folder: Path, number: int) -> Path:
    """Where the index of a segment lies."""
    return folder / f"{number:04}.idx"


def segments(folder: Path) -> list[int]:
    """The numbers of the segments in a folder, in order. Only regular files count: a link could lead anywhere."""
    try:
        with os.scandir(folder) as entries:
            matches = [_NAME.fullmatch(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(int(match[1]) for match in matches if match)

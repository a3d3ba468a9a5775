"""Reading the logs of a run: see `format` for the files.

The files may be growing, torn by a crash, damaged or made by an enemy: what is no sound entry with its text is passed
over, and nothing is believed that could cost much memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

from penstock.logs.base import STREAMS, LogChunk, Position, place
from penstock.logs.format import ENTRY, HEADER, LONGEST_CHUNK, MAGIC, index_path, segments, text_path

LATEST = 253_000_000_000.0
"""A time in the year 9987: later ones are no dates to Python."""

_BLOCK = 1024
"""Entries read at once."""


class SegmentReader:
    """See LogReader. The folder need not be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def chunks(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
        after: Position | None = None,
    ) -> Iterator[LogChunk]:
        for number, index, segment_plan in self._indexes(plan, after):
            path = text_path(self._folder, number)
            if not path.is_file() or path.is_symlink():
                continue
            start = after.entry if after is not None and after.segment == number else 0
            with path.open("rb") as text:
                for count, entry in _entries(index, start):
                    if (
                        (task is None or entry.task == task)
                        and (generation is None or entry.generation == generation)
                        and (attempt is None or entry.attempt == attempt)
                        and (content := _read(text, entry)) is not None
                    ):
                        stream, place = STREAMS[entry.stream], Position(number, count)
                        yield LogChunk(*entry[2:5], stream, content, entry.at, segment_plan, place)

    def text(
        self,
        *,
        task: int | None = None,
        generation: int | None = None,
        attempt: int | None = None,
        plan: str | None = None,
    ) -> str:
        chunks = self.chunks(task=task, generation=generation, attempt=attempt, plan=plan)
        return "".join(chunk.text for chunk in chunks)

    def tasks(self, *, plan: str | None = None) -> list[int]:
        return sorted({entry.task for _, index, _ in self._indexes(plan, None) for _, entry in _entries(index, 0)})

    def _indexes(self, plan: str | None, after: Position | None) -> Iterator[tuple[int, BinaryIO, str]]:
        """The indexes to read, in order: number, file and fingerprint of the plan. Each is closed before the next."""
        for number in segments(self._folder):
            if after is not None and number < after.segment:
                continue
            with ExitStack() as files:
                try:
                    index = files.enter_context(index_path(self._folder, number).open("rb"))
                    magic, fingerprint = HEADER.unpack(index.read(HEADER.size).ljust(HEADER.size, b"\0"))
                except OSError:
                    continue
                segment_plan = fingerprint.rstrip(b"\0").decode("ascii", "replace")
                if magic == MAGIC and plan in (None, segment_plan):
                    yield number, index, segment_plan


class _Entry(NamedTuple):
    offset: int
    at: float
    task: int
    generation: int
    attempt: int
    length: int
    stream: int

    @property
    def sound(self) -> bool:
        """Whether the numbers can be true. Zeros, which a loss of power may leave behind, cannot."""
        numbers = 0 < self.length <= LONGEST_CHUNK and self.attempt > 0 and self.stream < len(STREAMS)
        return numbers and 0 <= self.at < LATEST


def _entries(index: BinaryIO, start: int) -> Iterator[tuple[int, _Entry]]:
    """The sound entries of an index, each with how many entries lie up to its end. A part of one at the end is left."""
    index.seek(HEADER.size + start * ENTRY.size)
    count = start
    while True:
        block = index.read(ENTRY.size * _BLOCK)
        for fields in ENTRY.iter_unpack(block[: len(block) - len(block) % ENTRY.size]):
            count += 1
            entry = _Entry._make(fields)
            if entry.stream > 0xFF:
                task = place(entry.task, (entry.stream >> 8) - 1)
                entry = entry._replace(task=task, stream=entry.stream & 0xFF)
            if entry.sound:
                yield count, entry
        if len(block) < ENTRY.size * _BLOCK:
            return


def _read(text: BinaryIO, entry: _Entry) -> str | None:
    """The text of an entry; None where it is not there."""
    if entry.offset + entry.length > os.fstat(text.fileno()).st_size:
        return None
    text.seek(entry.offset)
    data = text.read(entry.length)
    return data.decode("utf-8", "replace") if len(data) == entry.length else None

"""Writing the logs of a run: see `format` for the files.

What was written survives kill -9 of this process. It is not synced to disk: a loss of power may take the last seconds.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from penstock.logs.base import DEFAULT_CAP, STREAMS, Stream, task_at
from penstock.logs.cap import Cap
from penstock.logs.format import DETAILS, ENTRY, HEADER, LONGEST_CHUNK, MAGIC, OFFSET, index_path, segments, text_path

SEGMENT_SIZE = 64 << 20
"""Bytes of text after which a new segment begins."""

SLOW = 0.0001
SLOW_ENTRY = 0.000005
SHARE = 20
LONGEST_HOLD = 0.2
"""A chunk is written in 3 us. Beside threads that compute it can take 10 ms, since each system call gives the
interpreter's lock away. When a write took more than SLOW seconds and SLOW_ENTRY for each entry, what follows is held
back for SHARE times as long, at most LONGEST_HOLD, so that keeping takes at most a twentieth of a task's time. [A print
beside a computing thread: 640 us without this, 7 us with it.]"""

_NUMBERS = {stream: number for number, stream in enumerate(STREAMS)}


class SegmentWriter:
    """See LogWriter. The folder and the files are made when there is something to write.

    What is written is in the files when `write` returns, but for what is held back beside computing threads: see SLOW.
    A driver that calls `flush` when it wakes, and wakes within LONGEST_HOLD while `holds`, makes that readable soon.

    A forked child inherits the writer but must not use the parent's files: what it writes is ignored.
    """

    def __init__(
        self, folder: Path, *, plan: str = "", cap: int = DEFAULT_CAP, segment_size: int = SEGMENT_SIZE
    ) -> None:
        self.dropped = 0
        self._folder = folder
        self._plan = plan
        self._cap = Cap(cap)
        self._segment_size = segment_size
        self._segment: _Segment | None = None
        self._waiting: list[tuple[bytes, bytes]] = []
        self._held_until = 0.0
        # Re-entrant, since a signal handler or a finalizer that prints may run in the thread that is writing.
        self._lock = threading.RLock()
        self._flushing = False
        self._closed = False
        self._pid = os.getpid()

    def write(self, task: int, generation: int, attempt: int, stream: Stream, text: str, at: float) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        with self._lock:
            for data in _pieces(self._cap.admit((task, generation, attempt), text)):
                row, index = task_at(task)
                details = DETAILS.pack(at, row, generation, attempt, len(data), _NUMBERS[stream] | index + 1 << 8)
                self._waiting.append((details, data))
            if self._waiting and monotonic() >= self._held_until:
                self._flush()

    @property
    def holds(self) -> bool:
        return bool(self._waiting)

    def end(self, task: int, generation: int, attempt: int) -> None:
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._cap.forget((task, generation, attempt))
            self._flush()

    def flush(self) -> None:
        if self._waiting and os.getpid() == self._pid:
            with self._lock:
                self._flush()

    def close(self) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        with self._lock:
            self._closed = True
            self._flush()
            if self._segment is not None:
                self._segment.close()
                self._segment = None

    def _flush(self) -> None:
        """Write what waits. What cannot be written is dropped, since the next attempt to do so would fail as well."""
        count = len(self._waiting)
        if not count or self._flushing:
            return
        try:
            self._flushing = True
            if self._segment is None:
                self._segment = _Segment(self._folder, self._plan)
            began = monotonic()
            self._segment.append(self._waiting[:count])
            took = monotonic() - began
            hold = took > SLOW + SLOW_ENTRY * count
            self._held_until = began + took + min(SHARE * took, LONGEST_HOLD) if hold else 0.0
            del self._waiting[:count]
            if self._segment.size >= self._segment_size:
                self._segment.close()
                self._segment = None
        except OSError:
            self.dropped += count
            del self._waiting[:count]
        finally:
            self._flushing = False


class _Segment:
    """A new pair of files. OSError from any method leaves the files as they were before the call."""

    def __init__(self, folder: Path, plan: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            self._text, text, index = _claim(folder)
            undo.enter_context(self._text)
            undo.callback(text.unlink)
            self._index = undo.enter_context(open(index, "xb", buffering=0))
            undo.callback(index.unlink)
            _write(self._index, HEADER.pack(MAGIC, plan.encode("ascii", "replace")))
            undo.pop_all()
        self._sizes = 0, HEADER.size

    @property
    def size(self) -> int:
        """Bytes of text."""
        return self._sizes[0]

    def append(self, batch: list[tuple[bytes, bytes]]) -> None:
        """Write (details, text) pairs: all of them or, on an error, none."""
        offset, index_size = before = self._sizes
        entries = bytearray()
        for details, data in batch:
            entries += OFFSET.pack(offset) + details
            offset += len(data)
        try:
            _write(self._text, b"".join([data for _, data in batch]))
            _write(self._index, entries)
            self._sizes = offset, index_size + ENTRY.size * len(batch)
        except BaseException:  # also an exception raised in this thread to end a task: the next entry must fit again
            self._sizes = before
            for file, size in zip((self._text, self._index), before, strict=True):
                file.truncate(size)
                file.seek(size)
            raise

    def close(self) -> None:
        self._text.close()
        self._index.close()


def _claim(folder: Path) -> tuple[io.FileIO, Path, Path]:
    """The text file of the first segment nobody has, its path, and the path for its index."""
    number = max(segments(folder), default=0) + 1
    while True:
        try:
            text = text_path(folder, number)
            return open(text, "xb", buffering=0), text, index_path(folder, number)
        except FileExistsError:
            number += 1


def _write(file: io.FileIO, data: bytes | bytearray) -> None:
    """All of `data`: a disk that is nearly full takes a part first."""
    written = file.write(data)
    while written < len(data):
        written += file.write(memoryview(data)[written:])


def _pieces(data: bytes) -> Iterator[bytes]:
    """`data` in chunks that an entry may have, cut between characters."""
    while len(data) > LONGEST_CHUNK:
        cut = LONGEST_CHUNK
        while data[cut] & 0xC0 == 0x80:
            cut -= 1
        yield data[:cut]
        data = data[cut:]
    if data:
        yield data

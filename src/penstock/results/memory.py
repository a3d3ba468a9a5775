"""A result store in the memory of this process, for runs that need not survive it."""

from __future__ import annotations

import hashlib
import io
import time
from math import inf
from pathlib import Path
from typing import BinaryIO

from penstock.errors import ValueUnavailable


class MemoryResults:
    """Values by digest. Any number of threads may use it."""

    portable = False

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, float]] = {}

    def writer(self) -> MemoryWriter:
        """A buffer."""
        return MemoryWriter(self)

    def open(self, digest: str) -> BinaryIO:
        """The value for reading. ValueUnavailable if it is not there."""
        try:
            return io.BytesIO(self._values[digest][0])
        except KeyError:
            raise ValueUnavailable(f"the value {digest[:12]!r} is not in memory any more: run its task again") from None

    def path(self, digest: str) -> Path | None:
        """None: there are no files."""
        return None

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        """Forget a value, unless it is too new."""
        value, at = self._values.get(digest, (b"", inf))
        if at > time.time() - older_than:
            return None
        self._values.pop(digest, None)
        return len(value)

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        """Every value last written at least `older_than` seconds ago, in order."""
        before = time.time() - older_than
        return sorted(digest for digest, (_, at) in self._values.copy().items() if at <= before)

    def sweep(self, *, older_than: float) -> int:
        """0: a dead writer leaves nothing."""
        return 0

    def keep(self, data: bytes) -> str:
        """Put a value under its digest."""
        digest = hashlib.sha256(data).hexdigest()
        self._values[digest] = data, time.time()
        return digest


class MemoryWriter:
    """A value being written to a buffer."""

    def __init__(self, results: MemoryResults) -> None:
        self._results = results
        self._kept: tuple[str, int] | None = None
        self.file: BinaryIO = io.BytesIO()

    def commit(self) -> tuple[str, int]:
        """Make the value readable."""
        if self._kept is None:
            self.file.seek(0)
            data = self.file.read()
            self._kept = self._results.keep(data), len(data)
            self.file.close()
        return self._kept

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""
        self.file.close()

"""The result store of a worker process whose run keeps its values in the memory of the driver's process."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from penstock.errors import StoreError, ValueUnavailable
from penstock.executor.driver_link import DriverLink


class DriverResults:
    """A result store that only the driver's process reaches: values go through the pipes."""

    portable = False

    def __init__(self, link: DriverLink) -> None:
        self._link = link

    def writer(self) -> DriverWriter:
        """A buffer."""
        return DriverWriter(self._link)

    def open(self, digest: str) -> BinaryIO:
        """The value for reading."""
        content, failure = self._link.ask("get", digest)
        if failure is not None:
            raise ValueUnavailable(failure)
        return io.BytesIO(content)

    def path(self, digest: str) -> Path | None:
        """None: there are no files."""
        return None

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        """Not done by workers."""
        raise NotImplementedError

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        """Not done by workers."""
        raise NotImplementedError

    def sweep(self, *, older_than: float) -> int:
        """Not done by workers."""
        raise NotImplementedError


class DriverWriter:
    """A value being written to a buffer."""

    def __init__(self, link: DriverLink) -> None:
        self._link = link
        self._buffer = io.BytesIO()
        self.file: BinaryIO = self._buffer

    def commit(self) -> tuple[str, int]:
        """Send the value."""
        written, failure = self._link.ask("put", self._buffer.getvalue())
        if failure is not None:
            raise StoreError(failure)
        digest, size = written
        return digest, size

    def abort(self) -> None:
        """Throw away what was written."""
        self.file.close()

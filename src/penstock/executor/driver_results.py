"""The result store of a worker process whose run keeps its values in the memory of the driver's process."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

from penstock.errors import StoreError, ValueUnavailable
from penstock.executor.channel import Receiver, Sender


class DriverResults:
    """A result store that only the driver's process reaches: values go through the pipes."""

    portable = False

    def __init__(self, messages: Sender, requests: Receiver) -> None:
        self._messages = messages
        self._requests = requests

    def call(self, *message: Any) -> Any:
        """What the driver's process answers."""
        self._messages.send(*message)
        answer = self._requests.receive()
        if answer is None:
            raise StoreError("the driver's process is gone")
        result, error = answer
        if error is not None:
            raise ValueUnavailable(error) if message[0] == "get" else StoreError(error)
        return result

    def writer(self) -> DriverWriter:
        """A buffer."""
        return DriverWriter(self)

    def open(self, digest: str) -> BinaryIO:
        """The value for reading."""
        return io.BytesIO(self.call("get", digest))

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

    def __init__(self, results: DriverResults) -> None:
        self._results = results
        self._buffer = io.BytesIO()
        self.file: BinaryIO = self._buffer

    def commit(self) -> tuple[str, int]:
        """Send the value."""
        digest, size = self._results.call("put", self._buffer.getvalue())
        return digest, size

    def abort(self) -> None:
        """Throw away what was written."""
        self.file.close()

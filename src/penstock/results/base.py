"""The contract of a result store: where encoded task values lie that are too large for the journal."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol


class ResultStore(Protocol):
    """Content-addressed bytes. A digest is the lower-case hex SHA-256 of the content."""

    portable: bool
    """Whether it can be pickled, and reaches the same values in another process."""

    def writer(self) -> ResultWriter:
        """A new, unnamed value to write into."""

    def open(self, digest: str) -> BinaryIO:
        """The value for reading; ValueUnavailable if it is not there, or does not fit its digest."""

    def path(self, digest: str) -> Path | None:
        """The value as a local file that can be mapped into memory, where there is one; ValueUnavailable if it does not
        fit its digest."""

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        """Forget a value, unless it was last written less than `older_than` seconds ago. How many bytes it had; None if
        it was not there or is too new."""

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        """Every value last written at least `older_than` seconds ago, in order. Writing a value that is there already
        makes it new again, so that who deletes what no journal names can spare what is about to be named."""

    def sweep(self, *, older_than: float) -> int:
        """Remove what dead writers left behind more than `older_than` seconds ago; how many there were."""


class ResultWriter(Protocol):
    """A value being written: nobody can read it before `commit`, and without `commit` it leaves nothing behind."""

    file: BinaryIO

    def commit(self) -> tuple[str, int]:
        """Make the value readable and safe on disk; its digest and its size in bytes. StoreError if that fails."""

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""

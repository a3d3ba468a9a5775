"""A result store in a folder of the local disk.

`ab/cdef...` holds the value whose digest is `abcdef...`. A value is written under another name in `tmp`, synced,
renamed and its folder synced, so that a name exists only with its whole content, whenever the machine stops.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from penstock.errors import StoreError, ValueUnavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = "tmp"
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class FileResults:
    """See the module's text. Any number of threads and processes may use one folder, which is made when first needed.

    A value's content is compared with its digest when it is first opened by an object of this class, and again whenever
    its file has changed since. Without `sync`, values survive the death of the process, but not a loss of power.
    """

    portable = True

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        self._folder = folder
        self.sync = sync
        self._verified: dict[str, tuple[int, ...]] = {}
        self._synced: set[Path] = set()

    def writer(self) -> FileWriter:
        """A new file among the temporary ones. StoreError if none can be made."""
        path = self._folder / _TEMPORARY / f"{os.getpid()}-{os.urandom(8).hex()}"
        try:
            return FileWriter(self, path)
        except FileNotFoundError:
            with _store_error("the folder of results cannot be made"):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                return FileWriter(self, path)
        except OSError as error:
            raise StoreError(f"a value cannot be written: {error}") from error

    def open(self, digest: str) -> BinaryIO:
        """The value for reading. ValueUnavailable if it is not there, or is not what its digest says; StoreError if the
        disk or the system fails."""
        path = self._place(digest)
        try:
            file = path.open("rb")
        except _NO_FILE as error:
            raise ValueUnavailable(f"a stored value cannot be read ({error}): run its task again") from error
        except OSError as error:
            raise StoreError(f"a stored value cannot be read: {error}") from error
        try:
            with _store_error("a stored value cannot be read"):
                self._verify(digest, file)
        except BaseException:
            file.close()
            raise
        return file

    def path(self, digest: str) -> Path | None:
        """The value's file, or None if it is not there. ValueUnavailable if it is not what its digest says; StoreError
        if the disk or the system fails."""
        path = self._place(digest)
        try:
            path.stat()
        except _NO_FILE:
            return None
        except OSError as error:
            raise StoreError(f"a stored value cannot be read: {error}") from error
        self.open(digest).close()
        return path

    def delete(self, digest: str, *, older_than: float = 0.0) -> int | None:
        """Forget a value, unless it is too new; those who have it open or mapped can go on."""
        if not _DIGEST.fullmatch(digest):
            return None
        place = self._place(digest)
        if older_than and not _written_before(place, time.time() - older_than):
            return None
        with _store_error("a value cannot be deleted"):
            try:
                size = place.stat().st_size
                place.unlink()
            except FileNotFoundError:
                return None
        return size

    def digests(self, *, older_than: float = 0.0) -> list[str]:
        """Every value last written at least `older_than` seconds ago, in order."""
        before = time.time() - older_than
        return sorted(
            digest
            for file in _files(self._folder.glob("[0-9a-f][0-9a-f]/*"))
            if _DIGEST.fullmatch(digest := file.parent.name + file.name) and _written_before(file, before)
        )

    def sweep(self, *, older_than: float) -> int:
        """Remove temporary files that nobody has written to for `older_than` seconds; how many there were."""
        before = time.time() - older_than
        dead = [file for file in _files((self._folder / _TEMPORARY).glob("*")) if _written_before(file, before)]
        for file in dead:
            with _store_error("what a dead writer left cannot be removed"):
                file.unlink(missing_ok=True)
        return len(dead)

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueUnavailable(f"{digest[:80]!r} is not the digest of a value: the journal is damaged")
        return self._folder / digest[:2] / digest[2:]

    def _verify(self, digest: str, file: BinaryIO) -> None:
        stat = os.fstat(file.fileno())
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if self._verified.get(digest) == state:
            return
        if _content_digest(file) != digest:
            raise ValueUnavailable(
                f"a stored value is damaged, {file.name} does not fit its digest: run its task again"
            )
        file.seek(0)
        if len(self._verified) >= 10_000:
            self._verified.clear()
        self._verified[digest] = state

    def keep(self, temporary: Path, digest: str) -> None:
        """Give a written file the name of its content. One that is there already is replaced: it may be damaged, or
        about to be deleted as old."""
        place = self._place(digest)
        try:
            os.replace(temporary, place)
        except FileNotFoundError:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(temporary, place)
        if self.sync:
            if place.parent not in self._synced:  # the folder's own name must be safe too, whoever made it
                _sync_folder(self._folder.parent)
                _sync_folder(self._folder)
                self._synced.add(place.parent)
            _sync_folder(place.parent)


class FileWriter:
    """A value being written to a temporary file."""

    def __init__(self, results: FileResults, path: Path) -> None:
        self._results = results
        self._path = path
        self._kept: tuple[str, int] | None = None
        self.file: BinaryIO = open(path, "x+b", opener=_open_private)  # noqa: SIM115  # commit and abort close it

    def commit(self) -> tuple[str, int]:
        """Make the value readable and, if the store syncs, safe. StoreError if that fails: it is thrown away then."""
        if self._kept is not None:
            return self._kept
        try:
            with _store_error("a value cannot be written"):
                self.file.flush()
                size = self.file.seek(0, os.SEEK_END)
                self.file.seek(0)
                digest = _content_digest(self.file)
                if self._results.sync:
                    os.fsync(self.file.fileno())
                self.file.close()
                self._results.keep(self._path, digest)
        except BaseException:
            self.abort()
            raise
        self._kept = digest, size
        return self._kept

    def abort(self) -> None:
        """Throw away what was written. Harmless after `commit`."""
        if self._kept is None:
            with contextlib.suppress(OSError):
                self.file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _content_digest(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(found: Iterator[Path]) -> Iterator[Path]:
    return (path for path in found if path.is_file() and not path.is_symlink())


def _written_before(file: Path, moment: float) -> bool:
    try:
        return file.stat().st_mtime <= moment
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _store_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error}") from error

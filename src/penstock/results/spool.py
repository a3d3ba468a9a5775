"""Where a codec writes: memory while the value is small, the result store once it is not."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, BinaryIO

from penstock.definition.secret import has_secrets, stored_forms
from penstock.engine.events import ValueRef
from penstock.errors import ValueNotKept
from penstock.results.codecs import INLINE_LIMIT

if TYPE_CHECKING:
    from penstock.results.base import ResultStore, ResultWriter


HELD = "a value has a secret in it, and values are stored: return something else, or None"


class Spool(io.BufferedIOBase):
    """A file that moves itself into a result store when it outgrows the journal."""

    def __init__(self, results: ResultStore) -> None:
        self._results = results
        self._file: BinaryIO = io.BytesIO()
        self._writer: ResultWriter | None = None
        self._last = b""
        """The end of what was written before, in which a secret may have begun."""
        self.failure: OSError | None = None
        """What went wrong with writing, which a codec may have dressed as an error of its own."""

    def write(self, data: Any, /) -> int:
        if has_secrets():
            self._refuse_secrets(bytes(data))
        if self._writer is None and self._file.tell() + memoryview(data).nbytes > INLINE_LIMIT:
            self._move()
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def _refuse_secrets(self, data: bytes) -> None:
        forms = stored_forms()
        data = self._last + data
        if any(form in data for form in forms):
            raise ValueNotKept(HELD)
        self._last = data[-max(map(len, forms), default=1) :]

    def _move(self) -> None:
        small, position = self._file, self._file.tell()
        self._writer = self._results.writer()
        self._file = self._writer.file
        small.seek(0)
        self._file.write(small.read())
        self._file.seek(position)

    def reference(self, codec: str) -> ValueRef:
        """The value as the journal keeps it; what is in the result store is safe when this returns."""
        if self._writer is not None:
            digest, size = self._writer.commit()
            return ValueRef(codec, size, digest)
        self._file.seek(0)
        data = self._file.read()
        # JSON is text already, and people read journals.
        return ValueRef(codec, len(data), None, (data if codec == "json" else base64.b64encode(data)).decode())

    def abort(self) -> None:
        """Throw away what was written."""
        if self._writer is not None:
            self._writer.abort()

    # --- The rest of what codecs may ask of a file

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)

    def flush(self) -> None:
        if not self._file.closed:  # as it is once it has been committed, and this object is finalised
            self._file.flush()

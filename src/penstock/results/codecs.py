"""Codecs: how values become bytes and come back, each for the types that it gives back exactly.

Built in are JSON for plain values, raw text and bytes for large ones, Arrow for tables and frames, .npy for arrays,
and pickle for the rest. A package adds its own under the entry point group `penstock.codecs`: the name of the entry
point is the codec's, and what it points to is a `Codec`. Those are asked about values that no built-in codec but pickle
takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from penstock.errors import PenstockError, ValueUnavailable
from penstock.results import tagged_json
from penstock.results.tagging import NotPlain

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

ENTRY_POINTS = "penstock.codecs"
INLINE_LIMIT = 4_096
"""Encoded values of at most this many bytes are kept in the journal itself."""


class NotTaken(PenstockError):
    """A codec cannot write a value so that it comes back exactly: the next codec is asked."""


class Codec(Protocol):
    """One way to encode values. It is used from many threads at once."""

    name: str
    """What stands in the journal beside every value it wrote; never to be changed."""
    runs_code: bool
    """Whether reading may run code that the encoded value brings along, as unpickling does. A service refuses it."""

    def takes(self, value: object) -> bool:
        """Whether this codec is for such values. It should be quick; what it says may be taken back by `write`."""

    def write(self, value: object, file: BinaryIO) -> None:
        """Write the value at the position of `file`, which can seek. NotTaken if it would not come back exactly."""

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        """The value. `path` is the same content as a local file where there is one, for formats that can be mapped."""


class JsonCodec:
    """Plain values as tagged JSON in UTF-8."""

    name = "json"
    runs_code = False

    def takes(self, value: object) -> bool:
        return tagged_json.is_plain_type(type(value))

    def write(self, value: object, file: BinaryIO) -> None:
        try:
            file.write(tagged_json.dumps(value).encode())
        except NotPlain as error:
            raise NotTaken(str(error)) from None

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        return tagged_json.loads(file.read().decode())


class BytesCodec:
    """Large bytes as they are."""

    name = "bytes"
    runs_code = False

    def takes(self, value: object) -> bool:
        return type(value) is bytes and len(value) > INLINE_LIMIT // 2

    def write(self, value: Any, file: BinaryIO) -> None:
        file.write(value)

    def read(self, file: BinaryIO, path: Path | None) -> bytes:
        return file.read()


class TextCodec:
    """Large strings in UTF-8, with lone surrogates encoded like other characters."""

    name = "text"
    runs_code = False

    def takes(self, value: object) -> bool:
        return type(value) is str and len(value) > INLINE_LIMIT

    def write(self, value: Any, file: BinaryIO) -> None:
        for start in range(0, len(value), 1 << 20):
            file.write(value[start : start + (1 << 20)].encode("utf-8", "surrogatepass"))

    def read(self, file: BinaryIO, path: Path | None) -> str:
        return file.read().decode("utf-8", "surrogatepass")


def codecs_for(value: object) -> Iterator[Codec]:
    """The codecs to try, in order. The last one, pickle, may fail as well."""
    for codec in _built_in().values():
        if codec.name != "pickle" and codec.takes(value):
            yield codec
    for name in _entry_points():
        if (added := _added(name)) is not None and added.takes(value):
            yield added
    yield _built_in()["pickle"]


def codec_named(name: str) -> Codec:
    """The codec that wrote a value. ValueUnavailable if it is not installed here."""
    if (codec := _built_in().get(name) or _added(name)) is None:
        raise ValueUnavailable(
            f"a stored value was written by codec {name[:80]!r}, which is not installed here: "
            "install the package that adds it"
        )
    return codec


@cache
def _built_in() -> dict[str, Codec]:
    from penstock.results import pickling, tables

    codecs: tuple[Codec, ...] = (TextCodec(), BytesCodec(), JsonCodec(), *tables.CODECS, pickling.PickleCodec())
    return {codec.name: codec for codec in codecs}


@cache
def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in _built_in() or point.name == "volatile" or point.name in found:
            _warn(f"codec {point.name!r} of {point.value} is ignored: the name is taken")
        else:
            found[point.name] = point
    return found


@cache
def _added(name: str) -> Codec | None:
    point = _entry_points().get(name)
    if point is None:
        return None
    try:
        codec: Codec = point.load()
        if codec.name != name:
            raise ValueError(f"it calls itself {codec.name!r}")
    except Exception as error:
        _warn(f"codec {name!r} of {point.value} is ignored: {type(error).__name__}: {error}")
        return None
    return codec


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=3)

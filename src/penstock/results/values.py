"""Task values on their way into the journal and back.

A success may be journaled only after `store_value` has returned: by then the value is as safe as its store makes it.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from penstock.definition.secret import has_secrets, holds_secret
from penstock.engine.events import ValueRef
from penstock.errors import PenstockError, StoreError, ValueNotKept, ValueUnavailable
from penstock.results import tagged_json
from penstock.results.base import ResultStore
from penstock.results.codecs import INLINE_LIMIT, Codec, NotTaken, codec_named, codecs_for
from penstock.results.note import content_in, with_note
from penstock.results.sharing import share, shareable
from penstock.results.spool import HELD, Spool

__all__ = ["VOLATILE", "load_value", "share", "shareable", "store_value"]

VOLATILE = ValueRef("volatile", 0)
"""Stands for a value that no codec took."""
_SCALARS = frozenset({bool, int, float, str})
_LARGE = 1 << 64
"""Integers nearer to 0 are written as Python shows them, which JSON does too."""


def store_value(value: object, results: ResultStore) -> ValueRef | None:
    """Encode a value and keep it; None for None. Up to 4,096 encoded bytes go into the reference itself, more goes to
    `results`. A value that no codec takes (a lock, a generator, an open file) gives `VOLATILE`. StoreError if it could
    not be written, ValueNotKept if its codec fails on it."""
    if value is None:
        return None
    if type(value) in _SCALARS and (small := _inline_scalar(value)) is not None:
        return small
    for codec in codecs_for(value):
        try:
            return _write(value, codec, results)
        except NotTaken:
            continue
    return VOLATILE


def load_value(ref: ValueRef | None, results: ResultStore, *, unpickle: bool = True) -> Any:
    """Decode a value anew. Without `unpickle`, formats whose reading may run code are refused.

    ValueUnavailable if the value was not kept, is gone or damaged, or cannot be decoded here.
    """
    if ref is None:
        return None
    if ref.codec == "json" and ref.inline is not None and ref.digest is None:
        return tagged_json.loads(ref.inline)
    if ref.codec == VOLATILE.codec:
        raise ValueUnavailable(
            "the value was not kept, since no codec takes its type: run its task again, "
            "or return something that can be pickled"
        )
    codec = codec_named(ref.codec)
    if codec.runs_code and not unpickle:
        raise ValueUnavailable(f"a value in format {codec.name!r} is not decoded here, since reading it may run code")
    with _content(ref, results) as (file, path):
        return _read(ref, codec, file, path)


def _inline_scalar(value: Any) -> ValueRef | None:
    """The short way for the values that most tasks return."""
    if type(value) is str and len(value) > INLINE_LIMIT:
        return None
    text = repr(value) if type(value) is int and -_LARGE < value < _LARGE else tagged_json.dumps(value)
    if has_secrets() and holds_secret(text.encode()):
        raise ValueNotKept(HELD)
    size = len(text) if text.isascii() else len(text.encode())
    return ValueRef("json", size, None, text) if size <= INLINE_LIMIT else None


def _write(value: object, codec: Codec, results: ResultStore) -> ValueRef:
    spool, kind = Spool(results), type(value).__qualname__
    try:
        codec.write(value, spool)  # type: ignore[arg-type]  # typeshed's BinaryIO is not a base of io's classes
        ref = spool.reference(codec.name)
    except BaseException as error:
        spool.abort()
        if spool.failure is not None:
            raise StoreError(f"a value of type {kind} could not be stored: {spool.failure}") from error
        if isinstance(error, PenstockError) or not isinstance(error, Exception) or isinstance(error, MemoryError):
            raise
        raise ValueNotKept(
            f"codec {codec.name!r} failed on a value of type {kind} ({type(error).__name__}: {error})"
        ) from error
    return _noted(ref, value)


def _noted(ref: ValueRef, value: object) -> ValueRef:
    """The reference with a note about the value, unless that can be read in it anyway."""
    if ref.codec == "json" and ref.digest is None:
        return ref
    from penstock.results.noting import note_of

    note = note_of(value, ref.size)
    return ref if note is None else with_note(ref, note)


def _read(ref: ValueRef, codec: Codec, file: BinaryIO, path: Path | None) -> Any:
    try:
        return codec.read(file, path)
    except (PenstockError, MemoryError):
        raise
    except Exception as error:
        raise ValueUnavailable(
            f"a stored value of {ref.size:,} bytes in format {codec.name!r} cannot be read "
            f"({type(error).__name__}: {error}): it is damaged, or another version of its library wrote it; "
            "run its task again"
        ) from error


@contextmanager
def _content(ref: ValueRef, results: ResultStore) -> Iterator[tuple[BinaryIO, Path | None]]:
    """The encoded bytes of a value, as a file and, where there is one, as a path."""
    if (content := content_in(ref)) is not None:
        yield io.BytesIO(_decoded(ref, content)), None
    elif ref.digest is not None:
        path = results.path(ref.digest)
        with results.open(ref.digest) as file:
            _check_size(ref, file.seek(0, os.SEEK_END))
            file.seek(0)
            yield file, path
    else:
        raise ValueUnavailable("a reference to a value says neither what it is nor where: the journal is damaged")


def _decoded(ref: ValueRef, content: str) -> bytes:
    try:
        data = base64.b64decode(content.encode("ascii"), validate=True)
    except ValueError as error:
        raise ValueUnavailable(f"a value in format {ref.codec!r} in the journal is damaged: {error}") from error
    _check_size(ref, len(data))
    return data


def _check_size(ref: ValueRef, size: int) -> None:
    if size != ref.size:
        raise ValueUnavailable(
            f"a stored value of {ref.size:,} bytes in format {ref.codec!r} now has {size:,}: it is damaged; "
            "run its task again"
        )

"""The codec of last resort: pickle protocol 5, with cloudpickle for what it cannot do.

A pickled value is a line of text, `penstock-pickle {"python": ..., "type": ..., "library": ...}`, and then the pickle.

Plain pickle names classes and functions by module. For those of `__main__` that is not enough: worker processes, and
the command that resumes a run, have another `__main__`. So they are written twice, by name and by value: the reader
takes the one of its own `__main__`, so that `isinstance` and `is` hold where a script resumes its own run, and else the
copy.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
from pathlib import Path
from types import FunctionType
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

from penstock.errors import PenstockError, ValueUnavailable
from penstock.results.codecs import NotTaken

_PROTOCOL = 5
_PREFIX = b"penstock-pickle "
_MAX_HEADER = 1_024
_PYTHON = "{}.{}.{}".format(*sys.version_info[:3])

_copies: WeakKeyDictionary[Any, bytes | None] = WeakKeyDictionary()
"""Pickles by value of what `__main__` defines, made once; None where it cannot be made."""


class PickleCodec:
    """Every value that can be pickled. Reading it may run any code at all."""

    name = "pickle"
    runs_code = True

    def takes(self, value: object) -> bool:
        return True

    def write(self, value: object, file: BinaryIO) -> None:
        file.write(_header(type(value)))
        start = file.tell()
        try:
            _Pickler(file, _PROTOCOL).dump(value)
        except (PenstockError, MemoryError):  # a time-out or a cancellation may be raised in any thread
            raise
        except Exception:
            file.seek(start)
            file.truncate()
            _write_by_value(value, file)

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        header = read_header(file)
        try:
            return pickle.Unpickler(file).load()
        except (PenstockError, MemoryError):
            raise
        except Exception as error:
            raise ValueUnavailable(
                f"a stored value of type {header.get('type')}, pickled by Python {header.get('python')}"
                f"{' and ' + header['library'] if 'library' in header else ''}, cannot be unpickled by Python "
                f"{_PYTHON} ({type(error).__name__}: {error}): make its type importable here, or run its "
                "task again"
            ) from error


def read_header(file: BinaryIO) -> dict[str, str]:
    """What the line before a pickle says: `python`, `type`, and `library` with its version where there is one.
    The pickle is not read. ValueUnavailable if there is no such line."""
    line = file.readline(_MAX_HEADER)
    try:
        if not line.startswith(_PREFIX):
            raise ValueError("no header")
        header = json.loads(line[len(_PREFIX) :])
        return {key: text for key in ("python", "type", "library") if isinstance(text := header.get(key), str)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueUnavailable("a stored pickle does not begin with its header: it is damaged") from error


def _header(kind: type) -> bytes:
    module = str(kind.__module__)
    library = module.partition(".")[0]
    version = getattr(sys.modules.get(library), "__version__", None)
    fields = {"python": _PYTHON, "type": f"{module}.{kind.__qualname__}"[:200]}
    if isinstance(version, str):
        fields["library"] = f"{library} {version}"[:100]
    line = _PREFIX + json.dumps(fields).encode() + b"\n"
    return line if len(line) <= _MAX_HEADER else _PREFIX + b"{}\n"


def _write_by_value(value: object, file: BinaryIO) -> None:
    try:
        _by_value_pickler()(file, _PROTOCOL).dump(value)
    except (PenstockError, MemoryError):
        raise
    except Exception as error:
        raise NotTaken(f"a value of type {type(value).__qualname__} cannot be pickled: {error}") from error


def _reduce(found: Any) -> Any:
    """How both picklers write what `__main__` defines; NotImplemented leaves everything else to them."""
    if isinstance(found, (type, FunctionType)) and found.__module__ == "__main__" and "<" not in found.__qualname__:
        if found not in _copies:
            _copies[found] = _copy(found)
        if (copy := _copies[found]) is not None:
            return main_object, (found.__qualname__, copy)
    return NotImplemented


def _copy(found: Any) -> bytes | None:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(found, _PROTOCOL)
    except Exception:
        return None
    return data


def main_object(qualname: str, copy: bytes) -> Any:
    """A class or function that some `__main__` defined: this process's own, or else the copy. Stored pickles name this
    function: it must stay where it is."""
    found: Any = sys.modules.get("__main__")
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, (type, FunctionType)) else pickle.loads(copy)


class _Pickler(pickle.Pickler):
    def reducer_override(self, found: Any) -> Any:
        return _reduce(found)


@functools.cache
def _by_value_pickler() -> Any:
    import cloudpickle

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """It must not turn a value into something else, as cloudpickle does with open files and memoryviews."""

        def reducer_override(self, found: Any) -> Any:
            if isinstance(found, (io.IOBase, memoryview)):
                raise pickle.PicklingError(f"a {type(found).__name__} cannot be pickled")
            reduced = _reduce(found)
            return super().reducer_override(found) if reduced is NotImplemented else reduced

    return ByValuePickler

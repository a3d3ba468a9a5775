"""The codec of last resort: pickle protocol 5, with cloudpickle for what it cannot do.

A pickled value is a line of text, `penstock-pickle {"python": ..., "type": ..., "library": ...}`, and then the pickle.

Classes and functions of modules are written by name, and those of scripts as `scripts` says.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any, BinaryIO

from penstock.errors import PenstockError, ValueUnavailable
from penstock.results.codecs import NotTaken
from penstock.results.scripts import PROTOCOL, reduce_script_object

_PREFIX = b"penstock-pickle "
_MAX_HEADER = 1_024
_PYTHON = "{}.{}.{}".format(*sys.version_info[:3])


class PickleCodec:
    """Every value that can be pickled. Reading it may run any code at all."""

    name = "pickle"
    runs_code = True

    def takes(self, value: object) -> bool:
        return True

    def write(self, value: object, file: BinaryIO) -> None:
        file.write(header_of(type(value)))
        dump(value, file)

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        header = read_header(file)
        try:
            return pickle.Unpickler(file).load()
        except (PenstockError, MemoryError):
            raise
        except Exception as error:
            library = f" with {header['library']}" if "library" in header else ""
            raise ValueUnavailable(
                f"a stored value of type {header.get('type')}, pickled by Python {header.get('python')}{library}, "
                f"cannot be unpickled by Python {_PYTHON} ({type(error).__name__}: {error}): "
                "make its type importable here, or run its task again"
            ) from error


def dump(value: object, file: BinaryIO) -> None:
    """Pickle a value, for this process or another. `pickle.load` reads it. NotTaken if it cannot be pickled."""
    start = file.tell()
    try:
        ScriptPickler(file, PROTOCOL).dump(value)
        return
    except (PenstockError, MemoryError):  # a time-out or a cancellation may be raised in any thread
        raise
    except Exception:
        file.seek(start)
        file.truncate()
    try:
        by_value_pickler()(file, PROTOCOL).dump(value)
    except (PenstockError, MemoryError):
        raise
    except Exception as error:
        raise NotTaken(f"a value of type {type(value).__qualname__} cannot be pickled: {error}") from error


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


def header_of(kind: type) -> bytes:
    """The line before a pickle of this type."""
    module = str(kind.__module__)
    library = module.partition(".")[0]
    version = getattr(sys.modules.get(library), "__version__", None)
    fields = {"python": _PYTHON, "type": f"{module}.{kind.__qualname__}"[:200]}
    if isinstance(version, str):
        fields["library"] = f"{library} {version}"[:100]
    line = _PREFIX + json.dumps(fields).encode() + b"\n"
    return line if len(line) <= _MAX_HEADER else _PREFIX + b"{}\n"


class ScriptPickler(pickle.Pickler):
    """The pickler that is tried first."""

    def reducer_override(self, found: Any) -> Any:
        return reduce_script_object(found)


@functools.cache
def by_value_pickler() -> Any:
    """The class of the pickler for what the first one cannot do."""
    import cloudpickle

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """It must not turn a value into something else, as cloudpickle does with open files and memoryviews."""

        def reducer_override(self, found: Any) -> Any:
            if isinstance(found, (io.IOBase, memoryview)):
                raise pickle.PicklingError(f"a {type(found).__name__} cannot be pickled")
            reduced = reduce_script_object(found)
            return super().reducer_override(found) if reduced is NotImplemented else reduced

    return ByValuePickler

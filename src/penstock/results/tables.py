"""Codecs for tables and arrays: Arrow's IPC file format for pyarrow and polars, NumPy's .npy format for arrays.

A library's types are recognised without importing it, since a value of its types means that it is loaded. What a format
would change on the way (Python objects, extension types, structured or subclassed arrays) is left to pickle, as are
pandas frames: neither Arrow nor Parquet gives back all of their indexes, mixed columns and integer column names, and
pickle protocol 5 writes them as fast.

Formats: https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format and `numpy.lib.format`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from penstock.errors import ValueUnavailable
from penstock.results.codecs import NotTaken

if TYPE_CHECKING:
    from penstock.results.codecs import Codec

_EXACT_POLARS = frozenset(
    (
        *("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128"),
        *("Float16", "Float32", "Float64", "Decimal", "Boolean", "String", "Binary", "Categorical", "Enum"),
        *("Date", "Time", "Datetime", "Duration", "Null"),
    )
)
_ALIKE = ("int", "uint", "float", "double", "bool", "string_view", "binary_view", "date32", "timestamp", "duration")
"""What names of Arrow types begin with of which polars makes the type that it came from."""
MAPPED_FROM = 1 << 24
"""Bytes of a polars file from which on it is worth being mapped by pyarrow."""
_EXACT_NUMPY = "biufcmMSU"
"""Kinds of dtype that .npy describes in full."""


class ArrowCodec:
    """A pyarrow Table, or a single RecordBatch. Read from a file, its columns stay in the mapped file."""

    runs_code = False

    def __init__(self, name: str, type_name: str) -> None:
        self.name = name
        self._type_name = type_name

    def takes(self, value: Any) -> bool:
        # An extension type would come back as its storage type where nobody has registered it.
        return _is_a(value, "pyarrow", self._type_name) and "extension<" not in str(value.schema)

    def write(self, value: Any, file: BinaryIO) -> None:
        pyarrow = sys.modules["pyarrow"]
        try:
            with pyarrow.ipc.new_file(file, value.schema) as writer:
                writer.write(value)
        except pyarrow.ArrowException as error:
            raise NotTaken(f"Arrow cannot write this {self._type_name}: {error}") from error

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        pyarrow = _imported("pyarrow")
        reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)) if path else file)
        value = reader.read_all() if self._type_name == "Table" else reader.get_batch(0)
        if path is None:  # a file was compared with its digest; other content may be wrong so that using it would crash
            value.validate(full=True)
        return value


class PolarsCodec:
    """A polars DataFrame, or a Series as a frame of one column.

    polars reads a whole file into memory. Large ones are left to pyarrow, where that is installed: it maps them."""

    runs_code = False

    def __init__(self, name: str, type_name: str) -> None:
        self.name = name
        self._type_name = type_name

    def takes(self, value: Any) -> bool:
        return _is_a(value, "polars", self._type_name) and all(map(_is_exact, self._frame(value).dtypes))

    def write(self, value: Any, file: BinaryIO) -> None:
        polars = sys.modules["polars"]
        try:
            newest = polars.CompatLevel.newest()
            self._frame(value).write_ipc(file, compression="uncompressed", compat_level=newest)
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
            raise NotTaken(f"polars cannot write this {self._type_name} as Arrow: {error}") from error

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        polars = _imported("polars")
        try:
            frame = _mapped(polars, path) if path is not None else None
            if frame is None:
                frame = polars.read_ipc(path or file)
        except polars.exceptions.PanicException as error:  # no Exception, but no reason to end the process either
            raise ValueError(f"polars failed: {error}") from error
        return frame if self._type_name == "DataFrame" else frame.to_series(0)

    def _frame(self, value: Any) -> Any:
        return value if self._type_name == "DataFrame" else value.to_frame()


def _mapped(polars: Any, path: Path) -> Any:
    """The frame in a file, mapped; None if it has to be read."""
    if path.stat().st_size < MAPPED_FROM or find_spec("pyarrow") is None:
        return None
    pyarrow = _imported("pyarrow")
    table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
    if not all(str(kind).startswith(_ALIKE) for kind in table.schema.types):
        return None
    return polars.from_arrow(table, rechunk=False)


class ScalarCodec:
    """A NumPy scalar, as an array without dimensions."""

    name = "numpy-scalar"
    runs_code = False

    def takes(self, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, numpy.generic):
            return False
        return type(value) is value.dtype.type and value.dtype.kind in _EXACT_NUMPY

    def write(self, value: Any, file: BinaryIO) -> None:
        numpy: Any = sys.modules["numpy"]
        numpy.lib.format.write_array(file, numpy.asarray(value), allow_pickle=False)

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        return _imported("numpy").lib.format.read_array(file, allow_pickle=False)[()]


class NumpyCodec:
    """A NumPy array of numbers, times or fixed-width strings. Read from a file, its elements stay in the mapped file
    until they are changed, which changes the array alone."""

    name = "numpy"
    runs_code = False

    def takes(self, value: Any) -> bool:
        return _is_a(value, "numpy", "ndarray") and value.dtype.kind in _EXACT_NUMPY and value.dtype.metadata is None

    def write(self, value: Any, file: BinaryIO) -> None:
        numpy: Any = sys.modules["numpy"]
        if value.nbytes and (value.flags.c_contiguous or value.flags.f_contiguous):
            # What write_array does for real files; for others it copies the array piece by piece.
            numpy.lib.format.write_array_header_2_0(file, numpy.lib.format.header_data_from_array_1_0(value))
            file.write(value.ravel(order="K").view(numpy.uint8).data)
        else:
            numpy.lib.format.write_array(file, value, allow_pickle=False)

    def read(self, file: BinaryIO, path: Path | None) -> Any:
        numpy = _imported("numpy")
        if path is not None:
            return numpy.lib.format.open_memmap(path, mode="c").view(numpy.ndarray)
        return numpy.lib.format.read_array(file, allow_pickle=False)


def _is_a(value: object, library: str, type_name: str) -> bool:
    """Whether this is the exact type of a value. Libraries that are not loaded have no values."""
    return type(value).__name__ == type_name and type(value) is getattr(sys.modules.get(library), type_name, None)


def _is_exact(dtype: Any) -> bool:
    match type(dtype).__name__:
        case "List" | "Array":
            return _is_exact(dtype.inner)
        case "Struct":
            return all(_is_exact(field.dtype) for field in dtype.fields)
        case name:
            return name in _EXACT_POLARS


def _imported(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ValueUnavailable(f"a stored value needs {library} to be read: pip install {library}") from error


CODECS: tuple[Codec, ...] = (
    ArrowCodec("arrow", "Table"),
    ArrowCodec("arrow-batch", "RecordBatch"),
    PolarsCodec("polars", "DataFrame"),
    PolarsCodec("polars-series", "Series"),
    NumpyCodec(),
    ScalarCodec(),
)

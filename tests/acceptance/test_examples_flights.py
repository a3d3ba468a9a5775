"""The parts of the flights example, called as plain functions on the real data."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import polars as pl
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The example's module. Its folder is on the path while it is loaded, as it is for a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(EXAMPLE), *sys.path])
        yield import_module("flights")


@pytest.fixture(scope="module")
def raw(example: ModuleType) -> dict[str, pl.DataFrame]:
    return {name: example.extract(None, name) for name in example.SOURCES}


@pytest.fixture(scope="module")
def weather(example: ModuleType, raw: dict[str, pl.DataFrame]) -> pl.DataFrame:
    frame: pl.DataFrame = example.clean_weather(raw["weather"])
    return frame


@pytest.fixture(scope="module")
def months(example: ModuleType, raw: dict[str, pl.DataFrame], weather: pl.DataFrame) -> list[pl.DataFrame]:
    return [example.clean_month(raw["flights"], weather, month) for month in range(1, 13)]


@pytest.fixture(scope="module")
def others(raw: dict[str, pl.DataFrame], weather: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {"weather": weather, **{name: raw[name] for name in ("planes", "airports", "airlines")}}


@pytest.fixture(scope="module")
def loaded(
    example: ModuleType,
    months: list[pl.DataFrame],
    others: dict[str, pl.DataFrame],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A database with everything loaded and summed up. Tests that change it work on a copy."""
    database = tmp_path_factory.mktemp("flights") / "flights.duckdb"
    example.load(database, months, others)
    for table in example.SUMMARIES:
        example.summarise(database, table)
    return database


@pytest.fixture
def database(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(loaded, tmp_path))


def fetch(database: Path, sql: str) -> list[Any]:
    with duckdb.connect(database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def change(database: Path, sql: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute(sql)


# --- Extract and validate --------------------------------------------------------------------------------------------


def replace_first(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replace_first("tailnum,year", "tailnum,built"), "has the columns"),
        (replace_first("speed,engine", "speed"), "has the columns"),
        (replace_first("EMB-145XR,2,55", "EMB-145XR,2,many"), "cannot be read: could not parse `many`"),
        (replace_first("N10156,", "NA,"), "1 rows without tailnum"),
        (replace_first("N102UW,", "N10156,"), r"1 rows that repeat the key \(tailnum\)"),
        (lambda text: text[: text.rindex("\nN")] + "\n", "3,321 rows, not 3,322"),
        (lambda text: "", "has the columns"),
    ],
    ids=["renamed", "missing", "no number", "no key", "double", "cut short", "empty"],
)
def test_extract_refuses_a_damaged_file(
    example: ModuleType, tmp_path: Path, damage: Callable[[str], str], message: str
) -> None:
    text = (example.data_folder() / "planes.csv").read_text()
    assert damage(text) != text
    (tmp_path / "planes.csv").write_text(damage(text))
    with pytest.raises(ValueError, match=message):
        example.extract(tmp_path, "planes")


def test_extract_names_every_problem_at_once(example: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "airlines.csv").write_text("carrier,name\nAA,American Airlines Inc.\nAA,NA\n")
    with pytest.raises(ValueError, match="2 rows, not 16; 1 rows without name; 1 rows that repeat the key"):
        example.extract(tmp_path, "airlines")


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda content: content[:9] + b"?" * 99],
    ids=["half", "garbage"],
)
def test_extract_refuses_a_broken_archive(
    example: ModuleType, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    content = (example.data_folder() / "flights.csv.zip").read_bytes()
    (tmp_path / "flights.csv.zip").write_bytes(damage(content))
    with pytest.raises(ValueError, match=r"not a zip archive with a whole flights\.csv"):
        example.extract(tmp_path, "flights")


def test_a_changed_byte_in_the_archive_is_found(example: ModuleType, tmp_path: Path) -> None:
    content = bytearray((example.data_folder() / "flights.csv.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flights.csv.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"flights\.csv"):
        example.extract(tmp_path, "flights")


# --- Clean -----------------------------------------------------------------------------------------------------------


def test_2400_is_midnight_of_the_day_it_is_flown(
    example: ModuleType, raw: dict[str, pl.DataFrame], weather: pl.DataFrame
) -> None:
    midnight = raw["flights"].filter(pl.col("dep_time") == 2400)
    assert midnight.height == 29
    for month in midnight["month"].unique():
        for flight in example.clean_month(midnight, weather, month).rows(named=True):
            assert flight["departure"].time() == time(0)
            assert flight["departure"] == flight["scheduled_departure"] + timedelta(minutes=flight["dep_delay"])
            assert flight["departure"].date() > flight["scheduled_departure"].date()
    arrivals = example.clean_month(raw["flights"].filter(pl.col("arr_time") == 2400), weather, 7)
    assert set(arrivals["arrival_clock"]) == {time(0)}


def test_a_time_that_no_clock_shows_is_refused(
    example: ModuleType, raw: dict[str, pl.DataFrame], weather: pl.DataFrame
) -> None:
    damaged = raw["flights"].head(1).with_columns(arr_time=pl.lit(1275, pl.Int16))
    with pytest.raises(pl.exceptions.ComputeError, match="Invalid time components"):
        example.clean_month(damaged, weather, 1)


def test_a_delay_that_does_not_fit_the_times_is_refused(
    example: ModuleType, raw: dict[str, pl.DataFrame], weather: pl.DataFrame
) -> None:
    damaged = raw["flights"].head(1).with_columns(pl.col("dep_delay") + 1)
    with pytest.raises(ValueError, match="first UA 1545: scheduled 2013-01-01 05:15:00, delay 3, left 05:17:00"):
        example.clean_month(damaged, weather, 1)


def test_cancelled_flights_stay_without_a_departure(months: list[pl.DataFrame]) -> None:
    cancelled = pl.concat(months).filter("cancelled")
    assert cancelled.height == 8_255
    assert cancelled["departure"].null_count() == cancelled["dep_delay"].null_count() == 8_255


def test_each_month_has_its_flights_with_the_weather_of_their_hour(months: list[pl.DataFrame]) -> None:
    assert sum(month.height for month in months) == 336_776
    first = months[0].row(0, named=True)
    assert first["scheduled_departure"] == datetime(2013, 1, 1, 5, 15)
    assert (first["origin"], first["temp"], first["visib"]) == ("EWR", 39.02, 10.0)
    assert pl.concat(months)["precip"].null_count() == 1_556


def test_an_impossible_wind_is_left_out(raw: dict[str, pl.DataFrame], weather: pl.DataFrame) -> None:
    assert raw["weather"]["wind_speed"].drop_nulls().sort()[-1] > 1_000
    assert weather["wind_speed"].drop_nulls().sort()[-1] < 50
    assert weather["wind_speed"].null_count() == raw["weather"]["wind_speed"].null_count() + 1


# --- Load and check --------------------------------------------------------------------------------------------------


def test_every_row_of_the_source_is_in_the_database(example: ModuleType, loaded: Path) -> None:
    assert example.check_rows(loaded, example.count_source(None)) == 336_776
    assert example.check_references(loaded) == example.KNOWN_GAPS
    example.check_summaries(loaded, 336_776)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            "DELETE FROM flights WHERE carrier = 'UA' AND flight = 1545 AND scheduled_departure < '2013-01-02'",
            "flights 2013-01: 27,004 in the source, 27,003 in the database$",
        ),
        ("DELETE FROM flights WHERE month(scheduled_departure) = 2", "flights 2013-02: 24,951 in the source, 0 in"),
        ("INSERT INTO airlines FROM airlines LIMIT 1", "airlines: 16 in the source, 17 in the database"),
    ],
)
def test_rows_that_are_lost_or_doubled_do_not_reconcile(
    example: ModuleType, database: Path, loss: str, message: str
) -> None:
    change(database, loss)
    with pytest.raises(ValueError, match=message):
        example.check_rows(database, example.count_source(None))


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        ("DELETE FROM airlines WHERE carrier = 'HA'", "carrier"),
        ("DELETE FROM airports WHERE faa = 'JFK'", "origin"),
        ("DELETE FROM planes WHERE tailnum = 'N14228'", "tailnum"),
        ("DELETE FROM weather WHERE time_hour = '2013-06-01 12:00:00'", "weather"),
    ],
)
def test_orphans_beyond_the_known_gaps_are_refused(
    example: ModuleType, database: Path, loss: str, reference: str
) -> None:
    change(database, loss)
    with pytest.raises(ValueError, match=f"not there, by {reference}"):
        example.check_references(database)


def test_a_summary_that_misses_flights_is_refused(example: ModuleType, database: Path) -> None:
    change(database, "DELETE FROM delays_by_weather WHERE factor = 'visib' AND band = '10'")
    with pytest.raises(ValueError, match=r"delays_by_weather counts 58,037 flights \(visib\), not 336,776"):
        example.check_summaries(database, 336_776)


def test_a_load_that_fails_leaves_the_old_tables(
    example: ModuleType, database: Path, months: list[pl.DataFrame], others: dict[str, pl.DataFrame]
) -> None:
    before = fetch(database, "SELECT count(*) FROM flights")
    with pytest.raises(duckdb.InvalidInputException):
        example.load(database, months[:1], {**others, "airlines": "not a frame"})
    assert fetch(database, "SELECT count(*) FROM flights") == before


def test_loading_and_summing_up_again_changes_nothing(
    example: ModuleType, database: Path, months: list[pl.DataFrame], others: dict[str, pl.DataFrame]
) -> None:
    tables = ("flights", *others, *example.SUMMARIES)
    before = {table: fetch(database, f"FROM {table}") for table in example.SUMMARIES}
    digests = [fetch(database, f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t") for table in tables]
    example.load(database, months, others)
    for table in example.SUMMARIES:
        example.summarise(database, table)
    assert {table: fetch(database, f"FROM {table}") for table in example.SUMMARIES} == before
    assert [fetch(database, f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t") for table in tables] == digests


# --- Report ----------------------------------------------------------------------------------------------------------


def test_the_report_is_one_page_that_needs_nothing_else(example: ModuleType, loaded: Path, tmp_path: Path) -> None:
    report = example.write_report(loaded, tmp_path / "flights.html", example.KNOWN_GAPS)
    assert report == tmp_path / "flights.html"
    assert [file.name for file in tmp_path.iterdir()] == ["flights.html"]
    page = report.read_text(encoding="utf-8")
    for figure in ("336,776", "2.5%", "12.6 min", "8 March", "ExpressJet Airlines", "7,602"):
        assert figure in page
    assert page.count("<rect") > 12 * 19 + 365
    assert "src=" not in page
    assert "href=" not in page
    assert "None" not in page
    example.write_report(loaded, report, example.KNOWN_GAPS)
    assert report.read_text(encoding="utf-8") == page

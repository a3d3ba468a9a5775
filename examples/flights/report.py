"""The report: one page of HTML that needs nothing else, drawn from the tables in the database."""

from __future__ import annotations

import textwrap
from calendar import month_name
from collections.abc import Mapping
from datetime import date
from html import escape
from pathlib import Path
from string import Template

import duckdb
from charts import Bar, bars, columns, heat_map, scale, year_calendar

PAGE = Path(__file__).with_name("page.html")

FACTORS = {
    "precip": ("Precipitation", "inches in the hour"),
    "visib": ("Visibility", "miles"),
    "wind_speed": ("Wind", "miles an hour"),
}

GAPS = {
    "dest": "go to four airports in the Caribbean that the list of airports lacks",
    "tailnum": "name no plane on record; nine in ten are of American and Envoy, which report fleet numbers",
    "weather": "have no weather reading for their hour; half of them are of 31 December, for which there is none",
}


def render(database: duckdb.DuckDBPyConnection, gaps: Mapping[str, int]) -> str:
    """The whole page. `gaps` are the flights whose references lead nowhere, by the name of the reference."""
    page = Template(PAGE.read_text(encoding="utf-8"))
    return page.substitute(
        key_figures=key_figures(database),
        scale=scale(),
        hours=hours(database),
        days=days(database),
        longest_days=worst_days(database, "mean_delay", "The five days with the longest delays"),
        cancelled_days=worst_days(database, "cancelled / flights", "The five days with the most flights cancelled"),
        weather=weather(database),
        carriers=carriers(database),
        routes=routes(database),
        plane_ages=plane_ages(database),
        gaps="".join(f"<li><b>{gaps[name]:,}</b> flights {escape(why)}.</li>" for name, why in GAPS.items()),
    )


def key_figures(database: duckdb.DuckDBPyConnection) -> str:
    [(flights, cancelled, late, mean, median)] = database.execute(
        "SELECT count(*), avg(cancelled::INTEGER), avg((dep_delay >= 15)::INTEGER), avg(dep_delay), median(dep_delay)"
        " FROM flights"
    ).fetchall()
    shown = [
        (f"{flights:,}", "flights scheduled"),
        (f"{cancelled:.1%}", "cancelled"),
        (f"{late:.1%}", "of departures 15 minutes late or more"),
        (f"{mean:.1f} min", "mean delay at departure"),
        (minutes(median), "the median departure"),
    ]
    return "".join(f"<div><dd>{figure}</dd><dt>{name}</dt></div>" for figure, name in shown)


def hours(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute(
        "SELECT month, hour, mean_delay FROM delays_by_hour WHERE mean_delay IS NOT NULL"
    ).fetchall()
    cells = {(month, hour): delay for month, hour, delay in rows}
    (month, hour), most = max(cells.items(), key=lambda cell: cell[1])
    return heat_map(
        f"Mean departure delay by month and hour; the most is {most:.0f} minutes, in {month_name[month]} at {hour}",
        cells,
    )


def days(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute("SELECT day, mean_delay, cancelled / flights FROM delays_by_day").fetchall()
    cells = {
        day: (delay, f"{long_date(day)}: {minutes(delay)} on average, {cancelled:.0%} cancelled")
        for day, delay, cancelled in rows
    }
    return year_calendar("Mean departure delay on each day of the year", cells)


def worst_days(database: duckdb.DuckDBPyConnection, measure: str, caption: str) -> str:
    rows = database.execute(
        f"SELECT day, mean_delay, cancelled / flights FROM delays_by_day ORDER BY {measure} DESC, day LIMIT 5"
    ).fetchall()
    body = "".join(
        f"<tr><td>{long_date(day)}</td><td>{minutes(delay)}</td><td>{cancelled:.0%}</td></tr>"
        for day, delay, cancelled in rows
    )
    return (
        f"<table><caption>{caption}</caption>"
        f"<thead><tr><th>Day</th><th>Mean delay</th><th>Cancelled</th></tr></thead><tbody>{body}</tbody></table>"
    )


def weather(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute(
        "SELECT factor, band, mean_delay, flights, cancelled / flights FROM delays_by_weather"
        " WHERE band IS NOT NULL ORDER BY factor, position"
    ).fetchall()
    highest = max(delay for _, _, delay, _, _ in rows)
    panels = []
    for factor, (name, unit) in FACTORS.items():
        chart = [
            Bar(band, delay, f"{cancelled:.0%}", f"{band} {unit}: {minutes(delay)}, {count:,} flights")
            for factor_of_row, band, delay, count, cancelled in rows
            if factor_of_row == factor
        ]
        drawing = columns(f"Mean departure delay by {name.lower()}", chart, highest=highest)
        panels.append(f"<figure><figcaption><b>{name}</b>, {unit}</figcaption>{drawing}</figure>")
    return "".join(panels)


def carriers(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute(
        "SELECT airline, mean_delay, flights, late_share FROM delays_by_carrier ORDER BY mean_delay DESC"
    ).fetchall()
    return bars(
        "Mean departure delay of each airline",
        [
            Bar(short(airline), delay, f"{flights:,}", f"{airline}: {late:.0%} of departures 15 minutes late or more")
            for airline, delay, flights, late in rows
        ],
        label_width=132,
    )


def routes(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute(
        "SELECT origin, coalesce(destination, dest), mean_delay, flights FROM delays_by_route"
        " WHERE flights >= 365 ORDER BY mean_delay DESC LIMIT 16"
    ).fetchall()
    return bars(
        "Mean departure delay of the routes with the highest",
        [
            Bar(f"{origin} to {short(place)}", delay, "", f"{origin} to {place}: {minutes(delay)}, {flights:,} flights")
            for origin, place, delay, flights in rows
        ],
        label_width=222,
    )


def plane_ages(database: duckdb.DuckDBPyConnection) -> str:
    rows = database.execute(
        "SELECT age, mean_delay, flights FROM delays_by_plane_age WHERE age <= 28 ORDER BY age"
    ).fetchall()
    chart = [
        Bar(str(age), delay, "", f"{age} years: {minutes(delay)}, {flights:,} flights") for age, delay, flights in rows
    ]
    highest = max(bar.value for bar in chart)
    return columns("Mean departure delay by the plane's age", chart, highest=highest, width=960, css="wide")


def minutes(delay: float) -> str:
    return f"{abs(delay):.0f} min {'early' if delay < 0 else 'late'}"


def long_date(day: date) -> str:
    return f"{day.day} {month_name[day.month]}"


def short(name: str) -> str:
    """The name of an airline or an airport without what all of them are called, and not too long for its place."""
    for ending in (" Inc.", " Co.", " Corporation", " Airport", " Regional", " Intl", " International"):
        name = name.removesuffix(ending)
    return textwrap.shorten(name, width=23, placeholder=" …")

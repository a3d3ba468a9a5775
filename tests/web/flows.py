"""Workflows for the tests of the pages: every state that a page shows comes of one of them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Literal

from penstock import TaskGroup, chain, current, task, wait_for_message, workflow

# --- sales_etl: groups, a branch, a map, a retry, a failure and what it holds up


@task
def customers(day: str) -> list[str]:
    print(f"reading customers of {day}")
    time.sleep(0.05)
    return ["ann", "bo", "cy"]


@task
def orders(day: str) -> list[dict[str, float]]:
    current().logger.info("reading orders of %s", day)
    time.sleep(0.08)
    return [{"customer_id": number % 3, "sum": 12.5 * number} for number in range(20)]


@task(retries=2, retry_delay=0.15)
def rates() -> dict[str, float]:
    if current().attempt == 1:
        raise ConnectionError("the bank did not answer")
    return {"EUR": 1.0, "USD": 1.08}


@task(map_name="page-{page}")
def clean_page(page: int, rows: list[dict[str, float]]) -> int:
    time.sleep(0.01 + page % 4 * 0.01)
    return len(rows) + page


@task
def merge(pages: list[int], names: list[str], currencies: dict[str, float]) -> int:
    print(f"{sum(pages)} rows of {len(names)} customers in {len(currencies)} currencies")
    return sum(pages)


@task.branch
def choose_load(rows: int, full: bool) -> str:
    return "load.full_load" if full else "load.incremental_load"


@task
def full_load() -> int:
    return 1000


@task
def incremental_load(day: str) -> int:
    for number in range(120):
        print(f"row {number}: staged")
    row = {"customer": "ann", "day": day}
    if day == "2026-11-22":
        print("the newest row has another form")
        return int(row["customer_id"])
    return 10


@task(trigger_rule="none_failed_min_one_success")
def verify() -> bool:
    return True


@task
def notify() -> None:
    print("told everybody")


@task
def report(rows: int) -> str:
    return f"{rows} rows"


@workflow
def sales_etl(day: str = "2026-11-21", full: bool = False) -> None:
    """Sales of a day, cleaned and loaded."""
    with TaskGroup("extract"):
        names, rows, money = customers(day), orders(day), rates()
    with TaskGroup("transform"):
        merged = merge(clean_page.partial(rows=rows).expand(page=list(range(20))), names, money)
        choice = choose_load(merged, full)
    with TaskGroup("load"):
        loads = [full_load(), incremental_load(day)]
        verified = verify()
        chain(choice, loads, verified)
    with TaskGroup("publish"):
        told, written = notify(), report(merged)
        chain(verified, [told, written])


# --- release: asks a person


@task
def write() -> str:
    return "flights of January: 27,004 departures, 2.6 % cancelled"


@task.approval(deadline=timedelta(days=2), default={"approved": False})
def release(report: str, approved: bool, audience: Literal["team", "everybody"] = "team", copies: int = 1) -> str:
    """Is the report fit to be sent?

    It cannot be taken back.

    Args:
        audience: who gets it
    """
    return f"{report}: sent to {audience}" if approved else f"{report}: kept"


@workflow
def monthly_report() -> None:
    """A report that somebody releases."""
    release(write())


# --- crawl: wide


@task
def pages() -> list[int]:
    return list(range(500))


@task(map_name="page-{number}")
def fetch(number: int) -> int:
    if number in (77, 301):
        raise TimeoutError(f"page {number} took longer than 30 s")
    return number


@task(trigger_rule="all_done")
def index() -> None:
    print("indexed")


@workflow
def crawl() -> None:
    """Five hundred pages, fetched side by side."""
    chain(fetch.expand(number=pages()), index())


# --- slow: runs while one looks


@task
def step(number: int, seconds: float) -> int:
    for count in range(10):
        current().logger.info("step %d: %d of 10", number, count + 1)
        time.sleep(seconds / 10)
    return number


@workflow
def slow(seconds: float = 1.0) -> None:
    """Takes a while."""
    before = None
    for number in range(4):
        done = step.named(f"step_{number}")(number, seconds)
        if before is not None:
            chain(before, done)
        before = done


# --- nightly: has a schedule


@task
def tidy() -> None:
    print("tidied")


@workflow(schedule="0 6 * * *", timezone="Europe/Berlin")
def nightly() -> None:
    """Tidies up each morning."""
    tidy()


@workflow(schedule="0 7 * * *", timezone="Asia/Tokyo")
def morning() -> None:
    """Tidies up elsewhere."""
    tidy()


# --- parcel: waits to be told something


@task
def deliver(address: str) -> str:
    return f"delivered to {address}"


@workflow
def parcel() -> None:
    """Waits for an address."""
    deliver(wait_for_message("address"))


# --- overdue: should have ended before it has begun


@task
def linger(seconds: float) -> None:
    time.sleep(seconds)


@workflow(deadline=0.001)
def overdue(seconds: float = 600.0) -> None:
    """Takes longer than it may."""
    linger(seconds)


# --- lattice: more tasks than fit a screen


@task
def knot(*before: int) -> int:
    return len(before)


@workflow
def lattice() -> None:
    """Forty columns of forty tasks, each of which takes from two before it."""
    column: list[int] = []
    for place in range(40):
        above = column
        column = [
            knot.named(f"k{place:02}_{row:02}")(*([above[row], above[row * 7 % 40]] if above else []))
            for row in range(40)
        ]

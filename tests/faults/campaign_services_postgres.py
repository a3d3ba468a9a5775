"""The race of several services, on one Postgres."""

from __future__ import annotations

from pathlib import Path

from tests.faults.campaign import Campaign, Report
from tests.faults.campaign_services import race
from tests.postgres import Server


def run(count: int, seed: int, folder: Path) -> Report:
    """Let services race for so many due times on a server of their own."""
    server = Server(sync=True)
    try:
        return race(count, seed, folder, server.url)
    finally:
        server.remove()


CAMPAIGN = Campaign("services_postgres", 20_000, run)

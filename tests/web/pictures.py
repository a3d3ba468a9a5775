"""The pictures of the pages in the docs: `python -m tests.web.pictures` takes them anew, and a test elsewhere."""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.web.browser import PHONE, WIDE, Watched, browsing
from tests.web.site import Site, serving

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"


def take(browser: Browser, site: Site, folder: Path) -> list[Path]:
    """Fill a site with runs, the flights of the examples among them, and take all pictures into a folder.

    No picture shows where on this machine it was taken.
    """
    shutil.copytree(ROOT / "examples/flights", site.service.folder, dirs_exist_ok=True)
    site.knows("flights")
    flights = site.run("flights")
    site.run("sales_etl", day="2026-11-20", full=True)
    for _ in range(6):
        site.run("sales_etl")
    for days in range(2, 24):
        if days % 7:
            morning = datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0) - timedelta(days)
            site.run("nightly", logical_time=morning.isoformat())
    bad = site.run("sales_etl", day="2026-11-22")
    site.asks("monthly_report")
    views = {
        "web-home": ("/", WIDE),
        "web-run": (f"/runs/{bad}", WIDE),
        "web-flights": (f"/runs/{flights}", WIDE),
        "web-time": (f"/runs/{flights}?view=time", WIDE),
        "web-task": (f"/runs/{bad}/tasks/load.incremental_load", WIDE),
        "web-workflow": ("/workflows/sales_etl", WIDE),
        "web-calendar": ("/workflows/nightly?view=calendar", WIDE),
        "web-phone": ("/workflows/sales_etl", PHONE),
    }
    taken = []
    for name, (address, size) in views.items():
        watched = Watched(browser, site.url, size)
        watched.page.goto(address)
        expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
        expect(watched.page.locator(".loading")).to_have_count(0)
        assert str(site.service.folder) not in watched.page.locator("body").inner_text()
        picture = folder / f"{name}.png"
        watched.page.screenshot(path=picture, animations="disabled")
        watched.close()
        taken.append(picture)
    return taken


def main() -> None:
    with browsing() as browser, tempfile.TemporaryDirectory() as parent:
        (folder := Path(parent) / "shop").mkdir()
        with serving(folder) as site:
            taken = take(browser, site, IMAGES)
        for picture in taken:
            sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    main()

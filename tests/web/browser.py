"""A real Chromium: Debian's, or whichever is there. Playwright's own is not fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PAGES = Path(__file__).parents[2] / "src/penstock/ui/index.html"
WIDE = (1440, 900)
PHONE = (390, 844)


def chromium() -> str | None:
    """Where it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


PATIENCE = 60_000
"""Milliseconds that anything may take on a slow machine."""
expect.set_options(timeout=PATIENCE)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser; without one, or without built pages, the tests are skipped and say so."""
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    if not PAGES.exists():
        pytest.skip("the pages are not built: make web")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


class Watched:
    """A page, with what it asked for and what went wrong in it."""

    def __init__(self, browser: Browser, url: str, size: tuple[int, int] = WIDE, theme: str = "light") -> None:
        context = browser.new_context(
            base_url=url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",  # without a GPU, what moves for ever is most of the work
        )
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)

    def close(self) -> None:
        self.page.context.close()

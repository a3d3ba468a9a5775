"""A server that has a token asks for it, and then shows what there is."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from penstock.api import serve
from tests.web.browser import Watched

TOKEN = "correct-horse-battery-staple"


def test_one_signs_in_once_with_the_token(browser: Browser) -> None:
    with serve("memory", port=0, token=TOKEN) as server:
        watched = Watched(browser, server.url)
        page = watched.page
        page.goto("/runs")
        page.get_by_label("Token", exact=True).fill("wrong-horse-battery-staple")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("not the token")).to_be_visible()
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.get_by_label("Token", exact=True).press("Enter")
        expect(page.get_by_text("No runs yet")).to_be_visible()
        page.goto("/")
        expect(page.get_by_role("heading", name="All well")).to_be_visible()
        watched.close()

"""How the pages are for those who see little, have no mouse or hold a phone; and whether large things stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import PHONE, WIDE, Watched
from tests.web.site import Site

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
FINDINGS = """async (options) => (await axe.run(options)).violations
    .filter((one) => ["critical", "serious"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html + node.failureSummary).slice(0, 3).join(" | ")}`)"""


@pytest.fixture(scope="module")
def addresses(site: Site) -> list[str]:
    """One of every view, with something to show."""
    bad = site.run("sales_etl", day="2026-11-22")
    asks = site.asks("monthly_report")
    crawl = site.run("crawl")
    return [
        "/",
        "/runs",
        "/runs?state=queued",
        f"/runs/{bad}",
        f"/runs/{bad}?view=time",
        f"/runs/{bad}?view=tasks",
        f"/runs/{bad}?ask=rerun",
        f"/runs/{bad}?ask=mark",
        f"/runs/{bad}?ask=delete",
        f"/runs/{asks}?ask=send",
        f"/runs/{bad}/tasks/extract.rates?attempt=0.2,0.1",
        f"/runs/{crawl}?view=tasks&task=fetch",
        f"/runs/{bad}/tasks/load.incremental_load",
        f"/runs/{bad}/tasks/publish.report",
        f"/runs/{asks}/tasks/release",
        "/workflows",
        "/workflows/sales_etl",
        "/workflows/sales_etl?view=calendar",
        "/workflows/sales_etl?view=graph",
        "/workflows/sales_etl?view=source",
        "/workflows/sales_etl?ask=trigger",
        "/nowhere",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "theme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")])
def test_no_view_is_hard_to_use(browser: Browser, site: Site, addresses: list[str], size, theme) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make web")
    watched = Watched(browser, site.url, size, theme)
    script = AXE.read_text("utf-8")
    options = {"runOnly": ["color-contrast"]} if theme == "dark" else {}  # nothing else is another in the dark
    found = {}
    for address in addresses:
        watched.page.goto(address)
        settled(watched.page)
        watched.page.evaluate(script)
        if findings := watched.page.evaluate(FINDINGS, options):
            found[address] = findings
    watched.close()
    assert not found, "\n".join(f"{address}: {one}" for address, ones in found.items() for one in ones)
    assert watched.wrong == []


def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, site: Site, addresses: list[str]) -> None:
    watched = Watched(browser, site.url, PHONE)
    too_wide = {}
    for address in addresses:
        watched.page.goto(address)
        settled(watched.page)
        over = watched.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            too_wide[address] = over
    watched.close()
    assert too_wide == {}


def test_twelve_tasks_are_read_without_scrolling(page: Page, site: Site) -> None:
    page.goto(f"/runs/{site.run('sales_etl')}")
    names = page.locator(".graph .node text:first-of-type")
    expect(names).to_have_count(11)
    heights = names.evaluate_all("names => names.map((name) => name.getBoundingClientRect().height)")
    assert min(heights) >= 12
    graph = page.get_by_role("group", name="Graph", exact=True)
    assert graph.evaluate("one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight")


def test_five_hundred_instances_are_one_node_with_counts(page: Page, site: Site) -> None:
    run = site.run("crawl")
    page.goto(f"/runs/{run}")
    expect(page.get_by_role("link", name=re.compile(r"^fetch, failed.*2 failed, 498 success"))).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    page.get_by_role("link", name=re.compile("^fetch,")).click()
    expect(page.locator(".tasks .task").filter(has_text="page-3").first).to_be_visible()


def test_of_a_large_graph_and_grid_what_is_in_sight_is_drawn(page: Page, site: Site) -> None:
    run = site.run("lattice")
    page.goto(f"/runs/{run}")
    graph = page.get_by_role("group", name="Graph", exact=True)
    expect(graph.get_by_role("link", name=re.compile("^k00_00, success"))).to_be_in_viewport()
    assert page.evaluate("document.querySelectorAll('*').length") < 4000
    graph.evaluate("one => one.scrollTo(one.scrollWidth, one.scrollHeight)")
    expect(graph.get_by_role("link", name=re.compile("^k39_"))).not_to_have_count(0)
    expect(graph.get_by_role("link", name=re.compile("^k39_")).last).to_be_in_viewport()
    expect(graph.get_by_role("link", name=re.compile("^k00_00,"))).to_have_count(0)

    for _ in range(2):
        site.run("lattice")
    page.goto("/workflows/lattice")
    grid = page.get_by_role("group", name="Runs by tasks")
    expect(grid.get_by_role("link", name=re.compile(f"^k00_00, run {run[:6]}: success"))).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
    grid.evaluate("one => one.scrollTo(0, one.scrollHeight)")
    expect(grid.get_by_role("link", name=re.compile(f"^k39_39, run {run[:6]}: success"))).to_be_in_viewport()


def test_all_is_reached_by_the_keyboard(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day="2026-11-22")
    page.goto(f"/runs/{run}")
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    node = page.get_by_role("link", name=re.compile("^load.incremental_load, failed"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if node.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="load.incremental_load")).to_be_visible()
    page.get_by_role("link", name="Rerun…").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Rerun…")).to_be_focused()


def test_the_theme_that_is_chosen_stays(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_role("button", name="Theme: Auto").click()
    page.reload()
    expect(page.get_by_role("button", name="Theme: Dark")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def settled(page: Page) -> None:
    """Wait till the view shows what it has asked for."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)

"""What people do with the pages, done in a real browser with a real service: see, watch, ask why, decide, run."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.web.browser import Watched
from tests.web.site import Site

BAD_DAY = "2026-11-22"


def test_the_newest_failure_is_on_home_with_its_error_and_line(page: Page, site: Site) -> None:
    site.run("sales_etl", day=BAD_DAY)
    page.goto("/")
    failures = page.get_by_role("region", name="Failures")
    expect(failures.get_by_text("KeyError: 'customer_id'").first).to_be_visible()
    expect(failures.get_by_text('return int(row["customer_id"])').first).to_be_visible()
    expect(failures.get_by_role("link", name="load.incremental_load").first).to_be_visible()


def test_what_comes_next_is_on_home(page: Page, site: Site) -> None:
    page.goto("/")
    coming = page.get_by_role("region", name="Next")
    expect(coming.get_by_role("link", name="nightly")).to_be_visible()
    expect(coming).to_contain_text("06:00 Europe/Berlin")


def test_the_first_page_is_light_and_nothing_comes_from_elsewhere(watched: Watched, site: Site) -> None:
    sizes: dict[str, int] = {}
    watched.page.on("requestfinished", lambda one: sizes.update({one.url: one.sizes()["responseBodySize"]}))
    watched.page.goto("/")
    expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
    expect(watched.page.get_by_role("region", name="Next")).to_be_visible()
    assert len(watched.asked) <= 10
    assert all(url.startswith(site.url) for url in watched.asked)
    assert sum(size for url, size in sizes.items() if url.endswith(".js")) < 150_000


def test_a_run_is_triggered_watched_and_cancelled_without_a_reload(page: Page, site: Site) -> None:
    page.goto("/workflows/slow")
    page.get_by_role("link", name="Trigger…").click()
    page.get_by_label("seconds").fill("30")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.locator(".badge").first).to_have_text("running")
    expect(page.get_by_role("link", name=re.compile("^step_0, running"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge").first).to_have_text("cancelled", timeout=30_000)
    expect(page.get_by_role("link", name=re.compile("^step_0, cancelled|^step_0, stopped"))).to_be_visible()


def test_what_is_wrong_with_a_parameter_is_said_beside_it(page: Page, site: Site) -> None:
    page.goto("/workflows/slow?ask=trigger")
    page.get_by_label("seconds").fill("much")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("is a number")).to_be_visible()
    expect(page).to_have_url(re.compile("/workflows/slow"))


def test_a_run_shows_its_end_as_it_comes(page: Page, site: Site) -> None:
    run = site.trigger("slow", seconds=0.5)
    page.goto(f"/runs/{run}")
    expect(page.locator(".badge").first).to_have_text("success", timeout=30_000)
    expect(page.get_by_role("link", name=re.compile("^step_3, success"))).to_be_visible()


def test_home_shows_a_new_run_and_its_failure_without_a_reload(page: Page, site: Site) -> None:
    page.goto("/")
    expect(page.get_by_role("region", name="Next")).to_be_visible()
    site.trigger("crawl")
    expect(page.get_by_role("region", name="Failures").get_by_text("TimeoutError: page 77").first).to_be_visible()


def test_two_clicks_from_home_run_again_what_failed(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day=BAD_DAY)
    page.goto("/")
    page.locator(f'a[href="/runs/{run}?ask=rerun"]').click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Run again: 4 tasks")
    expect(dialog).to_contain_text("it was held up by a failure")
    expect(dialog).to_contain_text(f"penstock rerun {run} --failed")
    dialog.get_by_role("button", name="Run 4 tasks again").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="load.incremental_load", exact=True).click()
    expect(page.get_by_role("region", name="Attempts")).to_contain_text("of rerun 1", timeout=30_000)


def test_a_log_opens_at_the_error_and_is_searched(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day=BAD_DAY)
    page.goto(f"/runs/{run}/tasks/load.incremental_load")
    log = page.get_by_role("log")
    expect(log.locator(".failing .code-line")).to_be_in_viewport()
    expect(log.get_by_text("the newest row has another form")).to_be_in_viewport()
    expect(log.get_by_text("row 3: staged")).not_to_be_in_viewport()
    page.get_by_label("Search in the log").fill("row 3:")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    expect(log.locator("mark")).to_be_in_viewport()


def test_a_log_is_followed(page: Page, site: Site) -> None:
    run = site.trigger("slow", seconds=1)
    page.goto(f"/runs/{run}/tasks/step_0")
    expect(page.get_by_role("log").get_by_text("step 0: 10 of 10")).to_be_in_viewport(timeout=30_000)
    site.ended(run)


def test_why_a_task_was_skipped_or_held_up_is_said_in_words(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day=BAD_DAY)
    page.goto(f"/runs/{run}/tasks/load.full_load")
    expect(page.locator(".why")).to_contain_text("'transform.choose_load' chose 'load.incremental_load'")
    page.goto(f"/runs/{run}/tasks/publish.report")
    expect(page.locator(".why-chain")).to_contain_text("load.incremental_load")
    page.goto(f"/runs/{run}?view=tasks")
    for line in page.locator(".tasks .task").all():
        is_well = "success" in line.inner_text() or line.locator(".tone-good").count() == 1
        assert is_well or line.locator(".reason").inner_text(), line.inner_text()


def test_somebody_decides_on_home(page: Page, site: Site) -> None:
    run = site.asks("monthly_report")
    page.goto("/")
    asked = page.get_by_role("region", name="Waits for a decision")
    expect(asked).to_contain_text("Is the report fit to be sent?")
    expect(asked).to_contain_text("27,004 departures")
    asked.get_by_label("audience").select_option("everybody")
    asked.get_by_role("button", name="Approve").click()
    expect(asked).to_be_hidden(timeout=30_000)
    assert site.ended(run) == "success"
    page.goto(f"/runs/{run}/tasks/release")
    expect(page.get_by_role("region", name="Values")).to_contain_text("sent to everybody")


def test_a_schedule_is_paused_and_goes_on(page: Page, site: Site) -> None:
    page.goto("/workflows/nightly")
    expect(page.get_by_text("Europe/Berlin").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Unpause").click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_text("paused", exact=True)).to_be_hidden()


def test_runs_are_filtered_and_the_address_says_how(page: Page, site: Site) -> None:
    site.run("sales_etl")
    site.run("sales_etl", day=BAD_DAY)
    page.goto("/runs?workflow=sales_etl")
    page.get_by_role("button", name="success").click()
    expect(page).to_have_url(re.compile(r"state=success"))
    expect(page.locator("tbody .error-text")).to_have_count(0)
    page.go_back()


def test_a_grid_names_its_cells_and_marks_another_try(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day=BAD_DAY)
    page.goto("/workflows/sales_etl")
    grid = page.get_by_role("group", name="Runs by tasks")
    expect(grid.get_by_role("link", name=f"load.incremental_load, run {run[:6]}: failed")).to_be_in_viewport()
    expect(grid.get_by_role("link", name=f"extract.rates, run {run[:6]}: success, needed 2 tries")).to_be_visible()
    page.goto("/workflows/sales_etl?view=source")
    expect(page.get_by_text("def sales_etl(")).to_be_visible()


def test_an_address_that_leads_nowhere_says_so(watched: Watched, site: Site) -> None:
    watched.page.goto("/nowhere")
    expect(watched.page.get_by_role("heading", name="Not found")).to_be_visible()
    watched.page.goto("/runs/000000000000")
    expect(watched.page.get_by_role("alert")).to_contain_text("000000000000")
    watched.wrong.clear()  # the browser tells of the 404

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


def test_what_is_late_is_on_home_while_it_still_goes_on(page: Page, site: Site) -> None:
    run = site.trigger("overdue")
    page.goto("/")
    late = page.get_by_role("region", name="Late", exact=True)
    expect(late).to_contain_text(run[:6])
    expect(late).to_contain_text("should have ended")
    late.get_by_role("link").first.click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge").first).to_have_text("cancelled")
    page.get_by_role("link", name="Penstock, home").click()
    expect(page.get_by_role("region", name="Next")).to_be_visible()
    expect(late).to_be_hidden()


def test_what_comes_next_is_on_home(page: Page, site: Site) -> None:
    page.goto("/")
    coming = page.get_by_role("region", name="Next")
    expect(coming.get_by_role("link", name="nightly")).to_be_visible()
    expect(coming).to_contain_text(re.compile("06:00(:00)? Europe/Berlin"))


def test_the_first_page_is_light_and_nothing_comes_from_elsewhere(watched: Watched, site: Site) -> None:
    sizes: dict[str, int] = {}
    watched.page.on("requestfinished", lambda one: sizes.update({one.url: one.sizes()["responseBodySize"]}))
    watched.page.goto("/")
    expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
    expect(watched.page.get_by_role("region", name="Next")).to_be_visible()
    assert len(watched.asked) <= 10
    assert all(url.startswith(site.url) for url in watched.asked)
    assert sum(size for url, size in sizes.items() if url.endswith(".js")) < 150_000


def test_a_page_asks_for_nothing_while_nothing_happens_to_what_it_shows(watched: Watched, site: Site) -> None:
    run = site.run("sales_etl")
    watched.page.goto(f"/runs/{run}")
    expect(watched.page.get_by_role("link", name=re.compile("^publish.report, success"))).to_be_visible()
    expect(watched.page.locator(".loading")).to_have_count(0)
    watched.page.evaluate("new Promise(done => requestIdleCallback(done))")
    before = len(watched.asked)
    site.run("slow", seconds=0.5)
    assert watched.asked[before:] == []


def test_a_run_is_triggered_watched_and_cancelled_without_a_reload(page: Page, site: Site) -> None:
    page.goto("/workflows/slow")
    page.get_by_role("link", name="Trigger…").click()
    page.get_by_label("seconds").fill("30")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.locator(".badge").first).to_have_text("running")
    expect(page.get_by_role("link", name=re.compile("^step_0, running"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge").first).to_have_text("cancelled")
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
    expect(page.locator(".badge").first).to_have_text("success")
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
    expect(page.get_by_role("region", name="Attempts")).to_contain_text("of rerun 1")


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
    expect(page.get_by_role("log").get_by_text("step 0: 10 of 10")).to_be_in_viewport()
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
    expect(asked).to_be_hidden()
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


def test_tasks_are_marked_after_a_preview_and_the_run_goes_on(page: Page, site: Site) -> None:
    run = site.run("sales_etl", day=BAD_DAY)
    page.goto(f"/runs/{run}")
    page.get_by_text("More").click()
    page.get_by_role("link", name="Mark tasks…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Marked: 1 task")
    expect(dialog).to_contain_text("publish.report")
    dialog.get_by_role("button", name="skipped").click()
    expect(dialog).to_contain_text("--as skipped")
    dialog.get_by_role("button", name="success").first.click()
    dialog.get_by_label("note").fill("loaded by hand")
    dialog.get_by_role("button", name="Mark 1 task as success").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name=re.compile("^publish.report, success"))).to_be_visible()
    assert site.ended(run) == "success"
    page.goto(f"/runs/{run}/tasks/load.incremental_load")
    expect(page.get_by_role("main")).to_contain_text("loaded by hand")


def test_a_message_is_sent_to_the_task_that_waits_for_it(page: Page, site: Site) -> None:
    run = site.asks("parcel")
    page.goto(f"/runs/{run}?ask=send")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("topic")).to_have_value("address")
    expect(dialog).to_contain_text("waits for it")
    dialog.get_by_label("message").fill("Bonn")
    expect(dialog).to_contain_text("It is sent as a text.")
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".badge").first).to_have_text("success")
    page.goto(f"/runs/{run}/tasks/deliver")
    expect(page.get_by_role("region", name="Values")).to_contain_text("delivered to Bonn")


def test_a_run_is_deleted_after_it_is_said_what_goes(page: Page, site: Site) -> None:
    run = site.run("sales_etl")
    page.goto(f"/runs/{run}?ask=delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Run {run} of sales_etl is forgotten")
    dialog.get_by_role("button", name="Delete 1 run").click()
    expect(page).to_have_url(re.compile("/workflows/sales_etl$"))
    page.goto("/runs?workflow=sales_etl&state=success")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.locator(f'a[href="/runs/{run}"]')).to_have_count(0)


def test_a_new_run_is_filled_in_from_an_earlier_one(page: Page, site: Site) -> None:
    first = site.run("sales_etl", day="2026-01-31", full=True)
    site.run("sales_etl")
    page.goto(f"/runs/{first}")
    page.get_by_text("More").click()
    page.get_by_role("link", name="New run like this…").click()
    expect(page.get_by_label("day", exact=True)).to_have_value("2026-01-31")
    expect(page.get_by_label("full", exact=True)).to_have_value("true")
    page.get_by_label("Fill in from").select_option("the defaults")
    expect(page.get_by_label("day", exact=True)).to_have_value("2026-11-21")
    expect(page.get_by_role("dialog")).to_contain_text("penstock trigger sales_etl")


def test_attempts_stand_beside_each_other_each_with_its_log(page: Page, site: Site) -> None:
    run = site.run("sales_etl")
    page.goto(f"/runs/{run}/tasks/extract.rates")
    tries = page.get_by_role("region", name="Attempts")
    expect(tries.get_by_role("columnheader")).to_have_text(["What", "Attempt 2", "Attempt 1"])
    expect(tries.get_by_text("ConnectionError: the bank did not answer")).to_be_visible()
    tries.get_by_role("link", name="Logs beside each other").click()
    expect(page.get_by_role("region", name="Log of attempt 1")).to_contain_text("the bank did not answer")
    expect(page.get_by_role("region", name="Log of attempt 2")).to_be_visible()
    page.reload()
    expect(page.get_by_role("region", name="Log of attempt 2")).to_be_visible()


def test_a_task_shows_its_time_in_earlier_runs(page: Page, site: Site) -> None:
    first, second = site.run("sales_etl"), site.run("sales_etl")
    page.goto(f"/runs/{second}/tasks/extract.orders")
    past = page.get_by_role("region", name=re.compile("^Over [0-9]+ runs"))
    expect(past.get_by_role("link", name=re.compile(f"^Run {second[:6]}.* success, ran "))).to_be_visible()
    past.get_by_role("link", name=re.compile(f"^Run {first[:6]}")).click()
    expect(page).to_have_url(re.compile(f"/runs/{first}/tasks/extract.orders"))


def test_a_calendar_shows_the_days_of_runs_and_those_on_which_more_are_due(page: Page, site: Site) -> None:
    run = site.run("sales_etl")
    page.goto("/workflows/sales_etl?view=calendar")
    page.locator(".day.today").click()
    expect(page.get_by_role("region", name=re.compile("^Runs of "))).to_contain_text(run[:6])
    page.goto("/workflows/nightly?view=calendar")
    expect(page.locator('.day[title$="1 due"]').nth(20)).to_be_visible()


def test_times_are_told_in_the_zone_that_was_chosen(page: Page, site: Site) -> None:
    there = re.compile("07:00(:00)? Asia/Tokyo")
    page.goto("/")
    due = page.get_by_role("region", name="Next").get_by_role("listitem").filter(has_text="morning")
    expect(due).to_contain_text("Europe/Berlin")  # where the viewer is
    page.get_by_role("button", name="Times: My zone").click()
    expect(due).to_contain_text(there)
    page.get_by_role("link", name="morning").click()
    expect(page.get_by_text(there).first).to_be_visible()
    page.reload()
    expect(page.get_by_text(there).first).to_be_visible()
    page.get_by_role("button", name="Times: Workflow").click()
    expect(page.get_by_text(there)).to_have_count(0)
    expect(page.get_by_text("Europe/Berlin").first).to_be_visible()


def test_a_service_that_dies_and_comes_back_loses_and_doubles_nothing(watched: Watched, site: Site) -> None:
    page = watched.page
    run = site.trigger("slow", seconds=2)
    page.goto(f"/runs/{run}/tasks/step_0")
    log = page.get_by_role("log")
    expect(log.get_by_text("step 0: 2 of 10")).to_be_visible()
    home = page.context.new_page()
    home.goto("/")
    expect(home.get_by_role("region", name="Now")).to_contain_text("slow")
    site.service.kill()
    for one in (page, home):
        expect(one.get_by_text("Not connected.")).to_be_visible()
    expect(log.get_by_text("step 0: 2 of 10")).to_be_visible()
    expect(home.get_by_role("region", name="Now")).to_contain_text("slow")
    site.service.begin()
    for one in (page, home):
        expect(one.get_by_text("Not connected.")).to_be_hidden(timeout=60_000)
    assert site.ended(run) == "success"
    expect(page.locator(".badge").first).to_have_text("success")
    lines = site.log(run, "step_0")
    expect(log.locator(".entry > span")).to_have_text(lines)
    expect(home.get_by_role("region", name="Lately").locator(f'a[href="/runs/{run}"]')).to_have_count(1)
    expect(home.get_by_role("region", name="Now").locator(f'a[href="/runs/{run}"]')).to_have_count(0)
    watched.wrong.clear()  # the browser tells of each request that nobody answered

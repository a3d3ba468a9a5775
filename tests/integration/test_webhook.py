"""Notifiers of the settings, told by real processes through real servers; some of the processes die."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.commands import penstock, read, read_json, start, write
from tests.servers import Web, post_office, web

CANARY = "canary-5e1f"
FLOW = """\
    from penstock import Skip, task, workflow

    @task
    def extract():
        return list(range(30))

    @task
    def load(number):
        raise ValueError(f"row {number}")

    @task
    def skips():
        raise Skip("no rows")

    @workflow
    def nightly():
        load.expand(number=extract())

    @workflow
    def small():
        skips()

    @workflow
    def broken():
        load(1)
    """


@pytest.fixture
def server() -> Iterator[Web]:
    write("flow.py", FLOW)
    with web() as seen:
        yield seen


def hook(server: Web, *lines: str, path: str = "") -> None:
    """Settings with a webhook."""
    common = ('type = "webhook"', f'url = "{server.url}{path}"', "allow_private = true")
    write("penstock.toml", "\n".join(["[notifiers.hook]", *common, *lines, ""]))


def test_a_webhook_is_told_of_failed_tasks_and_ends_of_runs(server: Web) -> None:
    hook(server)
    penstock("run", "flow.py:broken", code=1)
    penstock("run", "flow.py:small")
    assert [(post.json["kind"], post.json["workflow"]) for post in server.posts] == [
        ("task_failed", "broken"),
        ("run_failed", "broken"),
        ("run_success", "small"),
    ]


def test_it_says_which_notices_it_wants_and_of_which_workflows(server: Web) -> None:
    hook(server, 'events = ["run_started", "task_started", "task_skipped"]', 'workflows = ["small"]')
    penstock("run", "flow.py:broken", code=1)
    penstock("run", "flow.py:small")
    assert [(post.json["kind"], post.json["reason"]) for post in server.posts] == [
        ("run_started", None),
        ("task_started", None),
        ("task_skipped", "no rows"),
    ]
    assert penstock("db", "check").returncode == 0


def test_a_driver_that_dies_before_the_answer_leaves_the_notice_to_the_next(server: Web) -> None:
    hook(server, 'events = ["run_success"]')
    process = start("run", "flow.py:small")
    server.before = lambda post: process.send_signal(signal.SIGKILL)
    first = server.arrived.get(timeout=60)
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    assert read_json("show")["notices"]["undelivered"] == 1
    server.before = lambda post: None
    penstock("resume", "--all")
    again = server.arrived.get(timeout=60)
    assert again.headers["idempotency-key"] == first.headers["idempotency-key"] == first.json["id"]
    assert again.content == first.content
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_one_that_cannot_take_it_now_is_told_again_and_nothing_is_lost(server: Web) -> None:
    hook(server, 'events = ["run_success"]')
    server.answers += [(503, {}), (429, {"Retry-After": "0"})]
    done = penstock("run", "flow.py:small")
    assert "127.0.0.1 answered 503 Service Unavailable" in done.stderr
    assert len(server.posts) == 3
    assert len({post.json["id"] for post in server.posts}) == 1
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_a_receiver_that_wants_it_much_later_does_not_hold_up_the_end_of_the_run(server: Web) -> None:
    hook(server, 'events = ["run_success"]')
    server.answers += [(503, {"Retry-After": "3000"})]
    penstock("run", "flow.py:small")
    assert len(server.posts) == 1
    assert read_json("show")["notices"]["undelivered"] == 1
    penstock("resume", "--all")
    assert len(server.posts) == 2
    assert read_json("show")["notices"]["undelivered"] == 0


def test_what_the_receiver_will_not_have_is_given_up_with_the_reason_on_record(server: Web) -> None:
    hook(server, 'events = ["run_success"]')
    server.answers += [(410, {})]
    penstock("run", "flow.py:small")
    notices = read_json("show")["notices"]
    assert notices["undelivered"] == 0
    assert list(notices["dropped"].values()) == ["127.0.0.1 answered 410 Gone"]


def test_what_is_over_the_limit_is_told_in_one(server: Web) -> None:
    hook(server, "per_minute = 5")
    penstock("run", "flow.py:nightly", code=1)
    singles, (last,) = server.posts[:-1], server.posts[-1:]
    assert [post.json["kind"] for post in singles] == ["task_failed"] * 5
    assert last.json["kind"] == "run_failed"
    assert last.json["text"] == "nightly: run failed, and 25 more"
    assert last.json["stands_for"]["count"] == 26
    told = {post.json["id"] for post in singles} | {*last.json["stands_for"]["ids"]}
    assert len(told) == 31
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_the_same_of_notices_that_another_driver_left(server: Web) -> None:
    write("penstock.toml", "")
    hook(server, "per_minute = 5", 'events = ["task_failed", "run_failed"]')
    server.answers += [(503, {"Retry-After": "3000"})] * 100
    penstock("run", "flow.py:nightly", code=1)
    left = read_json("show")["notices"]["undelivered"]
    server.answers.clear()
    server.posts.clear()
    penstock("resume", "--all", code=1)
    assert left == 31
    assert len(server.posts) <= 6
    assert sum(post.json.get("stands_for", {"count": 1})["count"] for post in server.posts) == 31
    assert read_json("show")["notices"] == {"undelivered": 0, "dropped": {}}


def test_the_own_network_is_refused_unless_it_is_allowed(server: Web) -> None:
    write("penstock.toml", f'[notifiers.hook]\ntype = "webhook"\nurl = "http://localhost:{server.port}/"\n')
    penstock("run", "flow.py:small")
    assert server.posts == []
    (reason,) = read_json("show")["notices"]["dropped"].values()
    assert "not of the public Internet; if it is meant, set allow_private = true" in reason


def test_secrets_are_neither_kept_nor_shown(server: Web) -> None:
    write(
        "penstock.toml",
        '[notifiers.hook]\ntype = "webhook"\nurl_env = "HOOK"\nsecret_env = "KEY"\nallow_private = true\n',
    )
    secrets = {"HOOK": f"{server.url.replace('//', f'//me:{CANARY}@')}/{CANARY}?key={CANARY}", "KEY": CANARY}
    shown = ""
    several: list[list[tuple[int, dict[str, str]]]] = [
        [],
        [(503, {})],
        [(302, {"Location": f"/{CANARY}"})],
        [(401, {})],
    ]
    for answers in several:
        server.answers[:] = answers
        done = penstock("run", "flow.py:small", code=None, PENSTOCK_DEBUG="1", **secrets)
        shown += done.stdout + done.stderr + read("show")
    server.answers[:] = [(401, {})]
    done = penstock("notify", "hook", "--test", "--debug", code=2, **secrets)
    shown += done.stdout + done.stderr
    done = penstock(
        "notify", "hook", "--test", "--debug", code=2, **{**secrets, "HOOK": f"http://127.0.0.1:1/{CANARY}"}
    )
    shown += done.stdout + done.stderr
    assert "did not take the test notice" in shown
    assert CANARY not in shown
    assert any(CANARY in post.path for post in server.posts)
    kept = [path for path in Path(".penstock").rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []


def test_settings_that_cannot_be_are_told_before_anything_runs(server: Web) -> None:
    for text, message in (
        ('[notifiers.hook]\ntype = "webhok"\n', "there is no notifier 'webhok'; did you mean 'webhook'?"),
        ('[notifiers.hook]\ntype = "webhook"\n', "notifier 'hook': url or url_env is missing"),
        (
            '[notifiers.hook]\ntype = "webhook"\nevents = ["run_fail"]\nurl = "https://h"\n',
            "did you mean 'run_failed'?",
        ),
        ('[notifiers]\nhook = "https://h"\n', "notifiers.hook is no table"),
        ('[notifiers.hook]\ntype = "email"\nto = ["a@b"]\n', "notifier 'hook': host is missing"),
    ):
        write("penstock.toml", text)
        assert message in penstock("run", "flow.py:small", code=2).stderr
    assert read_json("runs") == []


def test_a_test_notice_says_whether_the_settings_work(server: Web) -> None:
    hook(server)
    assert "Notifier 'hook' has taken a test notice" in penstock("notify", "hook", "--test").stdout
    assert server.posts[0].json["workflow"] == "penstock-notify"
    assert "The settings of notifier 'hook' fit" in penstock("notify", "hook").stdout
    assert len(server.posts) == 1
    server.answers += [(404, {})]
    stderr = penstock("notify", "hook", "--test", code=2).stderr
    assert "notifier 'hook' did not take the test notice: 127.0.0.1 answered 404 Not Found" in stderr
    assert "the settings name no notifier 'hok'; there are hook" in penstock("notify", "hok", code=2).stderr
    assert read_json("runs") == []


def test_an_email_is_sent_by_a_run(server: Web) -> None:
    with post_office() as office:
        lines = (f"port = {office.port}", 'security = "none"', 'to = ["ops@example.test"]', "allow_private = true")
        write("penstock.toml", "\n".join(["[notifiers.ops]", 'type = "email"', 'host = "127.0.0.1"', *lines, ""]))
        penstock("run", "flow.py:broken", code=1)
        subjects = [letter["Subject"] for letter in office.letters]
    assert subjects == ["[penstock] broken: task load failed", "[penstock] broken: run failed"]

"""`penstock --server`: the same commands, answered by a service elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.group import execute
from penstock.cli.remote import client
from tests.integration.commands import here, penstock, write
from tests.integration.serving import serving
from tests.integration.waiting import wait_until

FLOWS = """\
    from pathlib import Path
    from penstock import current, task, workflow

    @task
    def hello(name: str, n: int) -> str:
        print("hello", name)
        return name * n

    @task.approval
    def fit(text: str, approved: bool, copies: int = 2) -> str:
        "Is it fit to be printed?"
        return f"{text} {approved} {copies}"

    @workflow(schedule="0 6 * * *", timezone="Europe/Berlin")
    def paper(name: str = "bob", n: int = 2) -> None:
        fit(hello(name, n))

    @task
    def rows() -> list[dict[str, int]]:
        return [{"n": n, "square": n * n} for n in range(1_000)]

    @task
    def load(rows: list[dict[str, int]]) -> None:
        if not Path("mended").exists():
            raise ValueError("too many rows")

    @workflow
    def daily() -> None:
        load(rows())

    @task
    def receive() -> str:
        return str(current().receive("rates"))

    @workflow
    def waiting() -> None:
        receive()
    """
TOKEN = "correct-horse-battery"


@pytest.fixture(autouse=True)
def folder() -> None:
    Path(".penstock").mkdir()
    Path("flows").mkdir()


def state_of(run: str) -> str:
    return str(json.loads(here("show", run, "--json").stdout)["state"])


class Asking:
    """Asks a service, and the store that it has, which is here."""

    def __init__(self, url: str) -> None:
        self.url = url

    def text(self, *arguments: str) -> str:
        return here(*arguments, "--server", self.url).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def refused(self, code: int, *arguments: str) -> str:
        told = here(*arguments, "--server", self.url, code=code).stderr
        assert "Error: " in told
        assert "Traceback" not in told
        return told


def test_a_service_is_told_and_asked_as_the_store_here_is(monkeypatch: pytest.MonkeyPatch) -> None:
    write("flows/flows.py", FLOWS)
    monkeypatch.setenv("PENSTOCK_TOKEN", TOKEN)
    with serving("flows", web=True) as service:
        ask = Asking(service.url)
        paper = ask.json("trigger", "paper", "--param", "n=3", "--param", "name=ann")["id"]
        daily, waiting = ask.json("trigger", "daily")["id"], ask.json("trigger", "waiting")["id"]
        wait_until(lambda: paper in ask.text("approvals") and state_of(daily) == "failed", "one waits, one has failed")
        wait_until(lambda: state_of(waiting) == state_of(paper) == "waiting", "two are parked")
        check_what_is_told(ask, paper, daily)
        check_what_is_done(ask, paper, daily, waiting)
        check_what_is_refused(ask, daily)
        monkeypatch.setenv("PENSTOCK_SERVER", service.url)
        assert here("runs").stdout == ask.text("runs") == here("--server", service.url, "runs").stdout
        assert "unset PENSTOCK_SERVER" in here("run", "flows/flows.py:daily", code=2).stderr
        assert "not with a service" in ask.refused(2, "db", "check")
        penstock("check", "flows/flows.py")


def check_what_is_told(ask: Asking, paper: str, daily: str) -> None:
    for command in (
        *(["runs"], ["runs", "daily"], ["show", daily], ["show", daily, "--values"], ["show", daily, "rows"]),
        *(["why", daily, "load"], ["why", daily], ["approvals"], ["approvals", paper], ["next", "--days", "3"]),
    ):
        assert ask.json(*command) == json.loads(here(*command, "--json").stdout), command
    for command in (["runs"], ["show", daily, "rows"], ["logs", paper], ["schedules"], ["next"], ["why", "receive"]):
        assert ask.text(*command) == here(*command).stdout, command
    assert [one["workflow"] for one in ask.json("schedules")] == ["daily", "paper", "waiting"]
    assert "rows: list 1,000 x 2" in ask.text("show", daily, "load")
    assert "hello ann" in ask.text("logs", paper, "hello")


def check_what_is_done(ask: Asking, paper: str, daily: str, waiting: str) -> None:
    assert "does not read as int" in ask.refused(2, "approve", paper, "fit", "copies=x")
    assert "approved" in ask.text("approve", paper, "fit", "copies=4", "--note", "fine", "--by", "ann")
    wait_until(lambda: state_of(paper) == "success", "it was approved")
    assert "Would run 2 tasks" in ask.text("rerun", daily, "--from", "rows", "--dry-run")
    Path("mended").touch()
    assert "is success (2 success)" in ask.text("resume", daily)
    assert "is success" in ask.text("rerun", daily, "--only", "load")
    assert ask.json("mark", daily, "load", "--as", "failed", "--note", "by hand")["state"] == "failed"
    ask.text("send", waiting, "rates", "5")
    wait_until(lambda: state_of(waiting) == "success", "the message has come")
    assert ask.json("pause", "paper") == {"workflow": "paper", "paused": True, "was_paused": False}
    assert "paused already" in ask.text("pause", "paper")
    assert "goes on" in ask.text("unpause", "paper")
    other = ask.json("trigger", "waiting")["id"]
    wait_until(lambda: state_of(other) == "waiting", "it is parked")
    assert other in ask.text("cancel", other, "--no-wait")


def check_what_is_refused(ask: Asking, daily: str) -> None:
    for code, *command in (
        *((3, "show", "zzz"), (3, "show", daily, "rose"), (3, "why", "zzz"), (3, "trigger", "nothing")),
        *((4, "approve", daily, "load"), (4, "send", daily, "rates"), (2, "mark", daily, "x", "--as", "failed")),
        *((2, "trigger", "paper", "--param", "m=1"), (2, "resume", "--all"), (2, "runs", "--store", "memory")),
    ):
        ask.refused(code, *command)


# --- Servers that are none


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[Any]]]:
    """A server that answers everything so, and what was asked of it."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PROBLEM = b'{"type": "urn:penstock:unforeseen", "title": "x", "status": 500, "detail": "this should not happen"}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (200, b"<html>", "text/html", "no service of Penstock"),
        (200, b"{", "application/json", "no service of Penstock"),
        (200, b"[" * 100_000, "application/json", "no service of Penstock"),
        (200, b"\xff\xfe", "application/json", "no service of Penstock"),
        (200, b"null", "application/json", "no service of Penstock"),
        (200, b"[]", "application/json", "no service of this version"),
        (200, b"{}", "application/json", "no service of this version"),
        (200, b'{"items": 5, "next": null}', "application/json", "no service of this version"),
        (200, b'{"items": [{"id": {}}], "next": null}', "application/json", "no service of this version"),
        (200, b'{"items": [], "next": 7}', "application/json", "a list has no end"),
        (200, b'{"items": [], "next": "a"}', "application/json", "a list has no end"),
        (500, PROBLEM, "application/problem+json", "this should not happen"),
        (500, b"Internal Server Error", "text/plain", "it answers 500"),
        (502, b'["gateway"]', "application/problem+json", "it answers 502"),
        (204, b"", "application/json", "no service of Penstock"),
    ],
)
def test_what_no_service_answers_is_told_as_an_error(status: int, body: bytes, kind: str, told: str) -> None:
    with answering(status, body, Content_Type=kind) as (url, _):
        for command in (["runs"], ["show", "abc"], ["schedules"]):
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
                code = execute([*command, "--server", url])
            assert code in ((0, 1) if body != PROBLEM else (2,)), command
            assert "this should not happen: " not in errors.getvalue()
            assert "Traceback" not in errors.getvalue()
            assert told in errors.getvalue() or command != ["runs"]


def test_a_token_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_TOKEN", TOKEN)
    with (
        answering(200, b'{"items": [], "next": null}', Content_Type="application/json") as (there, asked),
        answering(307, b"", Location=f"{there}/api/v1/runs") as (url, first),
    ):
        told = here("runs", "--server", url, code=1).stderr
        assert "leads to" in told
        assert first[0][1]["Authorization"] == f"Bearer {TOKEN}"
        assert asked == []


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(client, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "it says nothing" in here("runs", "--server", url, code=1).stderr


@pytest.mark.parametrize(
    "url", ["ftp://here", "here:80", "http://", "http://a:b@c", "http://a/?b", "http://a:99999", "http://a\x1b[2J", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    if url:
        assert "Error: " in here("runs", "--server", url, code=2).stderr
    else:
        assert "no runs yet" in here("runs", "--server", url).stdout

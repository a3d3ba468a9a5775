"""Waiting for what a URL answers, from real servers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from penstock import Run, Secret, Workflow, WorkflowManager, wait_for_url
from tests.unit.runtime.waiting import error_of, states

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """What was asked for, and what is answered by path: one after the other, the last again and again."""

    port: int = 0
    scheme: str = "http"
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(scheme="http" if tls is None else "https")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
            answers = site.answers[self.path]
            status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, text in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


waits = wait_for_url.options(poll_interval=0.01, poll_timeout=20)


def run_of(make: Callable[[], object], **options: Any) -> Run:
    with Workflow("flow") as flow:
        make()
    with WorkflowManager(store="memory", observers=[], **options) as manager:
        return manager.run(flow, raise_on_failure=False)


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_an_answer_that_comes_later(site: Site, executor: str) -> None:
    site.answers["/report?day=1"] = [(404, {}, b"no"), (503, {}, b""), (200, {}, b"ready \xc3\xa9")]
    run = run_of(lambda: waits(site.url("/report?day=1")), executor=executor)
    one = run.task("wait_for_url")
    assert (one.result, one.attempts) == ("ready é", 3)
    assert "127.0.0.1 answered 404" in one.log
    assert "127.0.0.1 answered 503" in one.log


def test_a_host_that_is_not_there_yet(site: Site) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        run = run_of(lambda: wait_for_url.options(poll_interval=0.01, poll_timeout=0.1)(url))
    assert "SensorTimeout" in error_of(run, "wait_for_url")
    assert "127.0.0.1 gave no answer (ConnectionRefusedError" in run.task("wait_for_url").log


def test_the_status_and_what_the_answer_says(site: Site) -> None:
    site.answers["/"] = [(200, {}, b"queued"), (202, {}, b"queued"), (202, {}, b"done")]
    run = run_of(lambda: waits(site.url("/"), status=202, check=lambda text: text == "done"))
    assert run.task("wait_for_url").attempts == 3
    site.answers["/gone"] = [(410, {}, b"x")]
    assert run_of(lambda: waits(site.url("/gone"), status=(404, 410))).task("wait_for_url").result == "x"


def test_the_text_is_read_as_it_says_and_not_more_than_a_megabyte(site: Site) -> None:
    site.answers["/a"] = [(200, {"Content-Type": "text/plain; charset=latin-1"}, b"\xe9")]
    site.answers["/b"] = [(200, {"Content-Type": "text/plain; charset=nonsense"}, b"a\xff")]
    site.answers["/c"] = [(200, {}, b"x" * 1_500_000)]
    run = run_of(lambda: [waits(site.url("/a")), waits(site.url("/b")), waits(site.url("/c"))])
    assert run.task("wait_for_url").result == "é"
    assert run.task("wait_for_url__1").result == "a\ufffd"
    assert run.task("wait_for_url__2").result == "x" * 1_000_000


def test_headers_go_with_it_and_may_be_secret(site: Site) -> None:
    site.answers["/"] = [(200, {}, b"ok")]
    token = Secret("correct horse battery")
    run_of(lambda: waits(site.url("/"), headers={"Authorization": token, "X-Day": 1}))
    [(_, headers)] = site.asked
    assert (headers["authorization"], headers["x-day"]) == ("correct horse battery", "1")


def test_redirects_are_followed_and_headers_go_to_no_other_host(site: Site) -> None:
    with serving() as other:
        site.answers["/old"] = [(302, {"Location": "/new"}, b"")]
        site.answers["/new"] = [(307, {"Location": other.url("/there")}, b"")]
        other.answers["/there"] = [(200, {}, b"here")]
        run = run_of(lambda: waits(site.url("/old"), headers={"Authorization": "me"}))
        assert run.task("wait_for_url").result == "here"
        assert [headers.get("authorization") for _, headers in [*site.asked, *other.asked]] == ["me", "me", None]


def test_but_not_for_ever(site: Site) -> None:
    site.answers["/"] = [(302, {"Location": "/"}, b"")]
    run = run_of(lambda: waits.options(retries=2)(site.url("/")))
    assert "more than 5 redirects" in error_of(run, "wait_for_url")
    assert len(site.asked) == 6


def test_nor_out_of_the_web_or_out_of_tls(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/file"] = [(302, {"Location": "file:///etc/passwd"}, b"")]
    assert "its URL cannot be read" in error_of(run_of(lambda: waits(site.url("/file"))), "wait_for_url")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as secure:
        secure.answers["/"] = [(302, {"Location": site.url("/")}, b"")]
        site.answers["/"] = [(200, {}, b"")]
        url = secure.url("/", "localhost")
        run = run_of(lambda: waits(url))
        assert "SSLCertVerificationError" in error_of(run, "wait_for_url")
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        run = run_of(lambda: waits(url))
    assert "leads from https to http" in error_of(run, "wait_for_url")


def test_an_answer_that_does_not_come_to_an_end_is_cut_off(site: Site) -> None:
    """Byte by byte, so that no single wait is too long."""
    with socket.create_server(("127.0.0.1", 0)) as slow:
        over = threading.Event()

        def drip() -> None:
            connection, _ = slow.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.01):
                    try:
                        connection.sendall(b"X-A: b\r\n")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        made = wait_for_url.options(poll_timeout=0.01, soft_fail=True)
        run = run_of(lambda: made(url, request_timeout=0.2))
        over.set()
    assert states(run) == {"wait_for_url": "skipped"}
    assert "TimeoutError: its answer took longer than 0.2 s" in run.task("wait_for_url").log


def test_nor_does_one_count_that_broke_off(site: Site) -> None:
    site.answers["/"] = [(200, {"Content-Length": "9", "Connection": "close"}, b"half"), (200, {}, b"whole")]
    one = run_of(lambda: waits(site.url("/"), request_timeout=2)).task("wait_for_url")
    assert (one.result, one.attempts) == ("whole", 2)


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://host/", "http://", "http://host:0/", "http://a b/", "http://a\r\nb/", 7]
)
def test_what_is_no_url_is_not_waited_for(url: Any) -> None:
    run = run_of(lambda: waits.options(retries=2)(url))
    assert "its URL cannot be read: write https://host/path" in error_of(run, "wait_for_url")
    assert run.task("wait_for_url").attempts == 1


def test_passwords_do_not_belong_into_urls() -> None:
    run = run_of(lambda: waits("http://me:secret@127.0.0.1/"))
    assert "has a user or password in it" in error_of(run, "wait_for_url")

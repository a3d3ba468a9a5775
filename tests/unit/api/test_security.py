"""Who may ask what: each check against real connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from penstock.api import serve
from penstock.api.security import MOST_BYTES
from penstock.errors import PenstockError
from tests.unit.api.served import Api, hello, served

TOKEN = "a-token-nobody-guesses"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Api]:
    """A server that wants a token."""
    with served(f"sqlite:///{tmp_path / 'store'}", token=TOKEN) as api:
        yield api


def raw(api: Api, request: bytes) -> tuple[int, bytes]:
    """The status of the answer to bytes that are sent as they are, and all of it."""
    with socket.create_connection(("127.0.0.1", api.server.port), 30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


def get(api: Api, path: str, *headers: str, host: str = "localhost") -> tuple[int, bytes]:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return raw(api, "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))


# --- Where it is served


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_beyond_the_loopback_nothing_is_served_without_a_token(host: str) -> None:
    with pytest.raises(PenstockError, match="set a token"):
        serve("memory", host, 0)


def test_beyond_the_loopback_it_is_served_with_a_token() -> None:
    with serve("memory", "0.0.0.0", 0, token=TOKEN) as server:
        url = f"http://127.0.0.1:{server.port}/api/v1/runs"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters", "ünüsuäl-but-long-enough", "with\nnew-lines-in-it"])
def test_a_token_that_is_easy_to_guess_or_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(PenstockError, match="token"):
        serve("memory", port=0, token=token)


def test_a_port_that_is_taken_is_told() -> None:
    with serve("memory", port=0) as server, pytest.raises(PenstockError, match=f"127.0.0.1:{server.port} cannot be"):
        serve("memory", port=server.port)


def test_it_is_served_on_the_other_loopback_too() -> None:
    with serve("memory", "::1", 0) as server:
        assert httpx.get(f"{server.url}/api/v1/health").status_code == 200


# --- Host


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.8.8.8", "[::1]:1", "a.localhost"])
def test_names_of_this_machine_are_known(api: Api, host: str) -> None:
    assert get(api, "/api/v1/health", host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[::2]", "a b", "localhost@evil",
     "localhost:80:80", "0.0.0.0", "", "localhost/", "localhosт"],
)  # fmt: skip
def test_a_page_whose_name_leads_here_suddenly_is_refused(api: Api, host: str) -> None:
    status, answer = get(api, "/api/v1/runs", host=host)
    assert status in (400, 421), answer
    assert b'"items"' not in answer


def test_a_request_without_or_with_two_hosts_is_refused(api: Api) -> None:
    assert raw(api, b"GET /api/v1/runs HTTP/1.0\r\n\r\n")[0] == 421
    two = b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(api, two)[0] in (400, 421)


def test_another_name_is_known_if_it_is_said() -> None:
    with serve("memory", port=0, hosts=["Box.Example"]) as server:
        url = f"{server.url}/api/v1/health"
        assert httpx.get(url, headers={"Host": "box.example:80"}).status_code == 200
        assert httpx.get(url, headers={"Host": "other.example"}).status_code == 421


# --- Origin


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(api: Api, headers: dict[str, str]) -> None:
    told = api.refused(403, "/pools/mine", "PUT", json={"slots": 1}, headers=headers)
    assert told["type"] == "urn:penstock:wrong-origin"
    assert api.get("/pools") == []


def test_our_own_page_may_ask(api: Api) -> None:
    headers = {"Origin": api.server.url, "Sec-Fetch-Site": "same-origin"}
    assert api.http.put("/api/v1/pools/mine", json={"slots": 1}, headers=headers).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", None])
def test_what_any_page_could_send_is_not_read(api: Api, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    told = api.refused(415, "/pools/mine", "PUT", content=b'{"slots": 1}', headers=headers)
    assert told["type"] == "urn:penstock:not-json"
    run = api.manager.run(hello)
    api.refused(415, f"/runs/{run.id}/rerun", "POST", content=b'{"failed":true}', headers=headers)


def test_no_other_site_may_read_an_answer(api: Api) -> None:
    answer = api.http.get("/api/v1/runs", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    preflight = api.http.options(
        "/api/v1/runs", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in preflight.headers


# --- Token


def test_nothing_is_answered_without_the_token(guarded: Api) -> None:
    for path in ("/runs", "/health", "/metrics", "/openapi.json", "/events", "/home"):
        assert guarded.refused(401, path)["type"] == "urn:penstock:token-needed"
    for wrong in ("Bearer nonsense", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xff"):
        guarded.refused(401, "/runs", headers={"Authorization": wrong.encode("latin-1")})
    assert guarded.http.get("/api/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.http.get("/api/v1/runs").headers["www-authenticate"] == "Bearer"


def test_a_browser_keeps_the_token_in_a_cookie_that_no_script_reads(guarded: Api) -> None:
    guarded.refused(401, "/session", "POST", json={"token": "nonsense"})
    answer = guarded.http.post("/api/v1/session", json={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert guarded.http.get("/api/v1/runs").status_code == 200
    guarded.http.delete("/api/v1/session")
    guarded.http.cookies.clear()
    guarded.refused(401, "/runs")


def test_the_cookie_of_our_page_does_not_serve_another(guarded: Api) -> None:
    guarded.http.post("/api/v1/session", json={"token": TOKEN})
    told = guarded.refused(403, "/pools/a", "PUT", json={"slots": 1}, headers={"Origin": "http://evil.example"})
    assert told["type"] == "urn:penstock:wrong-origin"


def test_with_a_token_the_machine_may_be_called_by_any_name(guarded: Api) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "box.example:8080"}
    assert guarded.http.get("/api/v1/runs", headers=headers).status_code == 200


# --- What is too much, or makes no sense


def test_a_body_that_is_too_large_is_not_read(api: Api) -> None:
    told = api.refused(
        413, "/pools/mine", "PUT", content=b"x" * (MOST_BYTES + 1), headers={"Content-Type": "application/json"}
    )
    assert told["type"] == "urn:penstock:too-large"


def test_a_body_without_a_length_is_read_as_far_as_it_may_go(api: Api) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    try:
        answer = api.http.put("/api/v1/pools/mine", content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except (httpx.WriteError, httpx.RemoteProtocolError):
        pass  # it has hung up, which says the same
    assert api.get("/pools") == []


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999999", "abc", "5, 5"])
def test_a_length_that_is_none_is_refused(api: Api, length: str) -> None:
    request = (
        "PUT /api/v1/pools/mine HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n12345"
    )
    assert raw(api, request.encode())[0] in (400, 413, 422)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"', b"\xff\xfe", b'{"slots": NaN}', b'{"slots": 1e999}', b'{"slots": true}',
     b'{"slots": -1}', b'{"slots": 1, "more": 2}', b'{"slots": "\\ud800"}', b"[" * 100_000,
     b'{"slots":' + b"9" * 10_000 + b"}"],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_refused(api: Api, body: bytes) -> None:
    answer = api.http.put("/api/v1/pools/mine", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.get("/pools") == []


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../../etc/passwd",
     "//etc/passwd", "/assets/..%5c..%5cetc", "/%00", "/index.html%00.js", "/penstock.db", "/.env", "/api/v1/../../x",
     "/api/v1/runs/..%2f..%2fetc%2fpasswd", "/api/v1/runs/../../../etc/passwd/logs", "/api/v1/runs/%2e%2e/logs",
     "/api/v1/workflows/..%2f..%2fetc%2fpasswd/source", "/api/v1/runs/%ff%fe", "/" + "a" * 10_000],
)  # fmt: skip
def test_no_path_leads_anywhere_else(api: Api, path: str) -> None:
    status, answer = get(api, path, "Accept: application/json")
    assert status in (400, 404, 422), answer[:300]
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "request_line",
    [b"GET / HTTP/9.9", b"NONSENSE", b"GET  / HTTP/1.1", b"\x00\x01\x02", b"GET /api/v1/runs?limit=%ff HTTP/1.1",
     b"GET /" + b"a" * 100_000 + b" HTTP/1.1"],
)  # fmt: skip
def test_what_is_no_request_does_no_harm(api: Api, request_line: bytes) -> None:
    status, _ = raw(api, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status == 0 or 400 <= status < 500
    assert api.get("/health")["status"] == "ok"


def test_every_answer_keeps_the_browser_from_doing_more_with_it(api: Api) -> None:
    run = api.manager.run(hello)
    for path in ("/", "/x", "/api/v1/runs", f"/api/v1/runs/{run.id}", "/api/v1/runs/zz", "/api/v1/openapi.json"):
        headers = api.http.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "cache-control" in headers
        assert "server" not in headers


def test_the_source_that_is_shown_is_that_of_the_workflow_alone(api: Api, tmp_path: Path) -> None:
    """Whatever is on record as a workflow's file, only Python files of workflows on record are read."""
    (tmp_path / "secret.txt").write_text("hidden")
    api.refused(404, f"/workflows/{tmp_path}/secret.txt/source")
    api.manager.run(hello)
    answer = api.http.get("/api/v1/workflows/hello/source")
    assert "hidden" not in answer.text

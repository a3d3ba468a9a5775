"""The files of the web interface."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from penstock.api import static
from penstock.api.server import serve


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server with a small interface."""
    folder = tmp_path / "ui"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Penstock</title>")
    (folder / "assets" / "main-1a2b.js").write_text("console.log(1)")
    (folder / "assets" / "main-1a2b.js.gz").write_bytes(gzip.compress(b"console.log(1)"))
    (folder / "assets" / "main-1a2b.js.map").write_text("{}")
    (tmp_path / "secret.txt").write_text("hidden")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(static.Files.__init__, "__defaults__", (folder,))
    with serve("memory", port=0) as server, httpx.Client(base_url=server.url) as client:
        yield client


def test_the_page_is_given_for_every_view(site: httpx.Client) -> None:
    for path in ("/", "/index.html", "/runs/1a2b", "/workflows/etl?tab=graph"):
        answer = site.get(path, headers={"Accept": "text/html,*/*"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "no-cache"
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_what_is_no_view_is_not_the_page(site: httpx.Client) -> None:
    for path in ("/nothing.js", "/assets/nothing.js", "/api/v1/nothing", "/link.txt", "/assets/main-1a2b.js.map"):
        assert site.get(path).status_code == 404
    assert site.get("/assets/x", headers={"Accept": "text/html"}).status_code == 404
    assert site.post("/", json={}).status_code == 405


def test_files_are_compressed_for_who_reads_that_and_kept_for_ever(site: httpx.Client) -> None:
    plain = site.get("/assets/main-1a2b.js", headers={"Accept-Encoding": "identity"})
    small = site.get("/assets/main-1a2b.js", headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    assert plain.text == small.text == "console.log(1)"
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert small.headers["vary"] == "Accept-Encoding"
    assert "immutable" in small.headers["cache-control"]
    again = site.get("/assets/main-1a2b.js", headers={"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304
    assert plain.headers["etag"] != small.headers["etag"]


def test_without_an_interface_the_rest_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static.Files.__init__, "__defaults__", (tmp_path / "nothing",))
    with serve("memory", port=0) as server:
        assert httpx.get(server.url, headers={"Accept": "text/html"}).status_code == 404
        assert httpx.get(f"{server.url}/api/v1/health").status_code == 200

"""The page on Postgres is true: its examples run as shown, against a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.acceptance.pages import ROOT
from tests.acceptance.terminals import Player
from tests.postgres import Server

PAGE = ROOT / "docs" / "how-to" / "postgres.md"
NEEDS_A_SERVER = "<!-- not executed: it needs a server -->\n"


def test_examples_run_and_show_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = PAGE.read_text("utf-8")
    assert text.count(NEEDS_A_SERVER) >= 4
    page = tmp_path / PAGE.name
    page.write_text(text.replace(NEEDS_A_SERVER, ""), "utf-8")
    server = Server()
    try:
        monkeypatch.setenv("PGHOST", str(server.folder))
        monkeypatch.setenv("PGPORT", str(server.port))
        monkeypatch.setenv("PGUSER", "penstock")
        monkeypatch.setenv("PATH", f"{server.programs}{os.pathsep}{os.environ['PATH']}")
        folder = tmp_path / "reader"
        folder.mkdir()
        problems = Player(page, folder).play()
    finally:
        server.remove()
    assert not problems, problems[0]

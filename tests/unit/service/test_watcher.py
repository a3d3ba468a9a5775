"""Changes in a folder are noticed, with what the system tells and without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from penstock.service.folder import Stamp, scan
from penstock.service.watcher import Watcher
from tests.integration.waiting import wait_until


class Noticing:
    """What the folder was like when it was last noticed that it had changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.seen: dict[str, Stamp] = {}
        self.watcher = Watcher(str(folder), self.notice)
        self.watcher.start()

    def notice(self) -> None:
        self.seen = scan(self.folder)


@pytest.fixture(params=["told by the system", "looking again and again"])
def noticing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noticing]:
    if request.param == "looking again and again":
        monkeypatch.setitem(sys.modules, "watchfiles", None)
    else:
        pytest.importorskip("watchfiles")
    folder = tmp_path / "flows"
    folder.mkdir()
    noticing = Noticing(folder)
    is_watching(noticing, folder)
    yield noticing
    noticing.watcher.stop()


def is_watching(noticing: Noticing, folder: Path) -> None:
    """Wait until it has begun to watch, which nothing else tells."""
    numbers = count()

    def is_noticed() -> bool:
        (folder / "first.py").write_text(f"number = {next(numbers)}")
        return bool(noticing.seen)

    wait_until(is_noticed, "it watches")


def test_files_that_come_change_or_go_are_noticed(noticing: Noticing, tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    path = folder / "inner" / "a.py"

    def make() -> None:
        path.parent.mkdir()
        path.write_text("a = 1")

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.py").write_text("")
    changes = [
        make,
        lambda: path.write_text("a = 22"),
        path.unlink,
        lambda: (tmp_path / "elsewhere").rename(folder / "moved"),
    ]
    for change in changes:
        change()
        wait_until(lambda: noticing.seen == scan(str(folder)), "it is noticed")

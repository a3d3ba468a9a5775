"""What the service knows of the files of a folder, and when a file is to be imported again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.service.catalog import Catalog
from penstock.service.folder import scan


class Folder:
    """A folder, and a catalog of it, to which files tell what they say themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed: list[str] = []
        self.catalog = Catalog(self.changed.append)
        self.reports: dict[str, dict[str, Any]] = {}

    def write(self, name: str, text: str, *workflows: str, imported: tuple[str, ...] = (), error: bool = False) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.reports[str(path)] = {
            "error": {"text": "it is broken", "traceback": ""} if error else None,
            "imported": [str(self.path / other) for other in imported],
            "threads": False,
            "workflows": [{"name": one, "source": f"{path}:{one}", "fault": None} for one in workflows],
        }

    def look(self) -> set[str]:
        """The files that are imported now."""
        found = self.catalog.see(scan(str(self.path)))
        for path in found:
            self.catalog.loaded(path, self.reports[path])
        return {os.path.relpath(path, self.path) for path in found}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_files_that_name_penstock_are_imported_and_no_others(folder: Folder) -> None:
    folder.write("a.py", "import penstock", "one")
    folder.write("inner/b.py", "from penstock import task", "two")
    folder.write("other.py", "import os")
    folder.write(".hidden/c.py", "import penstock")
    folder.write("env/pyvenv.cfg", "")
    folder.write("env/d.py", "import penstock")
    folder.write("notes.txt", "penstock")
    assert folder.look() == {"a.py", "inner/b.py"}
    assert set(folder.catalog.workflows) == {"one", "two"}
    assert folder.look() == set()


def test_a_file_is_imported_again_when_its_text_or_that_of_what_it_imports_is_another(folder: Folder) -> None:
    folder.write("a.py", "import penstock, words", "one", imported=("words.py",))
    folder.write("b.py", "import penstock", "two")
    folder.write("words.py", "WORD = 1")
    assert folder.look() == {"a.py", "b.py"}
    version = folder.catalog.workflows["one"].version
    folder.write("words.py", "WORD = 22")
    assert folder.look() == {"a.py"}
    assert folder.catalog.workflows["one"].version != version
    os.utime(folder.path / "a.py", (1, 1))
    assert folder.look() == set()


def test_a_broken_file_is_tried_again_whenever_anything_changes(folder: Folder) -> None:
    folder.write("a.py", "import penstock, words", "one")
    assert folder.look() == {"a.py"}
    folder.write("a.py", "import penstock, missing", error=True)
    assert folder.look() == {"a.py"}
    assert folder.catalog.workflows["one"].error == "it is broken"
    assert folder.catalog.workflows["one"].schedule is None
    folder.write("missing.py", "")
    folder.write("a.py", "import penstock, missing", "one")
    assert folder.look() == {"a.py"}
    assert folder.catalog.workflows["one"].error is None


def test_of_two_files_with_a_workflow_of_one_name_the_first_keeps_it(folder: Folder) -> None:
    folder.write("b.py", "import penstock", "same")
    folder.look()
    folder.write("a.py", "import penstock", "same")
    folder.look()
    assert folder.catalog.workflows["same"].file.endswith("b.py")
    assert set(folder.catalog.doubles()) == {"same"}
    (folder.path / "b.py").unlink()
    folder.look()
    assert folder.catalog.workflows["same"].file.endswith("a.py")
    assert folder.catalog.doubles() == {}


def test_what_is_gone_is_told(folder: Folder) -> None:
    folder.write("a.py", "import penstock", "one", "two")
    folder.look()
    folder.changed.clear()
    folder.write("a.py", "import penstock  # less", "two")
    folder.look()
    assert "one" in folder.changed
    (folder.path / "a.py").unlink()
    folder.look()
    assert folder.catalog.workflows == {}
    assert folder.catalog.files == {}

"""Values and logs in a folder of their own: one store's, refused to every other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import WorkflowManager, task, workflow
from penstock.errors import PenstockError

pytest_plugins = ("tests.postgres_fixtures",)


@task
def table() -> bytes:
    print("making a table")
    return b"row " * 5_000


@workflow
def make() -> None:
    table()


def manager(store: str, results: Path | None = None) -> WorkflowManager:
    return WorkflowManager(store, results=results, observers=[])


def test_values_and_logs_lie_there_and_are_read_back(tmp_path: Path):
    store, results = f"sqlite:///{tmp_path / 'store'}", tmp_path / "elsewhere"
    run = manager(store, results).run(make)
    assert not (tmp_path / "store" / "results").exists()
    again = manager(store, results).get(run.id).task("table")
    assert (again.result, again.log) == (b"row " * 5_000, "making a table\n")


def test_the_setting_says_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_RESULTS", str(tmp_path / "elsewhere"))
    manager(f"sqlite:///{tmp_path / 'store'}").run(make)
    assert list((tmp_path / "elsewhere" / "results").glob("??/*"))


def test_a_folder_of_one_store_is_refused_to_another(tmp_path: Path):
    manager(f"sqlite:///{tmp_path / 'a'}", tmp_path / "shared").run(make)
    with pytest.raises(PenstockError, match="values and logs of another store"):
        manager(f"sqlite:///{tmp_path / 'b'}", tmp_path / "shared").run(make)
    with pytest.raises(PenstockError, match="values and logs of another store"):
        manager(f"sqlite:///{tmp_path / 'b'}", tmp_path / "a").run(make)
    with pytest.raises(PenstockError, match="values of another store"):
        manager(f"sqlite:///{tmp_path / 'shared'}").run(make)
    manager(f"sqlite:///{tmp_path / 'a'}", tmp_path / "shared").run(make)


def test_stores_in_postgres_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_urls: Callable[[str], str]
):
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    folders = []
    for name in ("a", "b", "a"):
        with manager(postgres_urls(name)) as opened:
            run = opened.run(make)
            assert opened.get(run.id).task("table").log == "making a table\n"
            assert opened.parts.folder is not None
            folders.append(opened.parts.folder)
    assert folders[0] == folders[2] != folders[1]
    assert set((tmp_path / "home" / "postgres").iterdir()) == set(folders)
    with manager(postgres_urls("b"), folders[0]) as other, pytest.raises(PenstockError, match="of another store"):
        other.run(make)

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import penstock.store.sqlite
from penstock.store.base import RunRow
from penstock.store.pages import PAGES
from penstock.store.schedules import ScheduleRow
from penstock.store.sqlite.queries import queries

FOLDER = Path(penstock.store.sqlite.__file__).parent


def test_every_block_is_one_statement_in_words_and_sql():
    text = (FOLDER / "queries.sql").read_text("utf-8")
    names = re.findall(r"^-- (\w+) --$", text, re.MULTILINE)
    assert list(queries()) == names
    assert len(set(names)) == len(names)
    for name, statement in queries().items():
        assert statement.endswith(";"), name
        assert statement.count(";") == 1, name
        assert "--" not in statement, name


@pytest.mark.parametrize(
    "name",
    [
        *("run", "runs_by_prefix", "runs", "runs_of", "runs_in", "runs_of_in", "newest_runs", "unfinished", "due"),
        "children",
    ],
)
def test_rows_of_runs_have_the_columns_of_a_run(name: str):
    columns = queries()[name].removeprefix("SELECT ").partition("\nFROM ")[0]
    assert re.split(r",\s+", columns) == [field.name for field in dataclasses.fields(RunRow)]
    assert f"INSERT INTO run\n    ({columns})" in queries()["create_run"]


@pytest.mark.parametrize("name", ["schedule", "schedules"])
def test_rows_of_schedules_have_the_columns_of_a_schedule(name: str):
    columns = queries()[name].removeprefix("SELECT ").partition("\nFROM ")[0]
    assert re.split(r",\s+", columns) == [field.name for field in dataclasses.fields(ScheduleRow)]
    assert f"INSERT INTO schedule\n    ({columns})" in queries()["put_schedule"]


def test_every_query_is_used_and_every_use_is_a_query():
    python = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))
    used = set(re.findall(r'_sql\["(\w+)"\]', python)) | {*PAGES.values()}
    used |= set(re.findall(r'"(delete_\w+|unfollow\w*|stray_\w+)"', python))
    assert used == set(queries())

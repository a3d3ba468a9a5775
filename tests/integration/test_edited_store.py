"""A store that another program has edited is refused where it matters, and says so."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.integration.commands import penstock, write

FLOW = """\
    from penstock import task, workflow

    @task
    def fail(amount: int) -> None:
        raise ValueError(amount)

    @workflow
    def pay(amount: int = 7):
        fail(amount)
    """


@pytest.fixture(autouse=True)
def run() -> None:
    write("pay.py", FLOW)
    penstock("run", "pay.py", code=1)


def edit(statement: str) -> None:
    database = apsw.Connection(str(Path(".penstock/penstock.db")))
    database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        "params = replace(params, '7', '9')",
        "workflow = 'play'",
        "source = replace(source, 'pay.py', 'other.py')",
        "created_at = created_at + 1",
        "id = 'abcdef123456'",
        "parent = 'abcdef123456'",
        "logical_at = 5.0",
    ],
)
def test_a_run_does_not_go_on_with_other_parameters_than_it_began_with(change: str):
    edit(f"UPDATE run SET {change}")
    for command in ("resume", "show"):
        done = penstock(command, code=1)
        assert "was damaged, or edited by another program" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_plan_that_is_not_the_one_of_its_name_is_refused():
    edit("UPDATE plan SET body = (SELECT CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) FROM plan)")
    assert "does not fit its name" in penstock("show", code=1).stderr


def test_a_text_that_is_none_is_refused():
    edit("UPDATE run SET workflow = CAST(x'ff70ff' AS TEXT)")
    done = penstock("show", code=1)
    assert "it is damaged or no SQLite database" in done.stderr
    assert "Traceback" not in done.stderr

"""What the body of a transactional load may return and do, and where it is refused: before anything is committed."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import duckdb
import psycopg
import pytest

from penstock import current
from penstock.errors import PenstockError
from tests.integration.effects import add, everywhere, load_with

pytest_plugins = ("tests.postgres_fixtures", "tests.integration.effects_fixtures")


@everywhere("sqlite", "duckdb", "psycopg")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (threading.Lock(), "cannot be kept in a receipt: .*lock"),
        ("x" * 3000, "3,002 bytes, and a receipt keeps 2,000"),
        ([object()], "cannot be kept in a receipt"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_before_the_commit(database, value, said):
    connection = database.connect()
    with pytest.raises(PenstockError, match=said):
        load_with(connection, lambda: add(connection) and value)
    assert load_with(connection, lambda: add(connection, "again") and 1) == 1
    connection.close()
    assert database.effects == ["again"]


@everywhere("sqlite")
def test_a_coroutine_is_refused(database):
    async def body():
        pass

    connection = database.connect()
    with pytest.raises(PenstockError, match="a coroutine: give a plain function"):
        load_with(connection, body)
    connection.close()


@everywhere("sqlite", "duckdb", "psycopg", "psycopg that commits by itself")
def test_an_open_transaction_is_refused_and_left_alone(database):
    connection = database.connect()
    if database.kind == "duckdb":
        connection.begin()
    elif database.kind.endswith("itself"):
        connection.execute("BEGIN")
    add(connection, "mine")
    with pytest.raises(PenstockError, match="a transaction is open on the connection"):
        load_with(connection, lambda: add(connection))
    connection.commit()
    connection.close()
    assert database.effects == ["mine"]


def commit(connection: Any) -> None:
    add(connection)
    connection.execute("COMMIT")


def rollback(connection: Any) -> None:
    add(connection)
    connection.execute("ROLLBACK")


def commit_and_go_on(connection: Any) -> None:
    commit(connection)
    connection.execute("BEGIN")
    add(connection)


def rollback_and_go_on(connection: Any) -> None:
    rollback(connection)
    connection.execute("BEGIN")
    add(connection)


def use_as_context(connection: Any) -> None:
    with connection:
        add(connection)


@everywhere()
@pytest.mark.parametrize(
    "end",
    [commit, rollback, commit_and_go_on, rollback_and_go_on, use_as_context],
    ids=lambda end: end.__name__,
)
def test_a_body_that_ends_the_transaction_is_told(database, end):
    connection = database.connect()
    with pytest.raises(Exception) as caught:
        load_with(connection, lambda: end(connection))
    if end is not use_as_context:  # which closes it in psycopg and DuckDB
        assert "ended the transaction that it runs in" in str(caught.value)
    connection.close()
    again = database.connect()
    if end in (rollback, rollback_and_go_on) or (end is use_as_context and database.kind == "duckdb"):
        assert load_with(again, lambda: add(again, "again") and 1) == 1
        again.close()
        assert database.effects == ["again"]
    else:
        with pytest.raises(PenstockError, match="committed in the middle of the body that it gave to once"):
            load_with(again, lambda: add(again, "again"))
        again.close()
        assert database.effects == ["loaded"]


@everywhere("sqlite", "sqlite that commits by itself")
def test_a_body_that_runs_a_script(database):
    """sqlite3 commits before it."""
    connection = database.connect()
    with pytest.raises(PenstockError, match="ended the transaction that it runs in"):
        load_with(connection, lambda: connection.executescript("INSERT INTO effects VALUES ('loaded')"))
    connection.close()


@everywhere("psycopg", "psycopg that commits by itself", "duckdb")
def test_a_body_that_swallows_an_error_of_the_database(database):
    connection = database.connect()

    def body() -> None:
        add(connection)
        try:
            connection.execute("SELECT * FROM nowhere_at_all")
        except Exception:
            pass

    said = "transaction is aborted" if database.kind == "duckdb" else "one of its statements had failed"
    with pytest.raises((PenstockError, duckdb.Error), match=said):
        load_with(connection, body)
    connection.close()
    assert database.effects == []


@everywhere("psycopg", "psycopg that commits by itself")
def test_a_body_with_savepoints(database):
    connection = database.connect()

    def body() -> int:
        with connection.transaction():
            add(connection)
            with pytest.raises(psycopg.Error), connection.transaction():
                connection.execute("SELECT * FROM nowhere_at_all")
        return 1

    assert [load_with(connection, body) for _ in range(2)] == [1, 1]
    connection.close()
    assert database.effects == ["loaded"]


@everywhere("psycopg")
def test_asynchronous_connections_are_refused(database):
    import asyncio

    async def connect() -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(database.place)

    async def attempt() -> None:
        connection = await connect()
        with pytest.raises(PenstockError, match="takes a connection that is not asynchronous"):
            load_with(connection, lambda: None)
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("connection", ["a text", None, 5, object()])
def test_what_is_no_connection_is_refused(connection):
    with pytest.raises(PenstockError, match=r"takes a DB-API connection, which has cursor\(\), commit\(\)"):
        load_with(connection, lambda: None)


def test_outside_of_a_task():
    with pytest.raises(PenstockError, match="outside of a task"):
        current().once(None, lambda: None)


@everywhere("sqlite")
def test_a_table_that_cannot_be_made(database):
    connection = sqlite3.connect(f"file:{database.place}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly") as caught:
        load_with(connection, lambda: None)
    assert "penstock_receipt" in caught.value.__notes__[0]
    connection.close()

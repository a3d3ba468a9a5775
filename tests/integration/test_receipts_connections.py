"""Transactional loads through connections of many kinds, as their users set them up."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import Any, cast

import psycopg
import psycopg.rows
import pytest

from penstock.errors import PenstockError
from penstock.executor.receipts import Receipt, once
from penstock.executor.target import target_of
from tests.integration.effects import add, everywhere, load_with

pytest_plugins = ("tests.postgres_fixtures", "tests.integration.effects_fixtures")


MODES: list[dict[str, Any]] = [{"isolation_level": level} for level in (None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")]
if sys.version_info >= (3, 12):
    MODES += [{"autocommit": True}, {"autocommit": False}]


@everywhere("sqlite")
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_sqlite_in_every_mode_and_with_rows_and_texts_of_the_users(database, mode):
    def as_dict(cursor: sqlite3.Cursor, row: Any) -> dict[str, Any]:
        return {name: value for (name, *_), value in zip(cursor.description, row, strict=True)}

    connection = sqlite3.connect(database.place, **mode)
    for factory, text in [(sqlite3.Row, str), (as_dict, bytes), (lambda *_: None, str)]:
        connection.row_factory, connection.text_factory = cast(Any, factory), text
        key = Receipt(f"{factory}", "run", "load")
        for _ in range(2):
            value = once(target_of(connection), key, lambda: add(connection) and "wørth", may_commit=lambda: None)
            assert value == "wørth"
        with pytest.raises(ZeroDivisionError):
            load_with(connection, lambda: add(connection) and 1 / 0)
    assert not connection.in_transaction or mode.get("autocommit") is False
    connection.close()
    assert len(database.effects) == 3


@everywhere("psycopg")
def test_psycopg_with_rows_of_the_users(database):
    for factory in (psycopg.rows.dict_row, psycopg.rows.namedtuple_row, psycopg.rows.class_row(Receipt)):
        with psycopg.connect(database.place, row_factory=factory) as connection:
            key = Receipt(f"{factory}", "run", "load")
            for _ in range(2):
                assert once(target_of(connection), key, lambda: add(connection) and 5, may_commit=lambda: None) == 5
    assert len(database.effects) == 3


@everywhere("psycopg")
@pytest.mark.parametrize("level", list(psycopg.IsolationLevel))
def test_postgres_at_every_level_of_isolation(database, level):
    connections = [database.connect(), database.connect()]
    for connection in connections:
        connection.isolation_level = level
    values = [load_with(connection, lambda: add(connections[0]) and 7) for connection in connections]
    for connection in connections:
        connection.close()
    assert values == [7, 7]
    assert database.effects == ["loaded"]


@everywhere("psycopg")
def test_a_connection_that_is_lost_at_its_commit(database):
    """Nobody knows then whether it was done; the next attempt does."""
    connection = database.connect()

    def body() -> int:
        add(connection)
        pid = connection.info.backend_pid
        with psycopg.connect(database.place, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        return 1

    with pytest.raises(psycopg.OperationalError):
        load_with(connection, body)
    connection = database.connect()
    assert load_with(connection, lambda: add(connection) and 2) == 2
    connection.close()
    assert database.effects == ["loaded"]


class Plain:
    """A connection of a driver that nothing is known of: PEP 249 and no more."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def cursor(self) -> sqlite3.Cursor:
        return self._connection.cursor()

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()


@everywhere("sqlite")
def test_a_driver_that_nothing_is_known_of(database):
    connection = database.connect()
    plain = Plain(connection)
    add(connection, "mine")
    with pytest.raises(ZeroDivisionError):
        load_with(plain, lambda: add(connection, "wrong") and 1 / 0)
    assert [load_with(plain, lambda: add(connection) and 3) for _ in range(2)] == [3, 3]
    connection.close()
    assert database.effects == ["mine", "loaded"]


@everywhere("sqlite")
def test_a_driver_that_nothing_is_known_of_in_autocommit_mode(database):
    with closing(database.connect()) as connection:
        plain: Any = Plain(connection)
        plain.autocommit = True
        with pytest.raises(PenstockError, match="switch its autocommit off"):
            load_with(plain, lambda: None)
    assert not database.query("SELECT name FROM sqlite_schema WHERE name = 'penstock_receipt'")

"""Databases with effects in them, for the tests of transactional loads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import duckdb
import psycopg
import pytest

from penstock.executor.receipts import Receipt, once
from penstock.executor.target import target_of

KINDS = ["sqlite", "sqlite that commits by itself", "duckdb", "psycopg", "psycopg that commits by itself"]


class Database:
    """Where the effects of a test are; it travels to worker processes."""

    def __init__(self, kind: str, place: str) -> None:
        self.kind = kind
        self.place = place

    def connect(self) -> Any:
        """A new connection. In DuckDB, where a file has one owner, it is for all threads of a process to copy."""
        if self.kind == "duckdb":
            return duckdb.connect(self.place)
        if self.kind.startswith("sqlite"):
            connection = sqlite3.connect(self.place, check_same_thread=False, timeout=30)
            if self.kind != "sqlite":
                connection.isolation_level = None
            connection.execute("PRAGMA synchronous = OFF")
            return connection
        return psycopg.connect(self.place, autocommit=self.kind != "psycopg")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What is committed."""
        connection = self.connect()
        try:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return rows
        finally:
            connection.close()

    @property
    def effects(self) -> list[str]:
        """What was done."""
        return [what for (what,) in self.query("SELECT what FROM effects")]


def everywhere(*kinds: str) -> Any:
    return pytest.mark.parametrize("database", kinds or KINDS, indirect=True)


def add(connection: Any, what: str = "loaded") -> bool:
    """The effect."""
    connection.execute(f"INSERT INTO effects VALUES ('{what}')")
    return True


def load_with(connection: Any, body: Callable[[], Any]) -> Any:
    """One load under the key "key"."""
    return once(target_of(connection), Receipt("key", "run", "load"), body, may_commit=lambda: None)

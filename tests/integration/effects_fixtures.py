"""The fixture `database`, for modules that have this one and `tests.postgres_fixtures` among their plugins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.integration.effects import Database


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with a table of effects."""
    kind: str = request.param
    if kind.startswith("psycopg"):
        server: str = request.getfixturevalue("postgres")
        name = f"effects_{tmp_path.name.lower()}".replace("-", "_")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        database = Database(kind, psycopg.conninfo.make_conninfo(server, dbname=name))
    else:
        database = Database(kind, str(tmp_path / "effects"))
    with closing(database.connect()) as connection, connection:  # one of SQLite's is not closed by its own context
        connection.execute("CREATE TABLE effects (what VARCHAR(100))")
    yield database
    if kind.startswith("psycopg"):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

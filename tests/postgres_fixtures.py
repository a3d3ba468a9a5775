"""Fixtures with a PostgreSQL server, for modules that say `pytest_plugins = ("tests.postgres_fixtures",)`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from tests.postgres import GIVEN, Admin, Server, with_schema


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server that all tests share, and none may stop."""
    if GIVEN is not None:
        yield GIVEN
        return
    server = Server()
    yield server.url
    server.remove()


@pytest.fixture
def postgres_urls(postgres: str) -> Iterator[Callable[[str], str]]:
    """The URL of a store for each name, the same for the same one: schemas of this test."""
    mine = f"t{uuid.uuid4().hex[:12]}"
    yield lambda name: with_schema(postgres, f"{mine}_{name}")
    with psycopg.connect(postgres, autocommit=True) as db:
        rows = db.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (mine,)).fetchall()
        for (schema,) in rows:
            db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


@pytest.fixture
def postgres_url(postgres_urls: Callable[[str], str]) -> str:
    """The URL of a new store."""
    return postgres_urls("s")


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that the tests of one module may stop and start; they leave it running."""
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def admin(postgres_url: str) -> Iterator[Admin]:
    """The administrator of the new store's schema, which is there when a store was opened."""
    admin = Admin(postgres_url)
    yield admin
    admin.close()

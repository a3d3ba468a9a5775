"""Connections to the database: how they are set up, and what is made of PostgreSQL's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8BinaryDumper

from penstock.errors import StoreCorrupt, StoreError
from penstock.store.postgres.address import Address
from penstock.store.statements import statements

Row: TypeAlias = tuple[Any, ...]
Connection: TypeAlias = psycopg.Connection[Row]

OLDEST = 150000
"""The oldest version of the server that the store was tried with."""
_CONNECT_WITHIN = 10  # seconds

_TEXTS: tuple[tuple[type[psycopg.Error], type[StoreError], str], ...] = (
    (errors.DataCorrupted, StoreCorrupt, "the database is damaged: restore a backup"),
    (errors.IndexCorrupted, StoreCorrupt, "an index of the database is damaged: have it rebuilt with REINDEX"),
    (errors.UndefinedTable, StoreCorrupt, "tables of the store are missing: restore a backup, or drop its schema"),
    (errors.UndefinedColumn, StoreCorrupt, "tables of the store were changed: restore a backup, or upgrade Penstock"),
    (errors.DiskFull, StoreError, "the server's disk is full: make room and try again"),
    (errors.InsufficientPrivilege, StoreError, "the role of the URL lacks a right: grant it"),
    (errors.ReadOnlySqlTransaction, StoreError, "the server takes no writes, e.g. since it is a standby"),
    (errors.TooManyConnections, StoreError, "the server has too many connections: raise max_connections"),
)


@cache
def queries() -> dict[str, bytes]:
    """The SQL of the store, by name."""
    return {name: sql.encode() for name, sql in statements(Path(__file__).with_name("queries.sql")).items()}


def storable(*values: Any) -> list[Any]:
    """The values, with what PostgreSQL cannot keep in a text (NUL, lone surrogates) as backslash escapes."""
    return [
        value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for value in values
    ]


def store_error(error: psycopg.Error, address: Address) -> StoreError:
    """The error to raise in place of one of PostgreSQL's."""
    said = error.diag.message_primary or " ".join(str(error).split())[:500]
    for kind, family, text in _TEXTS:
        if isinstance(error, kind):
            return family(f"{address.shown}: {text} ({said})")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return StoreError(f"{address.shown}: the server cannot be reached, or has ended the connection ({said})")
    return StoreError(f"{address.shown}: {said}")


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raise StoreError in place of PostgreSQL's errors."""
    try:
        yield
    except psycopg.Error as error:
        raise store_error(error, address) from error


def connect(address: Address) -> Connection:
    """A session with the server, which is given up when the server's machine is not heard for the period of a lease.

    Every statement is a transaction of its own, prepared when it is first used. psycopg's errors are the caller's to
    translate; StoreError where the server is none for a store.
    """
    probe, probes, silence = address.keepalives
    defaults = {
        "connect_timeout": str(_CONNECT_WITHIN),
        "fallback_application_name": "penstock",
        "keepalives_idle": probe,
        "keepalives_interval": probe,
        "keepalives_count": probes,
        "tcp_user_timeout": silence,
    }
    db = psycopg.Connection[Row].connect(
        make_conninfo(**{**defaults, **address.parameters, "client_encoding": "utf8"}),
        autocommit=True,
        prepare_threshold=0,
        cursor_factory=psycopg.RawCursor,
    )
    try:
        db.adapters.register_dumper(int, Int8BinaryDumper)  # one type, so that a statement is prepared once
        [(*_, version, encoding)] = db.execute(queries()["settings"], [address.schema], prepare=False).fetchall()
        if version < OLDEST:
            raise StoreError(f"{address.shown}: PostgreSQL is older than {OLDEST // 10000}: upgrade the server")
        if encoding != "UTF8":
            raise StoreError(f"{address.shown}: the database's encoding is {encoding}: create one with ENCODING 'UTF8'")
    except BaseException:
        db.close()
        raise
    return db


def execute(db: Connection, name: str, *values: Any) -> list[Row]:
    """All rows that a statement of the store gives."""
    found = db.execute(queries()[name], values, binary=True)
    return found.fetchall() if found.description is not None else []


def refuse_transaction_pooling(db: Connection, address: Address) -> None:
    """StoreError if a pooler lends the server's process of this session to others between two transactions.

    A pooler names a process of its own when a session begins, which is how one is suspected. One that lends gives the
    process that was used last to the next transaction, be it another client's.
    """
    [(before,)] = execute(db, "session")
    if before == db.pgconn.backend_pid:
        return
    with connect(address) as other, other.transaction():
        [(lent,)] = other.execute(queries()["session"], prepare=False).fetchall()
    if lent == before:
        raise StoreError(
            f"{address.shown}: a connection pooler lends the server's processes for single transactions (as pgbouncer "
            "with pool_mode = transaction), but a run's lease is held by a session: connect to the server itself, or "
            "to a pooler with pool_mode = session"
        )

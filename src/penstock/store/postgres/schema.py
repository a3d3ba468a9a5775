"""Which version of the store's tables a database has, and how it comes to the present one.

New tables are made from schema.sql. The file `migrations/N.sql` leads from version N-1 to version N, so older tables
are brought up to date by each in turn, in one transaction. What holds for both is kept by a test: the result is the
same.

Processes of an older Penstock may have the store open meanwhile. So a step either leaves true what their statements say
(a column with a default, a table, an index), or renames the tables they name, so that they fail before they do harm.
"""

from __future__ import annotations

from pathlib import Path

from penstock.errors import StoreCorrupt
from penstock.store.postgres.address import Address
from penstock.store.postgres.connection import Connection

VERSION = 4
_HERE = Path(__file__).parent
_GATE = 0  # the second number of the advisory lock under which the schema changes; runs count from 1


def prepare(db: Connection, address: Address, version: int = VERSION, folder: Path = _HERE) -> None:
    """Give the database the present tables. StoreCorrupt if the schema is another program's, or a newer Penstock's."""
    if _version(db, address) == version:
        return
    with db.transaction():
        db.execute(b"SELECT pg_advisory_xact_lock($1::int4, $2::int4)", (address.key, _GATE))
        found = _version(db, address)
        if found == version:
            return
        if found is not None and found > version:
            raise StoreCorrupt(
                f"{address.shown} is of a newer Penstock (its schema is {found}, this one knows {version}): upgrade "
                "Penstock"
            )
        if found is None:
            _create(db, address, folder)
        else:
            for step in range(found + 1, version + 1):
                _run_file(db, folder / "migrations" / f"{step}.sql")
        db.execute(b"DELETE FROM penstock_version")
        db.execute(b"INSERT INTO penstock_version VALUES ($1)", (version,))


def _create(db: Connection, address: Address, folder: Path) -> None:
    [(oid,)] = db.execute(b"SELECT to_regnamespace(quote_ident($1))::oid", (address.schema,)).fetchall()
    if oid is None:
        db.execute(b"CREATE SCHEMA " + _quoted(address))
    elif db.execute(b"SELECT FROM pg_class WHERE relnamespace = $1 LIMIT 1", (oid,)).fetchall():
        raise StoreCorrupt(
            f"{address.shown}: schema {address.schema} holds tables of another program: choose another one, with "
            "?penstock_schema=NAME in the URL"
        )
    _run_file(db, folder / "schema.sql")


def _version(db: Connection, address: Address) -> int | None:
    """The version of the store's tables; None if there are none."""
    query = (
        b"SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        b" WHERE nspname = $1 AND relname = 'penstock_version' AND relkind = 'r'"
    )
    if not db.execute(query, (address.schema,)).fetchall():
        return None
    # By its whole name: where the role has no right to the schema, it is to hear of that.
    rows = db.execute(b"SELECT version FROM " + _quoted(address) + b".penstock_version").fetchall()
    return int(rows[0][0]) if rows else None


def _quoted(address: Address) -> bytes:
    return b'"' + address.schema.replace('"', '""').encode() + b'"'


def _run_file(db: Connection, path: Path) -> None:
    db.execute(path.read_bytes(), prepare=False)  # several statements, which cannot be prepared at once

"""Which schema a database has, and how it comes to the present one.

A new database is made from schema.sql. The file `migrations/N.sql` leads from version N-1 to version N, so an older
database is brought up to date by each in turn, all in one transaction. Before that it is copied to
`penstock.db.vN-backup`, N being the version it has; the copy stays until the next such time. What holds for both ways
is kept by a test: the result is the same.

Processes of an older Penstock may have the store open meanwhile. SQLite prepares their statements anew, by the schema
as it is then. So a step either leaves true what these statements say (a column with a default, a table, an index), or
renames the tables they name, so that they fail before they do harm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from penstock.errors import StoreCorrupt
from penstock.store.sqlite.copying import copy_database

VERSION = 5
APPLICATION = 0x50454E53  # "PENS", in the header of the file
_HERE = Path(__file__).parent


def is_current(db: apsw.Connection) -> bool:
    """Whether the database has the present schema."""
    return (_number(db, "application_id"), _number(db, "user_version")) == (APPLICATION, VERSION)


def check_ours(db: apsw.Connection, path: Path, version: int = VERSION) -> None:
    """StoreCorrupt if a database that is not empty is none of ours, or a newer one."""
    found = _number(db, "user_version")
    if _number(db, "application_id") != APPLICATION:
        if not _is_empty(db):
            raise StoreCorrupt(f"{path} is a database of another program: choose another folder for the store")
    elif found > version:
        raise StoreCorrupt(
            f"{path} is of a newer Penstock (its schema is {found}, this one knows {version}): upgrade Penstock"
        )


def prepare(db: apsw.Connection, path: Path, version: int = VERSION, folder: Path = _HERE) -> None:
    """Give the database the present schema, in a transaction that keeps others from writing. StoreCorrupt if it is none
    of ours, or a newer one."""
    check_ours(db, path, version)
    found = _number(db, "user_version")
    if _is_empty(db):
        _refuse_remains(path)
        db.execute((folder / "schema.sql").read_text("utf-8"))
        db.execute(f"PRAGMA application_id = {APPLICATION}")
    elif found < version:
        _keep_copy(path, found)
        for step in range(found + 1, version + 1):
            db.execute((folder / "migrations" / f"{step}.sql").read_text("utf-8"))
    if found != version:
        db.execute(f"PRAGMA user_version = {version}")


def _refuse_remains(path: Path) -> None:
    """StoreCorrupt where there was a database before: runs that were on record do not vanish without a word."""
    for name in ("results", "logs"):
        if (path.parent / name).exists():
            raise StoreCorrupt(
                f"{path} is new or empty, but {name} of runs lie beside it: restore a backup, or move the folder "
                f"{path.parent} away to begin a new store"
            )


def backup_path(path: Path, version: int) -> Path:
    """Where a database is kept as it was with an older schema."""
    return path.with_name(f"{path.name}.v{version}-backup")


def _is_empty(db: apsw.Connection) -> bool:
    names = ("application_id", "user_version", "schema_version")
    return not any(_number(db, name) for name in names)


def _keep_copy(path: Path, version: int) -> None:
    kept = backup_path(path, version)
    copy_database(path, kept)
    for older in path.parent.glob(f"{path.name}.v*-backup"):
        if older != kept:
            older.unlink(missing_ok=True)


def _number(db: apsw.Connection, pragma: str) -> int:
    rows: list[tuple[Any, ...]] = db.execute(f"PRAGMA {pragma}").fetchall()
    return int(rows[0][0])

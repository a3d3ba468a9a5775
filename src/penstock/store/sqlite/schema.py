"""Which schema a database has, and how it comes to the present one.

A new database is made from schema.sql. The file `migrations/N.sql` leads from version N-1 to version N, so an older
database is brought up to date by each in turn. What holds for both is kept by a test: the result is the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from penstock.errors import StoreCorrupt

VERSION = 1
APPLICATION = 0x50454E53  # "PENS", in the header of the file
_HERE = Path(__file__).parent


def is_current(db: apsw.Connection) -> bool:
    """Whether the database has the present schema."""
    return (_number(db, "application_id"), _number(db, "user_version")) == (APPLICATION, VERSION)


def prepare(db: apsw.Connection, path: Path, version: int = VERSION, folder: Path = _HERE) -> None:
    """Give the database the present schema, in a transaction. StoreCorrupt if it is none of ours, or a newer one."""
    application, found = _number(db, "application_id"), _number(db, "user_version")
    if application == 0 and found == 0 and _number(db, "schema_version") == 0:
        db.execute((folder / "schema.sql").read_text("utf-8"))
        db.execute(f"PRAGMA application_id = {APPLICATION}")
    elif application != APPLICATION:
        raise StoreCorrupt(f"{path} is a database of another program: choose another folder for the store")
    elif found > version:
        raise StoreCorrupt(
            f"{path} is of a newer Penstock (its schema is {found}, this one knows {version}): upgrade Penstock"
        )
    else:
        for step in range(found + 1, version + 1):
            db.execute((folder / "migrations" / f"{step}.sql").read_text("utf-8"))
    if found != version:
        db.execute(f"PRAGMA user_version = {version}")


def _number(db: apsw.Connection, pragma: str) -> int:
    rows: list[tuple[Any, ...]] = db.execute(f"PRAGMA {pragma}").fetchall()
    return int(rows[0][0])

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from penstock.errors import StoreCorrupt
from penstock.store.sqlite import SQLiteStore
from penstock.store.sqlite.schema import APPLICATION, VERSION, is_current, prepare

HERE = Path(prepare.__code__.co_filename).parent


def described(db: apsw.Connection) -> list[tuple[object, ...]]:
    return db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def pragma(db: apsw.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchall()[0][0]


def test_a_new_database_gets_the_schema():
    db = apsw.Connection(":memory:")
    assert not is_current(db)
    prepare(db, Path("penstock.db"))
    assert is_current(db)
    assert (pragma(db, "application_id"), pragma(db, "user_version")) == (APPLICATION, VERSION)
    before = described(db)
    prepare(db, Path("penstock.db"))
    assert described(db) == before


def test_every_table_is_strict():
    db = apsw.Connection(":memory:")
    prepare(db, Path("penstock.db"))
    tables = db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    assert {name for name, strict in tables if not strict} <= {"sqlite_schema", "sqlite_sequence"}
    assert len(tables) > 5


def test_there_is_a_migration_to_every_version_but_the_first():
    steps = {int(path.stem) for path in (HERE / "migrations").glob("*.sql")}
    assert steps == set(range(2, VERSION + 1))


def write(path: Path, *statements: str) -> None:
    db = apsw.Connection(str(path))
    for statement in statements:
        db.execute(statement)
    db.close()


def test_a_newer_schema_is_refused(tmp_path: Path):
    SQLiteStore(tmp_path).close()
    write(tmp_path / "penstock.db", f"PRAGMA user_version = {VERSION + 1}")
    before = (tmp_path / "penstock.db").read_bytes()
    with pytest.raises(StoreCorrupt, match=r"newer Penstock.*upgrade") as refusal:
        SQLiteStore(tmp_path)
    assert (tmp_path / "penstock.db").read_bytes() == before
    write(tmp_path / "penstock.db", f"PRAGMA user_version = {VERSION}")  # which is not locked, although there is still
    assert refusal.traceback
    SQLiteStore(tmp_path).close()


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path):
    write(tmp_path / "penstock.db", "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
    before = (tmp_path / "penstock.db").read_bytes()
    with pytest.raises(StoreCorrupt, match="another program"):
        SQLiteStore(tmp_path)
    assert (tmp_path / "penstock.db").read_bytes() == before
    db = apsw.Connection(str(tmp_path / "penstock.db"))
    assert db.execute("SELECT * FROM theirs").fetchall() == [(1,)]
    assert len(described(db)) == 1
    db.close()

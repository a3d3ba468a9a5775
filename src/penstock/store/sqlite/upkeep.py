"""Looking after a store in a folder: is it whole, what can go, how to copy it and how to make it smaller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from penstock.errors import RunLocked, StoreError
from penstock.store.sqlite.connection import Reader, connect, store_error
from penstock.store.sqlite.copying import copy_database
from penstock.store.sqlite.folder import prepare_folder
from penstock.store.sqlite.locks import LockFile
from penstock.store.sqlite.pools import Pools
from penstock.store.sqlite.schema import VERSION
from penstock.store.sqlite.writer import Writer
from penstock.store.upkeep import DEAD_CLAIMS, Told, decided_wrongly

_MOST = 20
"""Complaints of SQLite's that are passed on: a damaged page gives hundreds."""
_STRAYS = (
    ("note of a plan that a lost run followed", "stray_notes", "delete_stray_notes"),
    ("plan that no run follows", "unfollowed_plans", "delete_unfollowed_plans"),
    ("lease of no run", "stray_leases", "delete_stray_leases"),
    ("message to no run", "stray_messages", "delete_stray_messages"),
    ("note of how long the tasks of a lost run took", "stray_durations", "delete_stray_durations"),
)


class SQLiteUpkeep:
    """See `FileUpkeep`."""

    schema = VERSION  # opening a store brings it up to date

    def __init__(
        self,
        folder: Path,
        reader: Reader,
        writer: Writer,
        leases: LockFile,
        pools: Pools,
        sql: dict[str, str],
        wake: Path,
    ) -> None:
        self._path = folder / "penstock.db"
        self._reader = reader
        self._writer = writer
        self._leases = leases
        self._pools = pools
        self._sql = sql
        self._wake = wake

    def faults(self) -> Iterator[str]:
        """What SQLite finds wrong with the file, and rows that refer to what is not there."""
        try:
            yield from self._of_the_file()
        except apsw.Error as error:
            yield str(store_error(error, self._path))
            return
        for (number,) in self._reader.rows(self._sql["stray_journals"]):
            yield f"there is a journal of run number {number}, which is not on record: its row was lost"
        yield from decided_wrongly(
            self._reader.rows(self._sql["late_cursors"]), self._reader.rows(self._sql["tickless_runs"])
        )

    def _of_the_file(self) -> Iterator[str]:
        db = connect(self._path)  # its own, as this takes long
        try:
            for (line,) in db.execute(f"PRAGMA integrity_check({_MOST})").fetchall():
                if line != "ok":
                    yield f"SQLite finds the database damaged: {line}"
            for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall()[:_MOST]:
                yield f"row {row} of table {table} refers to what table {parent} does not have"
        finally:
            db.close()

    def leftovers(self, *, remove: bool = False) -> dict[str, int]:
        """Rows and wake pipes that nobody needs."""
        found: dict[str, int] = {}
        for name, how_many, delete in _STRAYS:
            found[name] = self._reader.rows(self._sql[how_many])[0][0]
            if remove and found[name]:
                found[name] = self._writer.commit(partial(_changes, statement=self._sql[delete]))
        found[DEAD_CLAIMS] = self._pools.leftovers(remove=remove)
        found["pipe of a dead driver"] = sum(1 for pipe in self._pipes() if self._is_dead(pipe, remove))
        return {name: number for name, number in found.items() if number}

    def _pipes(self) -> list[Path]:
        return [path for path in self._wake.iterdir() if path.name.isdecimal()]

    def _is_dead(self, pipe: Path, remove: bool) -> bool:
        number = int(pipe.name)
        if not remove:
            return self._leases.owner(number) is None
        if not self._leases.take(number):  # and nobody begins to drive the run meanwhile
            return False
        try:
            pipe.unlink(missing_ok=True)
        finally:
            self._leases.give_back(number)
        return True

    def copy_to(self, folder: Path, told: Told | None = None) -> None:
        """Make a store of the same content in another folder."""
        self._reader.check()
        prepare_folder(folder)
        try:
            copy_database(self._path, folder / self._path.name, told)
            (folder / ".gitignore").write_text("*\n", "utf-8")
        except (apsw.Error, OSError) as error:
            raise store_error(error, folder) from error

    def vacuum(self) -> tuple[int, int]:
        """Have SQLite write the database anew without the pages that are free."""
        for number, run_id in self._reader.rows(self._sql["run_numbers"]):
            pid = self._leases.owner(number)
            if pid is not None:
                raise RunLocked(
                    f"run {run_id} is being driven by process {pid}, which could write nothing meanwhile: wait for its "
                    "end, or cancel it"
                )
        before = self.size()
        self._writer.vacuum()
        return before, self.size()

    def size(self) -> int:
        """The bytes of the database and its log."""
        return _size(self._path) + _size(self._path.with_name(f"{self._path.name}-wal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def _changes(db: apsw.Connection, statement: str) -> int:
    db.execute(statement)
    changes: Any = db.changes()
    return int(changes)

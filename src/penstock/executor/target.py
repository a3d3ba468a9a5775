"""The database that a transactional load writes to, through a connection of the user's.

PEP 249 has no way to begin a transaction, to ask whether one is open, or to tell one from the next, and drivers differ
in all three. There is a class here for each way that is known, and one for drivers that do as PEP 249 says and no more.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from penstock.errors import PenstockError

_SAVEPOINT = "penstock_body"


class Target:
    """A connection of a driver that begins a transaction by itself with the first statement, as PEP 249 says.

    What was done on it before and is not committed yet cannot be seen, and is committed first.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def begin(self, *, write: bool = True) -> None:
        """Begin a transaction. PenstockError if the connection is not fit for one."""
        connection = self.connection
        told = getattr(connection, "get_autocommit", None)
        if getattr(connection, "autocommit", False) is True or (callable(told) and told()):
            raise PenstockError(
                f"once() needs a transaction, and this connection ({_kind(connection)}) commits each statement by "
                "itself: switch its autocommit off"
            )
        if getattr(connection, "in_transaction", False) is True:
            raise _in_transaction()
        connection.commit()

    def mark(self) -> None:
        """Remember which transaction this is."""

    def check(self) -> None:
        """PenstockError if the marked transaction has ended."""

    def commit(self) -> None:
        """Commit."""
        self.connection.commit()

    def rollback(self) -> None:
        """Undo what the transaction did. No error, since it is called where there is one."""
        try:
            self.connection.rollback()
        except Exception:  # the connection is gone, and with it the transaction; or the body has ended it
            pass

    def execute(self, sql: str) -> None:
        """Execute a statement."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
        finally:
            cursor.close()

    def fetch(self, sql: str) -> tuple[Any, ...] | None:
        """The first row that a query finds."""
        cursor = self.connection.cursor()
        try:
            self._plain_rows(cursor)
            cursor.execute(sql)
            row = cursor.fetchone()
        finally:
            cursor.close()
        if row is None:
            return None
        return tuple(row.values()) if isinstance(row, Mapping) else tuple(row)

    def _plain_rows(self, cursor: Any) -> None:
        """Make a cursor give tuples, where the user may have asked for something else."""

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[None]:
        """A transaction that is undone if anything is raised in it, and otherwise goes on."""
        self.begin(write=write)
        try:
            yield
        except BaseException:
            self.rollback()
            raise


class _Savepoints(Target):
    """Where there are savepoints, one tells whether the transaction is still the same."""

    def mark(self) -> None:
        self.execute(f"SAVEPOINT {_SAVEPOINT}")

    def check(self) -> None:
        try:
            self.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        except Exception as error:
            if getattr(self.connection, "closed", False):  # not by the body, which would have made another error
                raise
            raise _ended(str(error)) from error


class SQLiteTarget(_Savepoints):
    """`sqlite3`, in each of its transaction modes."""

    def begin(self, *, write: bool = True) -> None:
        connection = self.connection
        if self._always_in_transaction:
            connection.commit()
        elif connection.in_transaction:
            raise _in_transaction()
        else:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")

    @property
    def _always_in_transaction(self) -> bool:
        # From Python 3.12 on; True means that commit() does nothing, another value that it does.
        return getattr(self.connection, "autocommit", None) is False

    def commit(self) -> None:
        if self._always_in_transaction:
            self.connection.commit()
        else:
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        try:
            if self._always_in_transaction:
                self.connection.rollback()
            elif self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except Exception:  # see Target.rollback
            pass

    def _plain_rows(self, cursor: Any) -> None:
        cursor.row_factory = None


class PostgresTarget(_Savepoints):
    """`psycopg` and `psycopg2`."""

    def begin(self, *, write: bool = True) -> None:
        if int(self.connection.info.transaction_status) in (1, 2, 3):  # in a statement, open, open after an error
            raise _in_transaction()
        if self.connection.autocommit:
            self.execute("BEGIN")

    def check(self) -> None:
        if int(self.connection.info.transaction_status) == 3:
            raise PenstockError(
                "the body of once() returned although one of its statements had failed, and PostgreSQL commits nothing "
                "of such a transaction: let the error pass, or put what may fail into a savepoint"
            )
        super().check()

    def commit(self) -> None:
        if self.connection.autocommit:  # where psycopg2's commit() does nothing
            self.execute("COMMIT")
        else:
            self.connection.commit()

    def rollback(self) -> None:
        try:
            if self.connection.autocommit:
                self.execute("ROLLBACK")
            else:
                self.connection.rollback()
        except Exception:  # see Target.rollback
            pass

    def _plain_rows(self, cursor: Any) -> None:
        if _made_by(cursor, "psycopg"):  # psycopg2's rows are tuples or mappings
            cursor.row_factory = lambda _: tuple


class DuckDBTarget(Target):
    """`duckdb`, where a cursor is another connection."""

    def begin(self, *, write: bool = True) -> None:
        # Not by trying to begin: that would abort the transaction which is open.
        if self._number() == self._number():
            raise _in_transaction()
        self.connection.begin()

    def mark(self) -> None:
        self._marked = self._number()

    def check(self) -> None:
        if self._number() != self._marked:
            raise _ended("another transaction is open, or none")

    def execute(self, sql: str) -> None:
        self.connection.execute(sql)

    def fetch(self, sql: str) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self.connection.execute(sql).fetchone()
        return row

    def _number(self) -> object:
        """Of the transaction; outside of one each statement has a new one."""
        return self.connection.execute("SELECT txid_current()").fetchone()


def target_of(connection: Any) -> Target:
    """How to deal with this connection. PenstockError if it cannot be dealt with."""
    if any(not callable(getattr(connection, name, None)) for name in ("cursor", "commit", "rollback")):
        raise PenstockError(
            f"once() takes a DB-API connection, which has cursor(), commit() and rollback(), not {_kind(connection)}"
        )
    if inspect.iscoroutinefunction(connection.commit):
        raise PenstockError(
            f"once() takes a connection that is not asynchronous, unlike {_kind(connection)}: open a plain one for it"
        )
    if _made_by(connection, "duckdb", "_duckdb"):
        return DuckDBTarget(connection)
    if hasattr(connection, "executescript") and hasattr(connection, "in_transaction"):
        return SQLiteTarget(connection)
    if hasattr(getattr(connection, "info", None), "transaction_status"):
        return PostgresTarget(connection)
    return Target(connection)


def _made_by(value: object, *packages: str) -> bool:
    return any(kind.__module__.partition(".")[0] in packages for kind in type(value).__mro__)


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _in_transaction() -> PenstockError:
    return PenstockError(
        "a transaction is open on the connection that once() was given: commit it or roll it back before"
    )


def _ended(why: str) -> PenstockError:
    return PenstockError(
        f"the body of once() ended the transaction that it runs in ({why}): leave out commit(), rollback(), `with "
        "connection`, executescript() and statements that commit by themselves. If it has committed, that stays, and "
        "once() will not run it again for this task: look at what is there, then rerun the task"
    )

"""Transactional loads: what a task does through `current().once()` is done once, in real databases, whatever dies."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg
import psycopg.rows
import pytest

from penstock import RunFailed, Workflow, WorkflowManager, current, task
from penstock.errors import PenstockError
from penstock.executor.receipts import Receipt, once
from penstock.executor.target import target_of

pytest_plugins = ("tests.postgres_fixtures",)

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
    with database.connect() as connection:
        connection.execute("CREATE TABLE effects (what VARCHAR(100))")
    yield database
    if kind.startswith("psycopg"):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def everywhere(*kinds: str) -> Any:
    return pytest.mark.parametrize("database", kinds or KINDS, indirect=True)


def run(flow: Workflow, *, executor: str = "threads", **options: Any) -> Any:
    manager = WorkflowManager("memory", executor=executor, workers=2, observers=[], **options)
    return manager.run(flow, raise_on_failure=False)


def add(connection: Any, what: str = "loaded") -> bool:
    """The effect."""
    connection.execute(f"INSERT INTO effects VALUES ('{what}')")
    return True


# --- Once, whatever dies


@everywhere()
def test_a_load_gives_back_what_its_body_returned(database):
    @task
    def load():
        connection = database.connect()

        def body():
            add(connection)
            return {"rows": 1, "day": date(2013, 1, 2), "pair": (1, None)}

        value = current().once(connection, body)
        connection.close()
        return value

    with Workflow("flow") as flow:
        load()
    done = run(flow)
    assert done.task("load").result == {"rows": 1, "day": date(2013, 1, 2), "pair": (1, None)}
    assert database.effects == ["loaded"]
    [(run_id, name, label)] = database.query("SELECT run_id, task, name FROM penstock_receipt")
    assert (run_id, name, label or "") == (done.id, "load", "")


@pytest.mark.parametrize(
    ("database", "moment"),
    [
        ("sqlite", "after the commit"),
        ("duckdb", "after the commit"),
        ("psycopg", "after the commit"),
        ("psycopg that commits by itself", "before the commit"),
    ],
    indirect=["database"],
)
def test_a_process_killed_around_the_commit(database, moment, tmp_path):
    died = tmp_path / "died"

    def die_once(when):
        import os
        import signal

        if when == moment and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    @task
    def load():
        connection = database.connect()

        def body():
            add(connection)
            die_once("before the commit")
            return current().attempt

        made_by = current().once(connection, body)
        die_once("after the commit")
        return made_by, current().attempt

    with Workflow("flow") as flow:
        load()
    row = run(flow, executor="processes").task("load")
    assert row.result == (2 if moment == "before the commit" else 1, 2)
    assert row.lost == 1
    assert database.effects == ["loaded"]


SCRIPT = """
import os, signal, sys
from pathlib import Path
from penstock import WorkflowManager, current, task, workflow
from tests.integration.test_receipts import Database, add

database = Database(*sys.argv[1:3])

@task
def load(times):
    connection = database.connect()
    def body():
        add(connection, f"times {times}")
        return current().attempt
    made_by = current().once(connection, body)
    if current().attempt == 1 and current().generation == 0:
        os.kill(os.getpid(), signal.SIGKILL)  # this is the driver
    return made_by

@workflow
def flow(times: int = 2):
    load(times)

manager = WorkflowManager("sqlite", executor="threads", observers=[])
if manager.runs():
    print(manager.resume(workflow=flow).task("load").result)
    print(manager.rerun(only=["load"], workflow=flow).task("load").result)
else:
    manager.run(flow)
"""


@everywhere("sqlite", "duckdb", "psycopg")
def test_a_driver_killed_after_the_commit_and_a_rerun(database):
    """Resumed, the load is not made again; rerun by hand, it is."""
    Path(".penstock").mkdir()

    def play() -> subprocess.CompletedProcess[str]:
        root = str(Path(__file__).parents[2])
        return subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {root!r})\n{SCRIPT}",
                database.kind,
                database.place,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    killed = play()
    assert killed.returncode == -9, killed.stderr
    assert database.effects == ["times 2"]
    resumed = play()
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "1\n1\n"
    assert database.effects == ["times 2", "times 2"]
    assert len(database.query("SELECT * FROM penstock_receipt")) == 2


@everywhere()
def test_a_body_that_raises_has_done_nothing(database):
    @task(retries=1)
    def load():
        connection = database.connect()

        def body():
            add(connection, f"attempt {current().attempt}")
            if current().attempt == 1:
                raise ValueError("not this time")

        try:
            current().once(connection, body)
        finally:
            connection.close()

    with Workflow("flow") as flow:
        load()
    row = run(flow).task("load")
    assert (row.state, row.attempts, row.result) == ("success", 2, None)
    assert database.effects == ["attempt 2"]


@everywhere()
def test_a_load_that_is_tried_again_in_its_attempt(database):
    """Where it failed, it may be called again, on the same connection."""

    @task
    def load():
        connection = database.connect()
        calls = []

        def body():
            calls.append(1)
            add(connection, f"call {len(calls)}")
            if len(calls) < 3:
                raise ConnectionError
            return len(calls)

        for _ in range(3):
            try:
                value = current().once(connection, body)
            except ConnectionError:
                pass
        connection.close()
        return value

    with Workflow("flow") as flow:
        load()
    assert run(flow).task("load").result == 3
    assert database.effects == ["call 3"]


@everywhere()
def test_attempts_at_the_same_time(database):
    """Two hold the same key, and neither knows of the other: one has its effect, both get its value."""
    shared = database.connect()
    barrier = threading.Barrier(2)
    seen: dict[int, list[object]] = {0: [], 1: []}
    rounds = 10

    def attempt(number: int) -> None:
        connection = shared.cursor() if database.kind == "duckdb" else database.connect()
        for round in range(rounds):
            receipt = Receipt(f"run:load:0:{round}", "run", "load")

            def body(round: int = round) -> str:
                add(connection, f"round {round}")
                return f"round {round} by {number}"

            barrier.wait(60)
            try:
                seen[number].append(once(target_of(connection), receipt, body, may_commit=lambda: None))
            except BaseException as error:
                seen[number].append(error)
                barrier.abort()
                break
        connection.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    assert seen[0] == seen[1]
    assert len(seen[0]) == rounds
    assert sorted(database.effects) == sorted(f"round {round}" for round in range(rounds))


@everywhere("sqlite", "psycopg")
def test_an_attempt_waits_for_another_ones_receipt(database):
    """And makes the load itself if the other one fails."""
    inside, end = threading.Event(), threading.Event()
    receipt = Receipt("run:load:0:0", "run", "load")
    first, second = database.connect(), database.connect()

    def fail() -> None:
        add(first, "first")
        inside.set()
        end.wait()
        raise ValueError

    def attempt() -> None:
        with pytest.raises(ValueError):
            once(target_of(first), receipt, fail, may_commit=lambda: None)

    def make() -> int:
        add(second, "second")
        return 2

    thread = threading.Thread(target=attempt)
    thread.start()
    inside.wait()
    threading.Timer(0.2, end.set).start()
    assert once(target_of(second), receipt, make, may_commit=lambda: None) == 2
    thread.join()
    assert database.effects == ["second"]
    first.close()
    second.close()


def test_an_attempt_whose_time_is_over_commits_nothing(tmp_path, monkeypatch):
    """It is given up, another one makes the load, and then it comes back."""
    database = Database("sqlite", str(tmp_path / "effects"))
    add_table = database.connect()
    add_table.execute("CREATE TABLE effects (what TEXT)")
    stuck, second_is_done, ended = threading.Event(), threading.Event(), threading.Event()
    errors = []

    @task(timeout=0.3, retries=1)
    def load():
        connection = database.connect()
        number = current().attempt
        me = current()

        def body():
            # A body that cannot be ended: it swallows what is raised in it.
            while number == 1 and not second_is_done.is_set():
                try:
                    stuck.set()
                    second_is_done.wait()
                except BaseException:
                    pass
            add(connection, f"attempt {number}")

        if number == 2:
            second_is_done.set()
            ended.wait()
            me.once(connection, body)
        else:
            try:
                me.once(connection, body)
            except BaseException as error:
                errors.append(error)
                raise
            finally:
                ended.set()

    with Workflow("flow") as flow:
        load()
    row = run(flow, grace=0.1).task("load")
    assert stuck.is_set()
    assert (row.state, row.attempts) == ("success", 2)
    assert database.effects == ["attempt 2"]
    assert "time of this attempt is over" in str(errors[0])


@everywhere()
def test_the_table_is_made_by_many_at_once(database):
    shared = database.connect()
    barrier = threading.Barrier(6)
    errors = []

    def attempt(number: int) -> None:
        connection = shared.cursor() if database.kind == "duckdb" else database.connect()
        barrier.wait()
        try:
            once(target_of(connection), Receipt(f"{number}", "", ""), lambda: add(connection), may_commit=lambda: None)
        except Exception as error:
            errors.append(error)
        connection.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    assert errors == []
    assert len(database.effects) == 6


# --- More than one load


@everywhere("sqlite", "duckdb", "psycopg")
def test_loads_with_names(database):
    """Of any characters, in the name of the task and in what is kept too."""
    names = ["a", "b", 'it\'s 100 % \\ "Ödön" {x} ? :y $1 \0']

    def load_as(connection, name):
        add(connection)
        return name

    @task
    def load():
        connection = database.connect()
        values = [current().once(connection, partial(load_as, connection, name), name=name) for name in names]
        connection.close()
        return values

    with Workflow("flow") as flow:
        load.named("o'dd %s :x ? \\")()
    assert run(flow).tasks[0].result == names
    assert len(database.effects) == 3
    labels = database.query("SELECT task, name FROM penstock_receipt ORDER BY written_at")
    assert labels[2] == ("o_dd _s _x _ _", "it_s 100 _ _ __d_n_ _x_ _ _y _1 _")


@everywhere("sqlite")
def test_the_same_load_twice_in_an_attempt(database):
    @task
    def load(name):
        connection = database.connect()
        current().once(connection, lambda: add(connection), name=name)
        current().once(connection, lambda: add(connection), name=name)

    with Workflow("flow") as flow:
        load("")
        load("orders")
    done = run(flow)
    assert "task 'load' calls once() without a name twice: give each load a name" in done.task("load").error
    assert "calls once(..., name='orders') twice" in done.task("load__1").error
    assert len(database.effects) == 2


@everywhere("sqlite")
def test_receipts_can_be_cleared(database):
    connection = database.connect()
    for number in range(2):
        once(target_of(connection), Receipt("key", "run", "load"), lambda: add(connection), may_commit=lambda: None)
        assert len(database.effects) == number + 1
        with connection:
            connection.execute("DELETE FROM penstock_receipt WHERE written_at < '9'")
    connection.close()


# --- What is refused


def load_with(connection: Any, body: Callable[[], Any]) -> Any:
    """One load under the key "key"."""
    return once(target_of(connection), Receipt("key", "run", "load"), body, may_commit=lambda: None)


@everywhere()
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (threading.Lock(), "cannot be kept in a receipt: .*lock"),
        ("x" * 3000, "3,002 bytes, and a receipt keeps 2,000"),
        ([object()], "cannot be kept in a receipt"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_before_the_commit(database, value, said):
    connection = database.connect()
    with pytest.raises(PenstockError, match=said):
        load_with(connection, lambda: add(connection) and value)
    assert load_with(connection, lambda: add(connection, "again") and 1) == 1
    connection.close()
    assert database.effects == ["again"]


@everywhere()
def test_a_coroutine_is_refused(database):
    async def body():
        pass

    connection = database.connect()
    with pytest.raises(PenstockError, match="a coroutine: give a plain function"):
        load_with(connection, body)
    connection.close()


@everywhere("sqlite", "duckdb", "psycopg", "psycopg that commits by itself")
def test_an_open_transaction_is_refused_and_left_alone(database):
    connection = database.connect()
    if database.kind == "duckdb":
        connection.begin()
    elif database.kind.endswith("itself"):
        connection.execute("BEGIN")
    add(connection, "mine")
    with pytest.raises(PenstockError, match="a transaction is open on the connection"):
        load_with(connection, lambda: add(connection))
    connection.commit()
    connection.close()
    assert database.effects == ["mine"]


def commit(connection: Any) -> None:
    add(connection)
    connection.execute("COMMIT")


def rollback(connection: Any) -> None:
    add(connection)
    connection.execute("ROLLBACK")


def commit_and_go_on(connection: Any) -> None:
    commit(connection)
    connection.execute("BEGIN")
    add(connection)


def rollback_and_go_on(connection: Any) -> None:
    rollback(connection)
    connection.execute("BEGIN")
    add(connection)


def use_as_context(connection: Any) -> None:
    with connection:
        add(connection)


@everywhere()
@pytest.mark.parametrize(
    "end",
    [commit, rollback, commit_and_go_on, rollback_and_go_on, use_as_context],
    ids=lambda end: end.__name__,
)
def test_a_body_that_ends_the_transaction_is_told(database, end):
    connection = database.connect()
    with pytest.raises(Exception) as caught:
        load_with(connection, lambda: end(connection))
    if end is not use_as_context:  # which closes it in psycopg and DuckDB
        assert "ended the transaction that it runs in" in str(caught.value)
    connection.close()
    again = database.connect()
    if end in (rollback, rollback_and_go_on) or (end is use_as_context and database.kind == "duckdb"):
        assert load_with(again, lambda: add(again, "again") and 1) == 1
        again.close()
        assert database.effects == ["again"]
    else:
        with pytest.raises(PenstockError, match="committed in the middle of the body that it gave to once"):
            load_with(again, lambda: add(again, "again"))
        again.close()
        assert database.effects == ["loaded"]


@everywhere("sqlite", "sqlite that commits by itself")
def test_a_body_that_runs_a_script(database):
    """sqlite3 commits before it."""
    connection = database.connect()
    with pytest.raises(PenstockError, match="ended the transaction that it runs in"):
        load_with(connection, lambda: connection.executescript("INSERT INTO effects VALUES ('loaded')"))
    connection.close()


@everywhere("psycopg", "psycopg that commits by itself", "duckdb")
def test_a_body_that_swallows_an_error_of_the_database(database):
    connection = database.connect()

    def body() -> None:
        add(connection)
        try:
            connection.execute("SELECT * FROM nowhere_at_all")
        except Exception:
            pass

    said = "transaction is aborted" if database.kind == "duckdb" else "one of its statements had failed"
    with pytest.raises((PenstockError, duckdb.Error), match=said):
        load_with(connection, body)
    connection.close()
    assert database.effects == []


@everywhere("psycopg", "psycopg that commits by itself")
def test_a_body_with_savepoints(database):
    connection = database.connect()

    def body() -> int:
        with connection.transaction():
            add(connection)
            with pytest.raises(psycopg.Error), connection.transaction():
                connection.execute("SELECT * FROM nowhere_at_all")
        return 1

    assert [load_with(connection, body) for _ in range(2)] == [1, 1]
    connection.close()
    assert database.effects == ["loaded"]


@everywhere("psycopg")
def test_asynchronous_connections_are_refused(database):
    import asyncio

    async def connect() -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(database.place)

    async def attempt() -> None:
        connection = await connect()
        with pytest.raises(PenstockError, match="takes a connection that is not asynchronous"):
            load_with(connection, lambda: None)
        await connection.close()

    asyncio.run(attempt())


@pytest.mark.parametrize("connection", ["a text", None, 5, object()])
def test_what_is_no_connection_is_refused(connection):
    with pytest.raises(PenstockError, match=r"takes a DB-API connection, which has cursor\(\), commit\(\)"):
        load_with(connection, lambda: None)


def test_outside_of_a_task():
    with pytest.raises(PenstockError, match="outside of a task"):
        current().once(None, lambda: None)


@everywhere("sqlite")
def test_a_table_that_cannot_be_made(database):
    connection = sqlite3.connect(f"file:{database.place}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly") as caught:
        load_with(connection, lambda: None)
    assert "penstock_receipt" in caught.value.__notes__[0]
    connection.close()


# --- Connections as users set them up


MODES: list[dict[str, Any]] = [{"isolation_level": level} for level in (None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")]
if sys.version_info >= (3, 12):
    MODES += [{"autocommit": True}, {"autocommit": False}]


@everywhere("sqlite")
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_sqlite_in_every_mode_and_with_rows_and_texts_of_the_users(database, mode):
    def as_dict(cursor: sqlite3.Cursor, row: Any) -> dict[str, Any]:
        return {name: value for (name, *_), value in zip(cursor.description, row, strict=True)}

    connection = sqlite3.connect(database.place, **mode)
    for factory, text in [(sqlite3.Row, str), (as_dict, bytes), (lambda *_: None, str)]:
        connection.row_factory, connection.text_factory = cast(Any, factory), text
        key = Receipt(f"{factory}", "run", "load")
        for _ in range(2):
            value = once(target_of(connection), key, lambda: add(connection) and "wørth", may_commit=lambda: None)
            assert value == "wørth"
        with pytest.raises(ZeroDivisionError):
            load_with(connection, lambda: add(connection) and 1 / 0)
    assert not connection.in_transaction or mode.get("autocommit") is False
    connection.close()
    assert len(database.effects) == 3


@everywhere("psycopg")
def test_psycopg_with_rows_of_the_users(database):
    for factory in (psycopg.rows.dict_row, psycopg.rows.namedtuple_row, psycopg.rows.class_row(Receipt)):
        with psycopg.connect(database.place, row_factory=factory) as connection:
            key = Receipt(f"{factory}", "run", "load")
            for _ in range(2):
                assert once(target_of(connection), key, lambda: add(connection) and 5, may_commit=lambda: None) == 5
    assert len(database.effects) == 3


@everywhere("psycopg")
@pytest.mark.parametrize("level", list(psycopg.IsolationLevel))
def test_postgres_at_every_level_of_isolation(database, level):
    connections = [database.connect(), database.connect()]
    for connection in connections:
        connection.isolation_level = level
    values = [load_with(connection, lambda: add(connections[0]) and 7) for connection in connections]
    for connection in connections:
        connection.close()
    assert values == [7, 7]
    assert database.effects == ["loaded"]


@everywhere("psycopg")
def test_a_connection_that_is_lost_at_its_commit(database):
    """Nobody knows then whether it was done; the next attempt does."""
    connection = database.connect()

    def body() -> int:
        add(connection)
        pid = connection.info.backend_pid
        with psycopg.connect(database.place, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        return 1

    with pytest.raises(psycopg.OperationalError):
        load_with(connection, body)
    connection = database.connect()
    assert load_with(connection, lambda: add(connection) and 2) == 2
    connection.close()
    assert database.effects == ["loaded"]


class Plain:
    """A connection of a driver that nothing is known of: PEP 249 and no more."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def cursor(self) -> sqlite3.Cursor:
        return self._connection.cursor()

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()


@everywhere("sqlite")
def test_a_driver_that_nothing_is_known_of(database):
    connection = database.connect()
    plain = Plain(connection)
    add(connection, "mine")
    with pytest.raises(ZeroDivisionError):
        load_with(plain, lambda: add(connection, "wrong") and 1 / 0)
    assert [load_with(plain, lambda: add(connection) and 3) for _ in range(2)] == [3, 3]
    connection.close()
    assert database.effects == ["mine", "loaded"]


@everywhere("sqlite")
def test_a_driver_that_nothing_is_known_of_in_autocommit_mode(database):
    plain: Any = Plain(database.connect())
    plain.autocommit = True
    with pytest.raises(PenstockError, match="switch its autocommit off"):
        load_with(plain, lambda: None)
    assert not database.query("SELECT name FROM sqlite_schema WHERE name = 'penstock_receipt'")


# --- Receivers that recognise keys themselves


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_key_is_the_same_for_every_attempt(executor):
    @task(retries=2)
    def post():
        keys = [current().idempotency_key for _ in range(2)]
        if current().attempt < 3:
            raise RunFailed(keys[0], None)
        return keys

    with Workflow("flow") as flow:
        post()
    done = run(flow, executor=executor)
    assert done.task("post").result == [f"{done.id}:post:0:0"] * 2

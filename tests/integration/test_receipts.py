"""Transactional loads: what a task does through `current().once()` is done once, in real databases, whatever dies."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock import RunFailed, Workflow, WorkflowManager, current, task
from penstock.executor.receipts import Receipt, once
from penstock.executor.target import target_of
from tests.integration.effects import Database, add, everywhere

pytest_plugins = ("tests.postgres_fixtures", "tests.integration.effects_fixtures")


def run(flow: Workflow, *, executor: str = "threads", **options: Any) -> Any:
    manager = WorkflowManager("memory", executor=executor, workers=2, observers=[], **options)
    return manager.run(flow, raise_on_failure=False)


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
from tests.integration.effects import Database, add

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
    with closing(database.connect()) as connection:
        connection.execute("CREATE TABLE effects (what TEXT)")
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
            connection.close()
        else:
            try:
                me.once(connection, body)
            except BaseException as error:
                errors.append(error)
                raise
            finally:
                connection.close()
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
        with closing(database.connect()) as connection:
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

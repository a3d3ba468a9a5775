from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from penstock.engine.events import RunResumed
from penstock.errors import StoreCorrupt, StoreError
from penstock.store.base import RunChange
from penstock.store.postgres import PostgresStore
from penstock.store.postgres.address import Address, read_url
from penstock.store.postgres.connection import Connection, connect
from penstock.store.postgres.schema import VERSION, prepare
from penstock.testing.store_samples import in_threads, new_run
from penstock.testing.store_schedules import due_run, new_schedule
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)

HERE = Path(prepare.__code__.co_filename).parent


@pytest.fixture
def address(postgres_url: str) -> Address:
    return read_url(postgres_url)


@pytest.fixture
def db(address: Address) -> Iterator[Connection]:
    with connect(address) as db:
        yield db


def described(admin: Admin) -> list[tuple[object, ...]]:
    """Every table, index and sequence of the schema, with its columns and constraints."""
    return admin.rows(
        "SELECT relname, relkind, attname, format_type(atttypid, atttypmod), attnotnull, attcollation,"
        " CASE WHEN relkind = 'i' THEN pg_get_indexdef(pg_class.oid) END,"
        " ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = pg_class.oid ORDER BY 1)"
        " FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0"
        " WHERE relnamespace = to_regnamespace(%s) ORDER BY 1, attnum",
        admin.address.schema,
    )


def version(admin: Admin) -> list[tuple[object, ...]]:
    return admin.rows("SELECT version FROM penstock_version")


def test_a_new_schema_is_made_once(db: Connection, address: Address, admin: Admin):
    assert described(admin) == []
    prepare(db, address)
    assert version(admin) == [(VERSION,)]
    before = described(admin)
    prepare(db, address)
    assert described(admin) == before
    tables = {"run", "plan", "followed", "journal", "lease", "message", "duration", "pool", "slot", "schedule", "tick"}
    assert tables < {row[0] for row in before}


def test_an_empty_schema_that_is_there_is_taken(db: Connection, address: Address, admin: Admin):
    admin.rows(f'CREATE SCHEMA "{address.schema}"')
    prepare(db, address)
    assert version(admin) == [(VERSION,)]


def test_many_make_it_at_once(postgres_url: str, admin: Admin):
    ready = Barrier(6)

    def open(_: int) -> None:
        ready.wait()
        PostgresStore(postgres_url).close()

    in_threads(open, 6)
    assert version(admin) == [(VERSION,)]


@pytest.mark.parametrize("schema", ['a "quoted" one', "Größe", "x'; DROP TABLE run; --", "MiXeD", "%s $1 {}"])
def test_any_name_will_do(postgres_urls: Callable[[str], str], schema: str):
    from urllib.parse import quote

    url = postgres_urls(quote(schema, safe=""))
    store = PostgresStore(url)
    assert store.runs() == []
    store.close()
    admin = Admin(url)
    tables = admin.rows("SELECT tablename FROM pg_tables WHERE schemaname = %s", admin.address.schema)
    assert {"run", "journal", "lease"} < {name for (name,) in tables}
    admin.close()


def test_there_is_a_migration_to_every_version_but_the_first():
    steps = {int(path.stem) for path in (HERE / "migrations").glob("*.sql")}
    assert steps == set(range(2, VERSION + 1))


@pytest.mark.parametrize("older", [1, 2, 3])
def test_older_tables_become_like_new_ones(
    db: Connection, address: Address, admin: Admin, postgres_urls: Callable[[str], str], older: int
):
    prepare(db, address, 2, Path(__file__).with_name("v2"))
    if older == 1:
        admin.rows("DROP TABLE duration")  # what came with version 2
        admin.rows("UPDATE penstock_version SET version = 1")
    if older == 3:
        prepare(db, address, 3)
    prepare(db, address)
    assert version(admin) == [(VERSION,)]
    new = Admin(postgres_urls("new"))
    PostgresStore(postgres_urls("new")).close()
    schemas = address.schema, new.address.schema
    assert [str(row).replace(schemas[0], schemas[1]) for row in described(admin)] == [
        str(row) for row in described(new)
    ]
    new.close()


def test_old_runs_are_there_after_a_migration(db: Connection, address: Address, admin: Admin, postgres_url: str):
    prepare(db, address, 2, Path(__file__).with_name("v2"))
    columns = "id, workflow, state, params, plan, created_at, tasks, counts, undelivered"
    admin.rows(f"INSERT INTO run ({columns}) VALUES ('run-1', 'flights', 'running', '{{}}', 'p', 1000, 10, '{{}}', 0)")
    admin.rows("INSERT INTO lease (run, token) SELECT number, 4 FROM run")
    store = PostgresStore(postgres_url)
    old = new_run(state="running", params="{}", plan="p", source=None, tasks=10)
    assert store.unfinished() == [old]
    lease = store.acquire("run-1")
    assert lease.token == 5
    store.append(lease, [RunResumed(1.0)], change=RunChange(state="waiting", wake_at=5.0))
    assert store.due(5.0) == [replace(old, state="waiting", wake_at=5.0)]
    assert store.claim(lease, "api", 1, capacity=1).granted == 1
    store.put_schedules([new_schedule()])
    assert store.decide("flights", 0.0, 1.0, [(due_run("run-2", 1.0), b"a plan")])
    assert [row.id for row in store.runs(states=["queued"])] == ["run-2"]
    store.close()


def test_parts_of_runs_were_begun_by_these(db: Connection, address: Address, admin: Admin, postgres_url: str):
    prepare(db, address, 2, Path(__file__).with_name("v2"))
    prepare(db, address, 3)
    columns = "id, workflow, state, params, plan, created_at, tasks, counts, undelivered, parent"
    for id, parent in (("whole", None), ("part", "whole")):
        admin.rows(
            f"INSERT INTO run ({columns}) VALUES (%s, 'flights', 'success', '{{}}', 'p', 1000, 10, '{{}}', 0, %s)",
            id,
            parent,
        )
    store = PostgresStore(postgres_url)
    assert {row.id: row.trigger for row in store.runs()} == {"whole": "manual", "part": "workflow"}
    store.close()


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / f"{VERSION + 1}.sql").write_text(
        "CREATE TABLE one (a text); INSERT INTO one VALUES (1);"
    )
    (tmp_path / "migrations" / f"{VERSION + 2}.sql").write_text("ALTER TABLE one ADD b text; UPDATE one SET b = 'x';")
    return tmp_path


def test_older_tables_are_brought_up_to_date_step_by_step(db: Connection, address: Address, admin: Admin, steps: Path):
    prepare(db, address)
    prepare(db, address, VERSION + 2, steps)
    assert version(admin) == [(VERSION + 2,)]
    assert admin.rows("SELECT * FROM one") == [("1", "x")]


def test_a_migration_that_fails_changes_nothing(db: Connection, address: Address, admin: Admin, steps: Path):
    prepare(db, address)
    before = described(admin)
    (steps / "migrations" / f"{VERSION + 2}.sql").write_text("ALTER TABLE one ADD b text; SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        prepare(db, address, VERSION + 2, steps)
    assert described(admin) == before
    assert version(admin) == [(VERSION,)]


def test_many_migrate_at_once(db: Connection, address: Address, admin: Admin, steps: Path):
    prepare(db, address)
    ready = Barrier(4)

    def migrate(_: int) -> None:
        with connect(address) as own:
            ready.wait()
            prepare(own, address, VERSION + 2, steps)

    in_threads(migrate, 4)
    assert version(admin) == [(VERSION + 2,)]
    assert admin.rows("SELECT * FROM one") == [("1", "x")]


def test_a_newer_schema_is_refused(postgres_url: str, admin: Admin):
    PostgresStore(postgres_url).close()
    admin.rows("UPDATE penstock_version SET version = version + 1")
    before = described(admin)
    with pytest.raises(StoreCorrupt, match=r"newer Penstock.*upgrade"):
        PostgresStore(postgres_url)
    assert described(admin) == before
    admin.rows("UPDATE penstock_version SET version = version - 1")
    PostgresStore(postgres_url).close()


def test_a_schema_of_another_program_is_refused_and_left_alone(postgres_url: str, address: Address, admin: Admin):
    admin.rows(f'CREATE SCHEMA "{address.schema}"')
    admin.rows("CREATE TABLE run (theirs int)")
    before = described(admin)
    with pytest.raises(StoreCorrupt, match=r"another program.*penstock_schema"):
        PostgresStore(postgres_url)
    assert described(admin) == before


def test_a_store_whose_tables_went_says_so(postgres_url: str, admin: Admin):
    store = PostgresStore(postgres_url)
    admin.rows("DROP TABLE message, lease, slot, journal, followed, duration, plan, run, schedule, tick")
    with pytest.raises(StoreCorrupt, match="tables of the store are missing"):
        store.runs()
    store.close()


def test_a_role_without_rights_is_told_so(postgres: str, postgres_url: str, admin: Admin):
    role = f"{admin.address.schema}_guest"
    admin.rows(f'CREATE ROLE "{role}" LOGIN')
    PostgresStore(postgres_url).close()
    guest = postgres_url.replace("penstock@", f"{role}@")
    if guest == postgres_url:
        pytest.skip("the server that was given has another user")
    try:
        with pytest.raises(StoreError, match="lacks a right"):
            PostgresStore(guest)
        admin.rows(f'GRANT USAGE ON SCHEMA "{admin.address.schema}" TO "{role}"')
        admin.rows(f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{admin.address.schema}" TO "{role}"')
        store = PostgresStore(guest)  # which needs no right to make tables
        assert store.runs() == []
        store.close()
    finally:
        admin.rows(f'DROP OWNED BY "{role}"')
        admin.rows(f'DROP ROLE "{role}"')

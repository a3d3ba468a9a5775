"""A message to a run that comes to wait at this moment, seen from either side of the row's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.store.base import RunChange
from penstock.store.postgres import PostgresStore
from penstock.testing.store_samples import new_run
from tests.postgres import Admin

pytest_plugins = ("tests.postgres_fixtures",)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url)
    store.create_run(new_run(state="running"), b"a plan")
    yield store
    store.close()


def meanwhile(admin: Admin, work: Callable[[], None], *statements: str) -> None:
    """Have somebody make a transaction which the work meets before its commit."""
    with ThreadPoolExecutor(1) as threads:
        admin.rows("BEGIN")
        for statement in statements:
            admin.rows(statement)
        working = threads.submit(work)
        while not admin.waiting() and not working.done():
            pass
        admin.rows("COMMIT")
        working.result()


def test_a_message_waits_for_a_run_that_is_just_being_parked(store: PostgresStore, admin: Admin):
    parking = "UPDATE run SET state = 'waiting', wake_at = 50"
    meanwhile(admin, lambda: store.post("run-1", "message"), parking)
    assert store.run("run-1").wake_at == 0.0
    assert len(store.messages("run-1")) == 1


def test_a_run_is_not_parked_over_a_message_that_is_just_being_posted(store: PostgresStore, admin: Admin):
    lease = store.acquire("run-1")
    locking = "SELECT FROM run FOR NO KEY UPDATE"
    posting = "INSERT INTO message (run, kind, body, at) SELECT number, 'message', '{}', 1.0 FROM run"
    change = RunChange(state="waiting", wake_at=50.0)
    meanwhile(admin, lambda: store.append(lease, [], change=change), locking, posting)
    assert store.run("run-1").wake_at == 0.0
    assert [number for number, _ in store.read("run-1")] == [1]

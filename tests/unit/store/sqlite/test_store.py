from __future__ import annotations

from pathlib import Path

from penstock.engine.events import RetryDue
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import new_run


def fill(store: SQLiteStore, run_id: str, batches: int) -> None:
    store.create_run(new_run(run_id), b"a plan")
    lease = store.acquire(run_id)
    for number in range(batches):
        store.append(lease, [RetryDue(number, 1.0)])
    lease.release()


def test_a_run_that_is_deleted_while_it_is_read_ends_there(tmp_path: Path):
    store = SQLiteStore(tmp_path / "store")
    fill(store, "run-1", 200)
    batches = store.read("run-1")
    assert next(batches)[0] == 1
    store.delete_run("run-1")
    fill(store, "run-2", 200)  # whose journal must not be taken for the rest of the other
    assert 1 < sum(1 for _ in batches) < 199
    assert len(list(store.read("run-2"))) == 200
    store.close()


def test_what_a_dead_driver_left_goes_with_its_run(tmp_path: Path):
    store = SQLiteStore(tmp_path / "store")
    fill(store, "run-1", 1)
    listener = store.listen("run-1")  # never closed, as by a driver that was killed
    assert len(list((tmp_path / "store" / "wake").iterdir())) == 1
    store.delete_run("run-1")
    assert list((tmp_path / "store" / "wake").iterdir()) == []
    listener.close()
    store.close()

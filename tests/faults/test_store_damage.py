"""The SQLite store over files that were damaged or edited."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from penstock.engine.events import RetryDue
from penstock.errors import PenstockError, StoreCorrupt
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_samples import EVERY_EVENT, new_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store, closed, with the run "run-1" and ten batches of its journal."""
    folder = tmp_path / "store"
    store = SQLiteStore(folder)
    store.create_run(new_run(), b"a plan")
    lease = store.acquire("run-1")
    for number in range(1, 11):
        store.append(lease, [RetryDue(number, 1.0), *EVERY_EVENT])
    lease.release()
    store.close()
    return folder


def edit(folder: Path, statement: str, *values: object) -> None:
    db = apsw.Connection(str(folder / "penstock.db"))
    db.execute(statement, values)
    assert db.changes() == 1
    db.close()


def read(folder: Path) -> list[int]:
    store = SQLiteStore(folder)
    try:
        return [number for number, _ in store.read("run-1")]
    finally:
        store.close()


@pytest.mark.parametrize("batch", [1, 5, 10])
def test_any_flipped_bit_of_a_batch_is_found(folder: Path, batch: int):
    id = (1 << 32) + batch
    db = apsw.Connection(str(folder / "penstock.db"))
    rows: Any = db.execute("SELECT body, checksum FROM journal WHERE id = ?", (id,)).fetchall()
    [(body, checksum)] = rows
    chance = random.Random(batch)
    store = SQLiteStore(folder)
    for column, intact in (("body", body), ("checksum", checksum)):
        for bit in chance.sample(range(len(intact) * 8), 40):
            damaged = bytearray(intact)
            damaged[bit // 8] ^= 1 << bit % 8
            db.execute(f"UPDATE journal SET {column} = ? WHERE id = ?", (bytes(damaged), id))
            with pytest.raises(
                StoreCorrupt, match=f"run run-1, batch {batch} of its journal does not fit its checksum"
            ):
                list(store.read("run-1"))
        db.execute(f"UPDATE journal SET {column} = ? WHERE id = ?", (intact, id))
    assert len(list(store.read("run-1"))) == 10
    store.close()
    db.close()


def test_batches_before_the_damage_are_read(folder: Path):
    edit(folder, "UPDATE journal SET body = ? WHERE id = ?", b"[]", (1 << 32) + 7)
    store = SQLiteStore(folder)
    batches = store.read("run-1")
    assert [next(batches)[0] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(StoreCorrupt, match="batch 7"):
        next(batches)
    store.close()


@pytest.mark.parametrize("batch", [1, 5, 9])
def test_a_missing_batch_is_found(folder: Path, batch: int):
    edit(folder, "DELETE FROM journal WHERE id = ?", (1 << 32) + batch)
    with pytest.raises(StoreCorrupt, match=f"batch {batch} of its journal is missing"):
        read(folder)
    store = SQLiteStore(folder)
    with pytest.raises(StoreCorrupt, match=f"batch {batch} of its journal is missing"):
        list(store.read("run-1", batch))
    store.close()


def test_a_journal_of_another_run_does_not_fit(folder: Path):
    edit(folder, "UPDATE run SET id = 'run-2'")
    store = SQLiteStore(folder)
    with pytest.raises(StoreCorrupt, match="run run-2, batch 1"):
        list(store.read("run-2"))
    store.close()


def test_a_batch_that_is_whole_and_unknown(folder: Path):
    """As a newer Penstock may have written it."""
    from penstock.store.sqlite.journal import chained, seed

    body = b'[["invented",1.0]]'
    edit(
        folder,
        "UPDATE journal SET body = ?, checksum = ? WHERE id = ?",
        body,
        chained(seed("run-1"), body),
        (1 << 32) + 1,
    )
    with pytest.raises(StoreCorrupt, match=r"run run-1, batch 1 of its journal cannot be read.*invented"):
        read(folder)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"\x00" * 8192, b"SQLite format 3\x00" + b"\xff" * 4080]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes):
    tmp_path.joinpath("penstock.db").write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"penstock\.db: it is damaged or no SQLite database: restore a backup"):
        SQLiteStore(tmp_path)
    assert tmp_path.joinpath("penstock.db").read_bytes() == content


def test_a_file_that_ends_too_early(folder: Path):
    whole = (folder / "penstock.db").read_bytes()
    for pages in range(1, len(whole) // 4096):
        (folder / "penstock.db").write_bytes(whole[: pages * 4096])
        with pytest.raises(StoreCorrupt):
            read(folder)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path):
    (tmp_path / "penstock.db").mkdir()
    with pytest.raises(PenstockError, match=r"penstock\.db"):
        SQLiteStore(tmp_path)


def test_no_flipped_bit_anywhere_goes_unnoticed_in_a_journal(folder: Path):
    """Whatever is damaged: the journal is read as it was, or refused, and no other error comes out."""
    whole = (folder / "penstock.db").read_bytes()
    expected = [(number, [RetryDue(number, 1.0), *EVERY_EVENT]) for number in range(1, 11)]
    chance = random.Random(7)
    found = 0
    for _ in range(400):
        damaged = bytearray(whole)
        bit = chance.randrange(len(whole) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / "penstock.db").write_bytes(damaged)
        try:
            store = SQLiteStore(folder)
        except PenstockError:
            found += 1
            continue
        try:
            assert list(store.read("run-1")) in (expected, [])  # [] is none of the journal found at all
        except PenstockError:
            found += 1
        finally:
            store.close()
    assert found > 10

"""Both stores do what every store must."""

from __future__ import annotations

from pathlib import Path

from penstock.store.base import Store
from penstock.store.memory import MemoryStore
from penstock.store.sqlite import SQLiteStore
from penstock.testing.store_conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    def open(self, folder: Path) -> Store:
        return MemoryStore()


class TestSQLiteStore(StoreConformance):
    def open(self, folder: Path) -> Store:
        return SQLiteStore(folder)

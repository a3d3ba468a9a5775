"""The Postgres store does what every store must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.store.base import Store
from penstock.store.postgres import PostgresStore
from penstock.testing.store_conformance import StoreConformance

pytest_plugins = ("tests.postgres_fixtures",)


class TestPostgresStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def urls(self, postgres_urls: Callable[[str], str]) -> None:
        self.url_of = postgres_urls

    def open(self, folder: Path) -> Store:
        return PostgresStore(self.url_of(folder.name))

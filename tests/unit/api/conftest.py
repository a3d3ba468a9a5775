"""The API over a store in SQLite; and over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.served import Api, served


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A server over a new store in SQLite."""
    with served(f"sqlite:///{tmp_path / 'store'}") as api:
        yield api


@pytest.fixture(params=["sqlite", "memory"])
def any_api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A server over a new store of each kind that needs no other server."""
    with served(f"sqlite:///{tmp_path / 'store'}" if request.param == "sqlite" else "memory") as api:
        yield api

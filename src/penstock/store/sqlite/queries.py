"""The SQL of the store, which lies in queries.sql."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from penstock.store.statements import statements


@cache
def queries() -> dict[str, str]:
    """Every statement by its name."""
    return statements(Path(__file__).with_name("queries.sql"))

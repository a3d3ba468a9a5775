"""The store in SQLite files."""

from __future__ import annotations

from penstock.store.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]

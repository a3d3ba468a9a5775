"""What really happened to a run, written down outside of its store: which bodies ran with what, who was told what, and
what the store has acknowledged.

Each entry is one append, so that no kill takes it back, and the entries of all threads and processes stand in the order
in which they were written.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any


def note(path: str | Path, kind: str, **what: Any) -> None:
    """Add an entry."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o666)
    try:
        os.write(file, json.dumps({"kind": kind, **what}).encode() + b"\n")
    finally:
        os.close(file)


def digest_of(*values: object) -> str:
    """Tells values apart."""
    return blake2b(repr(values).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Ledger:
    """The entries so far."""

    entries: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """What stands in a file, which need not be there."""
        lines = path.read_text().splitlines() if path.exists() else []
        return cls([json.loads(line) for line in lines])

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The entries of some kinds."""
        return [entry for entry in self.entries if entry["kind"] in kinds]

    def starts(self, task: str) -> list[dict[str, Any]]:
        """How often the body of a task began, and with what."""
        return [entry for entry in self.of("start") if entry["task"] == task]

"""A book in which bodies note when they begin to use a pool and when they have done, wherever they run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Book:
    """Notes of who uses a pool, in a file to which every line is added in one piece."""

    def __init__(self, path: str | Path = "book") -> None:
        self.path = Path(path).absolute()

    @contextmanager
    def using(self, who: str, slots: int = 1) -> Iterator[None]:
        """Note the beginning and the end of a use, and have some of it in between."""
        self._note(f"+{slots} {who}")
        try:
            with self.path.open("ab") as file:
                os.fsync(file)
            yield
        finally:
            self._note(f"-{slots} {who}")

    def _note(self, line: str) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{line}\n".encode())
        finally:
            os.close(file)

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Slots that were taken, or given back if they are negative, and by whom."""
        text = self.path.read_text() if self.path.exists() else ""
        return [(int(line.split()[0]), line.split()[1]) for line in text.splitlines()]

    @property
    def begun(self) -> list[str]:
        """Who has begun, in order."""
        return [who for slots, who in self.lines if slots > 0]

    @property
    def most(self) -> int:
        """How many slots were used at once, at most."""
        used = most = 0
        for slots, _ in self.lines:
            used += slots
            most = max(most, used)
        return most

    def forget(self, who: str) -> None:
        """Note the end of what was killed in the middle."""
        self._note(f"-1 {who}")

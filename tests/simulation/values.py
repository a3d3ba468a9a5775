"""What bodies of simulated worlds give and take."""

from __future__ import annotations

from threading import Lock
from typing import Any


class Volatile:
    """A value that no codec takes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lock = Lock()


def plain(value: Any) -> Any:
    """A value as it is noted down."""
    if isinstance(value, Volatile):
        return value.text
    if isinstance(value, list):
        return [*map(plain, value)]
    return value.strip(".") if isinstance(value, str) else value

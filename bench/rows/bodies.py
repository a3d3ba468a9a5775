"""What runs in processes. It imports nothing, so that nobody's processes take longer to begin."""

from __future__ import annotations

from time import perf_counter

TURNS = 700_000
"""Of a loop, about 35 ms."""


def burn() -> int:
    """Something to compute."""
    x = 0
    for i in range(TURNS):
        x += i * i
    return x & 0xFF


def stamp() -> float:
    """The time, on the one clock that all processes have."""
    return perf_counter()


def nothing() -> None:
    """An empty task."""

"""What the campaigns have in common: each tries to break one part of the promise, so many times, from a seed.

`python -m tests.faults.torture` runs them at full length; the default tests run a seeded part of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """What a campaign has done and seen."""

    done: int = 0
    """How many faults were inflicted."""
    violations: list[str] = field(default_factory=list)
    """Where the promise was broken; each line is enough to do it again, by its seed."""
    notes: dict[str, str] = field(default_factory=dict)
    """What else was seen, such as "longest wait" -> "186 ms"."""


@dataclass(frozen=True)
class Campaign:
    """A way to hurt, and how often it is done at full length."""

    name: str
    full: int
    run: Callable[[int, int, Path], Report]
    """Inflict so many faults, drawn from a seed, in an empty folder. Nothing is left running when it returns."""

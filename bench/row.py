"""What is measured: a row of the table is some measurements of the same work, and what they are to come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Figures = Mapping[str, float]
"""What one measurement gives, by name."""
Measure = Callable[[int, Path], Figures]
"""Measures work of a size, with an empty folder for its files. Each is made in a process of its own."""
Medians = Mapping[str, Figures]
"""Of each measurement of a row: the median of each of its figures."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a row is judged by."""

    what: str
    most: float
    """What it may be at most, in `unit`."""
    unit: str
    value: Callable[[Medians, int], float]
    """What it is, for the medians and the size. KeyError if something was not measured."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What an aim came to."""

    what: str
    value: float
    most: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is no more than it may be."""
        return self.value <= self.most


@dataclass(frozen=True, slots=True)
class Row:
    """Some measurements that are made in turn, again and again."""

    name: str
    title: str
    measures: Mapping[str, Measure]
    size: int
    quick: int
    """The size for trying."""
    aims: Sequence[Aim] = ()
    repeat: int = 5
    memory: int = 0
    """Bytes that a measurement of the full size needs at most; 0 for little."""
    prepare: Callable[[int, Path], None] | None = None
    """Makes what the measurements find in the folder `prepared` beside their own, once."""

    def judge(self, medians: Medians, size: int) -> list[Judged]:
        """What the aims came to, but for those of which something was not measured."""
        judged = []
        for aim in self.aims:
            try:
                judged.append(Judged(aim.what, aim.value(medians, size), aim.most, aim.unit))
            except KeyError:
                continue
        return judged


def ratio(part: str, other: str, figure: str = "us") -> Callable[[Medians, int], float]:
    """How many times as much one measurement gives as another."""
    return lambda medians, size: medians[part][figure] / medians[other][figure]


def figure(part: str, name: str) -> Callable[[Medians, int], float]:
    """One figure of one measurement."""
    return lambda medians, size: medians[part][name]

"""What a task or a task group is mapped over."""

from __future__ import annotations

from typing import Any


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


class Expansion:
    """What makes one task or group many instances, as it was written: nothing is checked.

    Each of the `sources` gives the values of one argument, and there is an instance for each combination of them, the
    last source changing fastest. Or else the `whole` gives a dict of keyword arguments for each instance.
    """

    __slots__ = ("sources", "whole")

    def __init__(self, sources: Any = None, whole: Any = NOTHING) -> None:
        self.sources = sources
        """Argument -> a list, tuple, range, dict, output or parameter; None where the whole is given."""
        self.whole = whole
        """A list of dicts, an output or a parameter; NOTHING where sources are given."""

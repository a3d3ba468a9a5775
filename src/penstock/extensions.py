"""Parts that other packages bring, found by name through entry points.

The groups are `penstock.executors`, `penstock.stores`, `penstock.codecs` and `penstock.notifiers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from penstock.errors import PenstockError


def find(group: str, name: str, *, known: Sequence[str] = ()) -> Any:
    """The object that an installed package offers under a name. PenstockError, naming what there is, if none does."""
    from importlib.metadata import entry_points

    points = entry_points(group=f"penstock.{group}")
    for point in points:
        if point.name == name:
            return point.load()
    names = [*known, *sorted(point.name for point in points)]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
    raise PenstockError(f"there is no {group.removesuffix('s')} '{name}'; {hint}")

"""What modules are called, the same in every process that meets them."""

from __future__ import annotations

import sys
from pathlib import PurePath

LOADED_FROM = "__penstock_file__"
"""Set on modules that were loaded from a FILE: their functions travel to other processes by value."""


def module_label(module: str | None) -> str:
    """A module's name, where a script is called after its file whether it was run or loaded."""
    loaded = sys.modules.get(module or "")
    if loaded is None:
        return module or ""
    if module == "__main__":
        path = getattr(loaded, "__file__", None)
        return PurePath(path).stem if path else "__main__"
    path = getattr(loaded, LOADED_FROM, None)
    return PurePath(path).stem if path else loaded.__name__
